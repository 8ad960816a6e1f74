package cluster

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const self = "self"

// world is a node whose ring and keys the test decides, and a clock without
// time.
type world struct {
	k      *Parking
	owner  string
	here   bool
	ask    int   // how often nodes may have the key that can be asked for it
	has    bool  // one of those has it
	comes  bool  // it is here as soon as a push is let go
	err    error // of sending on
	events []string
	timers []*timer
}

type timer struct {
	f   func()
	off bool
}

func newWorld() *world {
	w := &world{owner: self}
	w.k = NewParking(func(int64) (string, bool) { return w.owner, w.owner == self }, time.Second, func(d time.Duration, f func()) func() {
		t := &timer{f: f}
		w.timers = append(w.timers, t)
		return func() { t.off = true }
	})
	return w
}

func (w *world) keep(name string, size int) {
	w.k.Keep(Push{
		Key: 1, Size: size,
		Deliver: func() bool {
			if w.here {
				w.events = append(w.events, name+" delivered")
			}
			return w.here
		},
		Expect: func() bool {
			w.ask--
			w.here = w.here || w.ask >= 0 && w.has
			return w.ask >= 0
		},
		Lost: func() {
			w.events = append(w.events, name+" lost")
			w.here = w.here || w.comes
		},
		SendOn: func(owner string, done func(error)) {
			w.events = append(w.events, name+" to "+owner)
			done(w.err)
		},
	})
}

// pass lets the time of all that waits now be over.
func (w *world) pass() {
	timers := w.timers
	w.timers = nil
	for _, t := range timers {
		if !t.off {
			t.f()
		}
	}
}

func TestParking(t *testing.T) {
	for name, c := range map[string]struct {
		then func(w *world)
		want []string
	}{
		"nobody has the key":            {func(w *world) { w.pass() }, []string{"a lost", "b lost"}},
		"the key is asked for":          {func(w *world) { w.ask, w.has = 1, true; w.pass() }, []string{"a delivered", "b delivered"}},
		"it is asked for in vain":       {func(w *world) { w.ask = 3; w.pass(); w.pass(); w.pass() }, []string{"b lost", "a lost"}},
		"it comes as its pushes end":    {func(w *world) { w.comes = true; w.pass() }, []string{"a lost", "b delivered"}},
		"the key comes":                 {func(w *world) { w.here = true; w.pass() }, []string{"a delivered", "b delivered"}},
		"the ring changes":              {func(w *world) { w.owner = "n2"; w.k.Reroute(); w.pass() }, []string{"a to n2", "b to n2"}},
		"the ring has changed, unheard": {func(w *world) { w.owner = "n2"; w.pass() }, []string{"a to n2", "b to n2"}},
		"the ring changes twice":        {func(w *world) { w.k.Reroute(); w.owner = "n2"; w.k.Reroute() }, []string{"a to n2", "b to n2"}},
		"the other node is away for a moment": {func(w *world) {
			w.owner, w.err = "n2", errors.New("away")
			w.k.Reroute()
			w.err = nil
			w.pass()
		}, []string{"a to n2", "b to n2", "a to n2", "b to n2"}},
		"the other node is away": {func(w *world) {
			w.owner, w.err = "n2", errors.New("away")
			for range 9 {
				w.pass()
			}
		}, []string{"a to n2", "b to n2", "a to n2", "b to n2", "a to n2", "a lost", "b to n2", "b lost"}},
		"the node ends": {func(w *world) { w.k.Close(); w.here = true; w.pass(); w.keep("c", 1) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.keep("a", 10)
			w.keep("b", 10)
			c.then(w)
			require.Equal(t, c.want, w.events)
			require.Zero(t, w.k.Waiting())
			require.False(t, slices.ContainsFunc(w.timers, func(t *timer) bool { return !t.off }))
		})
	}
}

func TestParkingSendsOnAtOnce(t *testing.T) {
	w := newWorld()
	w.owner = "n2"
	w.keep("a", 10)
	require.Equal(t, []string{"a to n2"}, w.events)
	require.Empty(t, w.timers)
}

// The ring changed while a push was on its way to a node that is not reached: Reroute had
// nothing to send yet, and the push waited its whole time though its key's node was there.
func TestTheRingChangesWhileAPushIsSentOn(t *testing.T) {
	w := newWorld()
	w.owner = "n2"
	var fail func(error)
	w.k.Keep(Push{Key: 1, Size: 10, SendOn: func(owner string, done func(error)) {
		w.events = append(w.events, "to "+owner)
		if owner == "n2" {
			fail = done
			return
		}
		done(nil)
	}})
	w.owner = "n3"
	w.k.Reroute()
	fail(errors.New("away"))
	require.Equal(t, []string{"to n2", "to n3"}, w.events)
	require.Zero(t, w.k.Waiting())
	require.Empty(t, w.timers)
}

func TestParkingIsBounded(t *testing.T) {
	w := newWorld()
	for range 100 {
		w.keep("a", 1<<20)
	}
	require.Len(t, w.timers, parkedBytes/(1<<20+parkedExtra))
	require.LessOrEqual(t, w.k.Waiting(), parkedBytes)
	for range 1 << 20 {
		w.keep("small", 0)
	}
	require.LessOrEqual(t, w.k.Waiting(), parkedBytes, "what is small takes room, too")
	w.events, w.comes = nil, true
	w.keep("last", 0)
	require.Equal(t, []string{"last lost"}, w.events, "a key that comes in this moment is told by Lost")
	w.events, w.here = nil, false
	w.pass()
	require.Zero(t, w.k.Waiting())
}
