package sess

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// What comes again is what was written, in its layer, from the second time on.
func TestFanOut(t *testing.T) {
	f := newFanOut()
	slots := func() map[uint64]bool {
		taken := map[uint64]bool{}
		for _, c := range []struct {
			updates string
			layer   int32
		}{{"typing", 200}, {"typing", 223}, {"typed", 200}} {
			_, hash := f.find([]byte(c.updates), c.layer)
			taken[hash%fanOutSlots] = true
		}
		return taken
	}
	for len(slots()) < 3 { // the seed is random: updates that share a slot put each other out
		f = newFanOut()
	}
	write := func(updates string, layer int32) (body string, again bool) {
		known, hash := f.find([]byte(updates), layer)
		if known != nil {
			return string(known.body), true
		}
		f.note(hash, written{[]byte(updates), layer, fmt.Appendf(nil, "%s in %d", updates, layer), 0})
		return fmt.Sprintf("%s in %d", updates, layer), false
	}
	for _, c := range []struct {
		updates string
		layer   int32
		again   bool
	}{
		{"typing", 200, false},
		{"typing", 200, false},
		{"typing", 200, true},
		{"typing", 223, false},
		{"typed", 200, false},
		{"typing", 200, true},
		{"typing", 223, false},
		{"typing", 223, true},
	} {
		body, again := write(c.updates, c.layer)
		require.Equal(t, fmt.Sprintf("%s in %d", c.updates, c.layer), body)
		require.Equal(t, c.again, again, "%v", c)
	}
}

// Updates of one key alone are not held, nor are long ones.
func TestFanOutHoldsNothingForOne(t *testing.T) {
	f := newFanOut()
	for i := range 10000 {
		updates := fmt.Appendf(nil, "updates %d", i)
		_, hash := f.find(updates, 223)
		f.note(hash, written{updates: updates, layer: 223})
	}
	long := make([]byte, fanOutBytes+1)
	for range 3 {
		known, hash := f.find(long, 223)
		require.Nil(t, known)
		f.note(hash, written{updates: long, layer: 223})
	}
	for i := range f.slots {
		require.Nil(t, f.slots[i].has.Load())
	}
}

func TestFanOutIsSharedByKeys(t *testing.T) {
	f := newFanOut()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 20000 {
				updates := fmt.Appendf(nil, "updates %d", i/50%700)
				known, hash := f.find(updates, int32(i%3))
				if known == nil {
					f.note(hash, written{updates, int32(i % 3), fmt.Appendf(nil, "%s, %d", updates, i%3), 1})
				} else if string(known.body) != fmt.Sprintf("%s, %d", updates, i%3) {
					t.Errorf("%q in %d is %q", updates, i%3, known.body)
					return
				}
			}
		})
	}
	wg.Wait()
}

// All that a push of updates does that were written before is what it did the first time.
func TestPushesThatRepeatAreAlike(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.take()
	var first []byte
	saved := 0
	for i := range 4 {
		before := x.counts[CountGzipSaved]
		x.step(&PushUpdates{Updates: x.phoneUpdate(strings.Repeat("12345", 200))})
		var body []byte
		for _, m := range x.take() {
			body = m.Body
		}
		require.NotEmpty(t, body)
		if i == 0 {
			first, saved = body, x.counts[CountGzipSaved]-before
			require.Positive(t, saved)
			continue
		}
		require.Equal(t, first, body)
		require.Equal(t, saved, x.counts[CountGzipSaved]-before)
	}
	require.Equal(t, 4, x.counts[CountPushes])
}
