package svc

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session/internal/clock"
	"github.com/tgsession/tgsession/app/interface/session/internal/peers"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// What status knows of the keys that are online here decides whether their
// clients get updates at all (PEERS.md, "status"), and it may stop knowing
// without a word: its Redis is flushed, or a node that had a key before says
// that nobody is there, or goes on announcing it. So a node looks after its
// entries, and hands them over when it gives its keys up.

const (
	recheckEvery  = time.Second
	recheckKeys   = 100             // keys that status is asked about at a time,
	recheckMoving = 1000            // and while a node that had them before may still report
	movingFor     = 2 * time.Minute // after a change of the ring: a stock node ends what is idle by then
	recheckRound  = 5 * time.Second // all keys are asked about in that time, where they are that few
	quietTime     = time.Second     // without a push: then sync has let go of a node that stops,
	lingerTime    = 8 * time.Second // or never will; stock keeps one that left for 5 s
)

// recheck is where a node is in looking after its entries.
type recheck struct {
	next    int // part of the keys that is looked at next
	parts   int // how many at a time; 0: not begun
	epoch   uint32
	movedAt int64 // when the ring was last seen to have changed, Unix nanoseconds
}

// Recheck asks status about some of the keys that are online here, in turn, and
// tells those that it has forgotten. It is called every second, by one at a time.
// now is the time by which the keys wait (package clock), Unix nanoseconds.
func (s *ServiceContext) Recheck(ctx context.Context, now int64, missing func(context.Context, []peers.Entry) ([]peers.Entry, error)) {
	r := &s.rechecked
	if epoch := s.Cluster.Epoch(); epoch != r.epoch {
		r.epoch, r.movedAt = epoch, now
	}
	if s.Cluster.Left() || s.Cluster.Converging() {
		return // another node may have the key, and be right
	}
	const most = runloop.Shards / int(recheckRound/recheckEvery)
	if r.parts == 0 {
		r.parts = most
	}
	online := s.Runloop.Online(r.next, r.parts)
	r.next = (r.next + r.parts) % runloop.Shards
	limit := recheckKeys
	if now-r.movedAt < int64(movingFor) {
		limit = recheckMoving
	}
	r.parts = min(max(r.parts*limit/max(len(online), 1), 1), most)
	entries := s.entries(online, true)
	lost, err := missing(ctx, entries)
	if err != nil {
		return // whoever has something to tell hears of it
	}
	if len(lost) > len(entries)/2 {
		r.movedAt = now // it has lost everything: the others are next
	}
	for _, e := range lost {
		_, _ = s.Runloop.Tell(e.AuthKeyID, &sess.Forgotten{UserID: e.UserID, Asked: now}) // a control input is never refused
	}
}

// entries are what status should have of keys that are online here: of those
// that are this node's, or of the others.
func (s *ServiceContext) entries(online []runloop.Online, mine bool) (entries []peers.Entry) {
	for _, o := range online {
		if s.Cluster.Owns(o.AuthKeyID) == mine {
			entries = append(entries, peers.Entry{UserID: o.UserID, AuthKeyID: o.AuthKeyID})
		}
	}
	return entries
}

// lookAfter calls Recheck until ctx is done.
func (s *ServiceContext) lookAfter(ctx context.Context) {
	defer s.busy.Done()
	tick := time.NewTicker(recheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.Recheck(ctx, clock.Of(now), s.Status.Missing)
		}
	}
}

// lastPush is when a push last came, which tells whether sync still counts on
// this node.
type lastPush struct{ at atomic.Int64 }

// Pushed notes that sync has called, with encoded updates or with what has none.
func (s *ServiceContext) Pushed(updates []byte) {
	s.pushed.at.Store(clock.Now())
	if len(updates) > 0 {
		s.release.Look("Updates", updates)
	}
}

// published reports whether peers find the node in etcd.
func (s *ServiceContext) published() bool {
	return len(s.Config.Etcd.Hosts) > 0 && s.Config.Etcd.Key != ""
}

// linger keeps a node that has left etcd answering until sync has let go of it: a
// push to an address that answers no more is lost, and has sync use the address
// never again while it has the node on its list. It lasts for as long as pushes
// come, at most lingerTime from began on.
func (s *ServiceContext) linger(ctx context.Context, began time.Time) {
	for {
		quietSince := max(clock.Of(began), s.pushed.at.Load())
		pause := min(quietTime-time.Duration(clock.Now()-quietSince), lingerTime-time.Since(began))
		if pause <= 0 {
			return
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			logx.Error("drain: no time was left to wait for the last pushes")
			return
		case <-t.C:
		}
	}
}
