package lease

import (
	"context"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

// What a node that is cut off has written, another node tells Redis, also when
// the first never comes back.
func TestAnotherNodeFinishesWhatOneCannot(t *testing.T) {
	m := miniredis.RunT(t)
	network := tcpproxy.Start(t, m.Addr())
	b := &book{}
	cut, other := open(t, network.Addr(), b), open(t, m.Addr(), b)
	var db atomic.Int64
	db.Store(1)
	require.EqualValues(t, 1, read(t, other, &db).N)
	network.Cut()
	change(cut, func() { db.Store(2) }, "k")
	require.EqualValues(t, 2, read(t, cut, &db).N)
	require.Eventually(t, func() bool { return read(t, other, &db).N == 2 && b.len() == 0 }, time.Minute, 5*time.Millisecond)
	require.Eventually(t, func() bool { return cut.Owed() == 0 }, time.Minute, 5*time.Millisecond, "it hears of it")
	require.Eventually(t, func() bool { return b.told("k") }, time.Minute, 5*time.Millisecond, "who is connected with it looks again")
}

// A node that starts while something stands in the ledger does not believe Redis
// for it, and nothing that it could not look up there.
func TestAFirstLookComesBeforeBelief(t *testing.T) {
	m := miniredis.RunT(t)
	b := &book{}
	var db atomic.Int64
	db.Store(1)
	require.EqualValues(t, 1, read(t, open(t, m.Addr(), b), &db).N)
	db.Store(2)
	b.set(true)
	blind := open(t, m.Addr(), b)
	require.EqualValues(t, 2, read(t, blind, &db).N)
	b.set(false)
	require.Eventually(t, func() bool { return !blind.owes("k") }, time.Minute, 5*time.Millisecond)
	require.EqualValues(t, 1, read(t, blind, &db).N, "nobody has said that it changed")
}

// More than a look reads: nothing is believed until it is worked off, in rounds
// that follow each other.
func TestALongLedgerIsWorkedOff(t *testing.T) {
	m := miniredis.RunT(t)
	b := &book{}
	keys := make([]string, 2*maxListed+1)
	for i := range keys {
		keys[i] = "x" + string(rune('a'+i%26))
	}
	require.NoError(t, b.Remember(t.Context(), keys))
	m.SetError("NOREPLICAS")
	c := open(t, m.Addr(), b)
	require.True(t, c.owes("k"), "it may be among those that were not read")
	m.SetError("")
	require.Eventually(t, func() bool { return b.len() == 0 && c.Owed() == 0 }, time.Minute, 5*time.Millisecond)
	require.False(t, c.owes("k"))
}

// A hold that succeeded and a release that did not are remembered after the
// fact, and by the node itself while the database does not take it.
func TestAReleaseThatFailsIsRemembered(t *testing.T) {
	for _, down := range []bool{false, true} {
		m := miniredis.RunT(t)
		network := tcpproxy.Start(t, m.Addr())
		b := &book{}
		c := open(t, network.Addr(), b)
		w := c.Begin()
		require.Empty(t, w.Hold(t.Context(), "k"))
		network.Cut()
		b.set(down)
		w.End(t.Context(), Written)
		require.True(t, c.owes("k"))
		if !down {
			require.Eventually(t, func() bool { return b.len() == 1 }, time.Minute, 5*time.Millisecond)
		}
		require.True(t, m.Exists("guard{k}"))
		network.Restore()
		if down { // the node itself
			require.Eventually(t, func() bool { return !m.Exists("guard{k}") }, time.Minute, 5*time.Millisecond)
			b.set(false)
		}
		require.Eventually(t, func() bool { return !c.owes("k") && b.len() == 0 }, time.Minute, 5*time.Millisecond)
	}
}

// While it is not known whether a write has happened, nothing of it is cached,
// not even when the write's token has been lost or another write has ended.
func TestAnUnknownOutcome(t *testing.T) {
	m := miniredis.RunT(t)
	b := &book{}
	one, two := open(t, m.Addr(), b), open(t, m.Addr(), b)
	var db atomic.Int64
	db.Store(1)
	b.doubt(true, "k")
	w := one.Begin()
	require.Empty(t, w.Hold(t.Context(), "k"))
	w.End(t.Context(), Unknown)
	require.EqualValues(t, 1, read(t, two, &db).N)
	require.False(t, m.Exists("k"))
	require.Eventually(t, func() bool { return m.TTL("guard{k}") > tokenLife }, time.Minute, 5*time.Millisecond, "the token lives as long as a value")
	m.FlushAll()
	require.Eventually(t, func() bool { return m.Exists("guard{k}") }, time.Minute, 5*time.Millisecond)
	change(two, func() {}, "k") // of something else on the same key
	require.Eventually(t, func() bool { text, _ := m.Get("guard{k}"); return text != "" && text[0] == 'w' }, time.Minute, 5*time.Millisecond)
	require.EqualValues(t, 1, read(t, one, &db).N)
	db.Store(2) // it has happened after all
	b.doubt(false)
	require.Eventually(t, func() bool { return one.Owed() == 0 }, time.Minute, 5*time.Millisecond)
	require.EqualValues(t, 2, read(t, two, &db).N)
	require.EqualValues(t, 2, read(t, one, &db).N)
	require.Eventually(t, func() bool { return b.told("k") }, time.Minute, 5*time.Millisecond)
}

// What is only to be released, or to be remembered, does not wait for a write that is not
// decided: a node that was stopped took what it alone knew of with it.
func TestADoubtDoesNotHoldUpWhatIsKnown(t *testing.T) {
	m := miniredis.RunT(t)
	network := tcpproxy.Start(t, m.Addr())
	b := &book{locked: true}
	c := open(t, network.Addr(), b)
	b.doubt(true, "doubtful")
	w := c.Begin()
	require.Empty(t, w.Hold(t.Context(), "doubtful"))
	w.End(t.Context(), Unknown)
	w = c.Begin()
	require.Empty(t, w.Hold(t.Context(), "known"))
	network.Cut()
	b.set(true)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	w.End(ended, Written)
	b.set(false)
	c.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.True(t, slices.ContainsFunc(b.entries, func(e Entry) bool { return e.Key == "known" }))
}

// A Redis that hangs costs a write about half a second, not one for its hold and
// one for its release, before it waits for other nodes.
func TestAHangCostsAWriteHalfASecond(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	write := func() time.Duration {
		c := open(t, l.Addr().String(), &book{})
		began := time.Now()
		w := c.Begin()
		require.Len(t, w.Hold(context.Background(), "a", "b"), 2)
		w.End(context.Background(), Written)
		return time.Since(began)
	}
	// One that was fast will do: a busy machine makes some slow.
	require.Eventually(t, func() bool { return write() < noticed+900*time.Millisecond }, time.Minute, time.Millisecond)
}
