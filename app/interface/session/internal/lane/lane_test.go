package lane

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/leaktest"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Strict(m)
}

func TestLanesKeepOrderPerKey(t *testing.T) {
	l := New(8, 1000)
	var mu sync.Mutex
	got := map[int64][]int{}
	for i := range 500 {
		for key := range int64(5) {
			require.True(t, l.Go(key, func() {
				mu.Lock()
				defer mu.Unlock()
				got[key] = append(got[key], i)
			}))
		}
	}
	l.Wait()
	for key, seq := range got {
		require.Len(t, seq, 500)
		for i, v := range seq {
			require.Equal(t, i, v, "key %d", key)
		}
	}
}

func TestLanesRefuseWhenFullAndRecoverPanics(t *testing.T) {
	l := New(1, 2)
	hold, started := make(chan struct{}), make(chan struct{})
	require.True(t, l.Go(1, func() { close(started); <-hold; panic("one item") }))
	<-started
	var ran atomic.Int32
	require.True(t, l.Go(1, func() { ran.Add(1) }))
	require.True(t, l.Go(1, func() { ran.Add(1) }))
	require.False(t, l.Go(1, func() { ran.Add(1) }))
	close(hold)
	l.Wait()
	require.EqualValues(t, 2, ran.Load())
}

func TestPoolBounds(t *testing.T) {
	p := NewPool(3, 4, nil)
	hold := make(chan struct{})
	var running, most atomic.Int32
	job := func() {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-hold
		running.Add(-1)
	}
	for range 7 {
		require.True(t, p.Go(job))
	}
	require.False(t, p.Go(job))
	busy, waiting := p.Load()
	require.Equal(t, 3, busy)
	require.Equal(t, 4, waiting)
	require.Eventually(t, func() bool { return running.Load() == 3 }, time.Minute, time.Millisecond)
	close(hold)
	p.Wait()
	require.EqualValues(t, 3, most.Load())
}

func TestIdlePoolHasNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	p, l := NewPool(8, 8, nil), New(64, 8)
	for i := range int64(8) {
		p.Go(func() {})
		l.Go(i, func() {})
	}
	p.Wait()
	l.Wait()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		require.True(t, time.Now().Before(deadline), "goroutines stay: %d, before %d", runtime.NumGoroutine(), before)
	}
}

func TestBusyMayRiseWhileOthersWait(t *testing.T) {
	var b Busy
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5000 {
				b.Add()
				b.Done()
			}
		})
		wg.Go(func() {
			for range 500 {
				b.Wait()
			}
		})
	}
	wg.Wait()
	b.Wait()
}
