package runloop

import (
	"sync"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// Ended is a session that has ended on this node.
type Ended struct {
	sess.Ended
	At   int64  // Unix nanoseconds, by the machine's clock
	Key  int64  // of the actor: a perm key, or a temp key of its own
	Node string // that has the session now, where it has moved; else empty
}

// endedSessions are the last sessions that ended. All its memory is there from the start:
// a million clients that leave at once change nothing about that.
type endedSessions struct {
	mu    sync.Mutex
	ring  []Ended
	total uint64 // ever noted
}

// note takes in one more; the oldest gives way.
func (e *endedSessions) note(s Ended) {
	if len(e.ring) == 0 {
		return
	}
	e.mu.Lock()
	e.ring[e.total%uint64(len(e.ring))] = s
	e.total++
	e.mu.Unlock()
}

// Ended returns the last sessions that ended and that match, the latest first, n at most,
// and how many have ended since the start, of which the last EndedSessions are known.
func (m *Manager) Ended(n int, match func(*Ended) bool) (found []Ended, total uint64) {
	e := &m.ended
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := uint64(1); i <= min(e.total, uint64(len(e.ring))) && len(found) < n; i++ {
		if s := &e.ring[(e.total-i)%uint64(len(e.ring))]; match(s) {
			found = append(found, *s)
		}
	}
	return found, e.total
}

// noteEnded notes what has ended in a step.
func (a *actor) noteEnded(ended []sess.Ended) {
	for i := range ended {
		s := Ended{Ended: ended[i], At: a.m.o.Wall(), Key: a.key}
		if s.Reason == sess.EndMoved {
			s.Node = a.taker()
		}
		a.m.ended.note(s)
	}
}

// taker is the node that gets the key; empty: none has asked for it.
func (a *actor) taker() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch d := a.parted; {
	case d == nil:
		return ""
	case d.given != nil:
		return d.givenTo.node
	case len(d.takers) > 0:
		return d.takers[0].node
	}
	return ""
}

// noteReleased notes the sessions of a machine that ends because another node owns its
// key, and has not fetched it.
func (a *actor) noteReleased() {
	real, ok := a.machine.(interface{ Inspect(v *sess.View) })
	if !ok || len(a.m.ended.ring) == 0 {
		return
	}
	var v sess.View
	real.Inspect(&v)
	for i := range v.Sessions {
		s := &v.Sessions[i]
		a.m.ended.note(Ended{
			Ended: sess.Ended{AuthKeyID: s.AuthKeyID, SessionID: s.ID, Reason: sess.EndMoved},
			At:    a.m.o.Wall(), Key: a.key,
		})
	}
}
