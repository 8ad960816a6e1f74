package sim

import (
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/tl"
)

// What a client causes others to do is bounded as well as what is kept for it.

// caused is what one machine has had others do.
type caused struct {
	stores   int   // changes of what its client tells of itself
	since    int64 // when it was made
	repeated int64 // until when the bytes that it has repeated take their turn, as sess/again.go counts
}

// Invariant: a BFF gets no call that it would refuse for its size.
func (w *watch) taken(m *tl.Method, in any) {
	if b, ok := in.(passthrough.Frame); ok {
		w.check(len(b) <= w.c.limits.RequestBytes, "bounds", "%s: a BFF gets %d bytes", m.Name, len(b))
	}
}

const (
	storeBurst  = 8 // changes that may be stored at once
	repeatEvery = int64(4 * time.Second)
)

// Invariant: what a client tells of itself is not stored more often than StoreEvery,
// after a few times at once.
func (w *watch) stores(m *machine, r sess.Request) {
	switch r.(type) {
	case *sess.SetLayer, *sess.SetInitConnection:
		m.stores++
		most := storeBurst + 1 + int((w.c.now-m.since)/int64(w.c.limits.StoreEvery))
		w.check(m.stores <= most, "bounds", "key %x has stored %d changes since %s", m.key, m.stores, clock(m.since))
	}
}

// Invariant: no more bytes are sent again to the client of a key than RepeatBytes in 4 s.
// One message more may leave whatever its size, and one that the client asked for.
func (w *watch) again(m *machine, bytes int) {
	perByte := max(1, repeatEvery/int64(w.c.limits.RepeatBytes))
	m.repeated = max(m.repeated, w.c.now) + int64(bytes)*perByte
	over := (m.repeated - w.c.now - repeatEvery) / perByte
	w.check(over <= 1<<16, "bounds", "key %x has been sent %d bytes again beyond its share", m.key, over)
}
