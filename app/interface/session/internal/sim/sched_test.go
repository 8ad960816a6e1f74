package sim

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newTestScheduler() *scheduler {
	s := newScheduler(1)
	s.each = func() {}
	return s
}

func never() bool { return false }

// Events happen in the order of their time, and then of their making.
func TestEventsInOrder(t *testing.T) {
	s := newTestScheduler()
	start := s.now
	var order []int
	for i, d := range []time.Duration{30, 10, 20, 10, 0} {
		s.after(d, func() { order = append(order, i) })
	}
	s.runUntil(start+20, never)
	require.Equal(t, []int{4, 1, 3, 2}, order)
	require.Equal(t, start+20, s.now)
	s.runUntil(start+100, never)
	require.Equal(t, []int{4, 1, 3, 2, 0}, order)
}

// A fiber waits for virtual time, or for another; what still waits at the end
// is told that it is over.
func TestFibers(t *testing.T) {
	s := newTestScheduler()
	start := s.now
	var log []string
	var w *waiting
	s.spawn(func() {
		w = s.wait()
		w.expire(time.Hour)
		require.True(t, w.wait())
		log = append(log, "woken")
	})
	s.spawn(func() {
		require.True(t, s.sleep(time.Second))
		log = append(log, "slept")
		w.end()
		w.end() // once is enough
	})
	s.spawn(func() {
		require.False(t, s.sleep(24*time.Hour))
		log = append(log, "over")
		require.False(t, s.sleep(time.Second), "time stands still")
	})
	s.runUntil(start+int64(2*time.Second), never)
	require.Equal(t, []string{"slept", "woken"}, log)
	require.False(t, w.expired)
	s.end()
	require.Equal(t, []string{"slept", "woken", "over"}, log)
}

// A trace printed is the trace hashed, and a failure replays to the letter.
func TestReplay(t *testing.T) {
	schema := schemaOf(t)
	var first, again bytes.Buffer
	a := Run(3, schema, Options{Trace: &first, Sabotage: missendUpdates()})
	b := Run(3, schema, Options{Trace: &again, Sabotage: missendUpdates()})
	require.NotNil(t, a.Failure)
	require.Equal(t, a, b)
	require.Equal(t, first.String(), again.String())
	require.Contains(t, report(a.Failure), "make sim START=3 SEEDS=1 SIM_TRACE=1")
}
