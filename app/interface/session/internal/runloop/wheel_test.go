package runloop

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

func TestWheelWakesInTimeAndOnce(t *testing.T) {
	w := newWheel(0)
	rnd := rand.New(rand.NewPCG(3, 4))
	wish := map[*actor]int64{}
	for range 5000 {
		a := &actor{}
		for range 1 + rnd.IntN(3) { // earlier, later, never: the last wish counts
			at := rnd.Int64N(int64(10 * time.Minute))
			if rnd.IntN(10) == 0 {
				at = 0
			}
			w.arm(a, at)
			wish[a] = at
		}
		if rnd.IntN(20) == 0 {
			w.remove(a)
			wish[a] = 0
		}
	}
	woken := map[*actor]bool{}
	for now := int64(0); now <= int64(11*time.Minute); now += rnd.Int64N(int64(time.Second)) {
		for _, a := range w.advance(now) {
			require.False(t, woken[a], "twice")
			woken[a] = true
			require.NotZero(t, wish[a])
			require.LessOrEqual(t, wish[a], now)
			require.Greater(t, wish[a], now-int64(time.Second)-2*int64(wheelTick), "late")
		}
	}
	for a, at := range wish {
		require.Equal(t, at != 0, woken[a], "wish %d", at)
	}
}

// A wheel that is only turned when something may be due wakes everybody in time, also
// those whose time is set while it rests, and is turned no more often than it has to be.
func TestWheelRests(t *testing.T) {
	w := newWheel(0)
	rnd := rand.New(rand.NewPCG(5, 6))
	wish, turns := map[*actor]int64{}, 0
	now, turnAt := int64(0), int64(0)
	for now < int64(10*time.Minute) {
		if setAt := now + rnd.Int64N(int64(3*time.Second)); setAt < turnAt {
			now = setAt
			a := &actor{}
			wish[a] = now + rnd.Int64N(int64(20*time.Second))
			w.arm(a, wish[a])
			select {
			case <-w.sooner:
			default:
				continue
			}
		} else {
			now = max(now, turnAt)
			turns++
			for _, a := range w.advance(now) {
				require.LessOrEqual(t, wish[a], now)
				require.Greater(t, wish[a], now-2*int64(wheelTick), "late")
				delete(wish, a)
			}
		}
		turnAt = now + int64(w.rest(now))
	}
	for _, at := range wish {
		require.Greater(t, at, now-2*int64(wheelTick), "never")
	}
	require.Less(t, turns, 2000, "of 30000 ticks")

	for range w.count() + 20 { // nobody is left: each is woken, then only the longest rest
		now += int64(w.rest(now))
		w.advance(now)
	}
	require.GreaterOrEqual(t, w.rest(now), mostRest-wheelTick)
}

func TestWheelSurvivesAJump(t *testing.T) {
	w := newWheel(0)
	a := &actor{}
	w.arm(a, int64(time.Minute))
	require.Equal(t, []*actor{a}, w.advance(int64(240*time.Hour)))
	w.arm(a, 1) // long past
	require.Empty(t, w.advance(int64(240*time.Hour)))
	require.Equal(t, []*actor{a}, w.advance(int64(240*time.Hour)+int64(wheelTick)))
}

func TestTicksReachTheMachine(t *testing.T) {
	var ticks atomic.Int64
	n := newNode(t, always(func(now int64, in sess.Input, out *sess.Effects) {
		if _, ok := in.(*sess.Tick); ok {
			if ticks.Add(1) == 3 {
				return // asks for nothing more
			}
		}
		out.WakeAt = now + int64(time.Second)
	}))
	require.NoError(t, n.Post(1, false, &sess.Data{}))
	for range 10 {
		n.Wait()
		n.pass(time.Second + wheelTick)
	}
	n.Wait()
	require.EqualValues(t, 3, ticks.Load())
}

// A key whose waking goes wrong is woken again, and ends in time.
func TestPanicInATickIsNotTheLast(t *testing.T) {
	ticks := 0
	n := newNode(t, always(func(now int64, in sess.Input, out *sess.Effects) {
		if _, ok := in.(*sess.Tick); ok {
			if ticks++; ticks == 1 {
				panic("defect")
			}
			out.Done = true
			return
		}
		out.WakeAt = now + int64(time.Second)
	}))
	require.NoError(t, n.Post(1, false, &sess.Data{}))
	for range 2 {
		n.Wait()
		n.pass(tickAgain + wheelTick)
	}
	n.Wait()
	require.Equal(t, 2, ticks)
	require.Zero(t, n.Count())
}

func TestStartTurnsTheWheel(t *testing.T) {
	ticked := make(chan struct{}, 1)
	n := newNode(t, always(func(now int64, in sess.Input, out *sess.Effects) {
		if _, ok := in.(*sess.Tick); ok {
			ticked <- struct{}{}
			return
		}
		out.WakeAt = now + int64(30*time.Millisecond)
	}), func(o *Options) { o.Now = func() int64 { return time.Now().UnixNano() } })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n.Start(ctx)
	require.NoError(t, n.Post(1, false, &sess.Data{}))
	<-ticked
}

// What an idle auth key costs beside its state machine.
func BenchmarkIdleActor(b *testing.B) {
	n := newNode(b, always(func(now int64, _ sess.Input, out *sess.Effects) { out.WakeAt = now + int64(4*time.Minute) }))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	for key := range b.N {
		_ = n.Post(int64(key), false, &sess.Data{})
	}
	n.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "B/key")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/float64(b.N), "goroutines/key")
	runtime.KeepAlive(n)
}

// The clock of the machine was set back by an hour, and no key woke for an hour.
func TestKeysWakeWhateverTheMachinesClock(t *testing.T) {
	var set, walls atomic.Int64
	ticks := make(chan int64, 1)
	n := newNode(t, func(int64, bool) Machine {
		return timed(func(now, wall int64, in sess.Input, out *sess.Effects) {
			if _, tick := in.(*sess.Tick); tick {
				walls.Store(wall - now)
				ticks <- now
			}
			out.WakeAt = now + int64(time.Second)
		})
	})
	n.o.Wall = func() int64 { return n.clock.Load() + set.Load() }
	require.NoError(t, n.Post(1, false, &sess.ConnNew{}))
	n.Wait()
	set.Store(-int64(time.Hour))
	for range 5 {
		n.pass(1100 * time.Millisecond)
		n.Wait()
		require.Len(t, ticks, 1)
		<-ticks
		require.Equal(t, -int64(time.Hour), walls.Load())
	}
}

// timed is a machine that looks at both clocks.
type timed func(now, wall int64, in sess.Input, out *sess.Effects)

func (f timed) Step(now, wall int64, in sess.Input, out *sess.Effects) { f(now, wall, in, out) }
