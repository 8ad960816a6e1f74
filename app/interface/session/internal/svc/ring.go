package svc

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/shard"
)

// ringMoves is what the ring was, for the keys that moved since.
type ringMoves struct {
	changed chan struct{} // capacity 1

	mu   sync.Mutex
	olds []*shard.Ring
}

// ringChanged runs in the time of the etcd subscription, so it only notes that
// keys may have moved.
func (s *ServiceContext) ringChanged(old, now *shard.Ring) {
	s.Nodes.Keep(now.Has)
	m := &s.moves
	m.mu.Lock()
	m.olds = append(m.olds, old)
	m.mu.Unlock()
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// followRing lets go of the keys that other nodes own, a while after the last
// change: a node that comes and goes at once costs nobody's state. Until then
// such a key gets nothing new here, and status hears nothing of it.
func (s *ServiceContext) followRing(ctx context.Context) {
	defer s.busy.Done()
	settled := time.NewTimer(0)
	settled.Stop()
	for {
		select {
		case <-ctx.Done():
			settled.Stop()
			return
		case <-s.moves.changed:
			settled.Reset(s.Config.Session.ReleaseAfter)
		case <-settled.C:
			s.letGo()
			s.takeBack()
		}
	}
}

// takeBack has status told of the keys that this node owns again: whoever had
// them has said that nobody is there any more.
func (s *ServiceContext) takeBack() {
	m := &s.moves
	m.mu.Lock()
	olds := m.olds
	m.olds = nil
	m.mu.Unlock()
	ring, self := s.Shard.Ring(), s.Shard.Self()
	if s.Shard.Left() {
		return
	}
	s.Runloop.Remind(func(key int64) bool {
		return ring.Owner(key) == self && slices.ContainsFunc(olds, func(old *shard.Ring) bool { return old.Owner(key) != self })
	})
}

// letGo releases the keys that the ring of this moment gives to other nodes. A
// node that has left the ring releases nothing: it drains.
func (s *ServiceContext) letGo() {
	ring, self := s.Shard.Ring(), s.Shard.Self()
	if s.Shard.Left() {
		return
	}
	if released := s.Runloop.Release(func(key int64) bool { return ring.Owner(key) == self }); released > 0 {
		metrics.Released.Add(float64(released))
		logx.Infof("%d keys moved to other nodes", released)
	}
}

// elsewhere reports whether another node owns a key and reports it to status.
func (s *ServiceContext) elsewhere(permAuthKeyID int64) bool {
	_, mine := s.Shard.Owner(permAuthKeyID)
	return !mine && !s.Shard.Left()
}
