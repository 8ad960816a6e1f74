package svc

import (
	"context"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/shard"
)

// ringChanged runs in the time of the etcd subscription, so it only notes that
// keys may have moved.
func (s *ServiceContext) ringChanged(_, now *shard.Ring) {
	s.Nodes.Keep(now.Has)
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

// followRing lets go of the keys that other nodes own, a while after a change:
// a node that comes and goes at once costs nobody's state. Until then such a
// key gets nothing new here, and status hears nothing of it.
func (s *ServiceContext) followRing(ctx context.Context) {
	defer s.busy.Done()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.moved:
		}
		grace := time.NewTimer(s.Config.Session.ReleaseAfter)
		select {
		case <-ctx.Done():
			grace.Stop()
			return
		case <-grace.C:
			s.letGo()
		}
	}
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
