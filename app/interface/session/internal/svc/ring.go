package svc

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/peers"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/shard"
	"github.com/tgsession/tgsession/app/interface/session/internal/stray"
	"github.com/tgsession/tgsession/proto/session"
)

// ringMoves is what is to be done about keys that moved.
type ringMoves struct {
	settled atomic.Uint32 // number of the last ring that has lasted for ReleaseAfter

	mu     sync.Mutex
	cancel func()

	settling sync.Mutex
}

// FollowMoves readies the node for keys that move from now on. later runs what
// is due in a while; nil: a timer.
func (s *ServiceContext) FollowMoves(later stray.Later) {
	if later == nil {
		later = s.later
	}
	wait := s.Config.Session.ReleaseAfter
	s.Strays = stray.New(s.Shard.Owner, wait, later)
	s.Shard.OnChange(func(now *shard.Ring) {
		s.Nodes.Keep(now.Has)
		m := &s.moves
		serial := s.Shard.Serial()
		m.mu.Lock()
		if m.cancel != nil {
			m.cancel()
		}
		m.cancel = later(wait, func() { s.settle(serial) })
		m.mu.Unlock()
		s.Strays.Reconsider()
	})
}

// later runs f in d, unless it is called off before.
func (s *ServiceContext) later(d time.Duration, f func()) (cancel func()) {
	s.busy.Add(1)
	t := time.AfterFunc(d, func() {
		defer s.busy.Done()
		f()
	})
	return func() {
		if t.Stop() {
			s.busy.Done()
		}
	}
}

// settle lets go of the keys that other nodes own, a while after the last
// change: a node that comes and goes at once costs nobody's state. Until then
// such a key gets nothing new here, and status hears nothing of it.
func (s *ServiceContext) settle(serial uint32) {
	s.moves.settling.Lock()
	defer s.moves.settling.Unlock()
	s.letGo()
	s.moves.settled.Store(serial) // before those that came until now are told
	if !s.Shard.Left() {
		s.Runloop.Settle()
	}
}

// Unsettled reports whether nodes may disagree about who owns a key, because the
// ring has changed a moment ago.
func (s *ServiceContext) Unsettled() bool { return s.moves.settled.Load() != s.Shard.Serial() }

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

// SendOn makes a request of size bytes on another node, in the order of the
// key's requests, and calls done once, then or later.
func (s *ServiceContext) SendOn(permAuthKeyID int64, size int, owner string, done func(error),
	call func(context.Context, session.RPCSessionClient) error,
) {
	err := s.Nodes.InOrder(owner, permAuthKeyID, size, func(node session.RPCSessionClient) {
		ctx, cancel := context.WithTimeout(peers.Forwarded(context.Background()), s.Config.Session.PeerTimeout)
		defer cancel()
		done(call(ctx, node))
	})
	if errors.Is(err, peers.ErrFull) {
		err = runloop.ErrDataChannelFull
	}
	if err != nil {
		done(err)
	}
}

// updatesTooLong is an mtproto.Updates by its predicate_name (PEERS.md, "Objects").
var updatesTooLong = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "updatesTooLong")

// Behind has the client of a key that was let go told to fetch updates, by the
// node that has it now: this one took some for it before it heard of that
// node, and they may not have arrived.
func (s *ServiceContext) Behind(permAuthKeyID int64) {
	in := &session.TLSessionPushUpdatesData{PermAuthKeyId: permAuthKeyID, Updates: updatesTooLong}
	s.Strays.Keep(stray.Push{
		Key: permAuthKeyID, Size: len(updatesTooLong),
		Deliver: func() bool { return s.Runloop.Owe(permAuthKeyID, &sess.PushUpdates{Updates: updatesTooLong}) },
		SendOn: func(owner string, done func(error)) {
			s.SendOn(permAuthKeyID, len(updatesTooLong), owner, done, func(ctx context.Context, node session.RPCSessionClient) error {
				_, err := node.SessionPushUpdatesData(ctx, in)
				return err
			})
		},
	})
}

// LeaveRing takes a node that stops off its ring: what still comes, and what
// it kept for keys that are not here, is for the others.
func (s *ServiceContext) LeaveRing() {
	s.letGo()
	s.Shard.Leave()
	s.Strays.Reconsider()
}

// endMoves forgets what is still to be done about keys that moved.
func (s *ServiceContext) endMoves() {
	s.moves.mu.Lock()
	if s.moves.cancel != nil {
		s.moves.cancel()
	}
	s.moves.mu.Unlock()
	if s.Strays != nil {
		s.Strays.Close()
	}
}

// Elsewhere reports whether another node owns a key and reports it to status.
// So a node that stops leaves what status knows of its keys to those who take
// them over: an entry that names it is replaced by the new owner's, or taken
// back at the very end.
func (s *ServiceContext) Elsewhere(permAuthKeyID int64) bool {
	_, mine := s.Shard.Owner(permAuthKeyID)
	return !mine
}
