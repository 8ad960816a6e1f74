package sim

import (
	"hash/maphash"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// handed is how often nodes have taken a packet, how often machines have got it,
// and how often it may have been lost in between.
type handed struct{ taken, stepped, excused int }

// contents is the seed of the hashes by which packets are told apart.
var contents = maphash.MakeSeed()

const (
	// stepTime is the longest that a packet waits for its machine, which may
	// be another one's heir, or on its way from another node, which may have to hear
	// first that it is.
	stepTime = 9 * time.Second
	// drainTime is the longest that a machine has something in flight: calls
	// that wait for their turn and results that were promised; and how long a
	// node waits for its ring to settle.
	drainTime = 2 * time.Minute
)

// handedOf is that of a packet, wherever its bytes are.
func (w *watch) handedOf(payload []byte) *handed {
	id := maphash.Bytes(contents, payload)
	h := w.handed[id]
	if h == nil {
		h = &handed{}
		w.handed[id] = h
	}
	return h
}

// Invariant: a packet that a node says it has taken comes to a machine, unless
// its node goes down, or the key has an heir elsewhere.
func (w *watch) took(d *session.SessionClientData, came int64) {
	h := w.handedOf(d.GetPayload())
	h.taken++
	n := h.taken // it may come twice
	w.c.after(stepTime, func() {
		if w.excused >= came {
			h.excused++
		}
		w.check(h.stepped+h.excused >= n, "mailboxes",
			"a packet of session %x of key %x was taken at %s, and is gone", d.GetSessionId(), d.GetAuthKeyId(), clock(came))
	})
}

// stepper is the real machine, at last.
type stepper struct{ *machine }

func (s stepper) Step(now, wall int64, in sess.Input, out *sess.Effects) {
	if _, ok := in.(*sess.Data); ok {
		s.packet.stepped++
	}
	s.MainAuthWrapper.Step(now, wall, in, out)
}

// letGo notes, when the ring has changed, which machines of a node have keys
// that are another's now. Temp keys of their own stay.
func (w *watch) letGo(n *node) {
	for m := range w.machines {
		if m.n != n || m.unbound {
			continue
		}
		if _, mine := n.svc.Cluster.Owner(m.key); mine {
			m.letGo = 0
		} else if m.letGo == 0 {
			m.letGo = w.c.now
			w.movedAt[m.key] = w.c.now
		}
	}
}

// Invariant: a machine whose key is another node's ends when it has nothing in
// flight.
func (w *watch) lingers(m *machine) {
	w.check(m.letGo == 0 || w.c.now < m.letGo+int64(drainTime), "lingering",
		"%s still has key %x, which it let go at %s", m.n.addr, m.key, clock(m.letGo))
}
