package lane

import (
	"regexp"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// goroutine is the number of the one that runs it.
func goroutine() string {
	var b [32]byte
	return string(b[:runtime.Stack(b[:], false)])[:len("goroutine 1234567")]
}

func TestWorkersAreUsedAgainTheLastFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Workers
		defer w.Close()
		run := func() (id string) {
			w.Go(func() { id = goroutine() })
			synctest.Wait()
			return id
		}
		first := run()
		require.Equal(t, first, run())
		hold := make(chan struct{})
		w.Go(func() { <-hold })
		second := run()
		require.NotEqual(t, first, second, "the first one is busy")
		close(hold)
		synctest.Wait()
		require.Equal(t, first, run(), "it was done last")
	})
}

// bubble is how a stack names the synctest bubble of its goroutine.
var bubble = regexp.MustCompile(`synctest bubble \d+\]`)

// working is how many workers there are in this bubble, whatever else runs in the process.
func working() (n int) {
	own := make([]byte, 256)
	name := bubble.FindString(string(own[:runtime.Stack(own, false)]))
	if name == "" {
		return -1 // no count is right outside one
	}
	var stacks strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&stacks, 2)
	for stack := range strings.SplitSeq(stacks.String(), "\n\n") {
		if strings.Contains(stack, name) && strings.Contains(stack, "lane.(*Workers).work(") {
			n++
		}
	}
	return n
}

// What has not been in use for a while ends, also while others are.
func TestWorkersAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Workers
		defer w.Close()
		before := working()
		hold := make(chan struct{})
		for range 8 {
			w.Go(func() { <-hold })
		}
		close(hold)
		synctest.Wait()
		require.Equal(t, before+8, working())
		for range 10 {
			time.Sleep(restTime / 4)
			w.Go(func() {})
		}
		synctest.Wait()
		require.Equal(t, before+1, working())
		time.Sleep(2 * restTime)
		synctest.Wait()
		require.Equal(t, before, working(), "an idle node has none")
		done := false
		w.Go(func() { done = true })
		synctest.Wait()
		require.True(t, done)
	})
}

func TestWorkersEndWhenClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Workers
		before := working()
		hold := make(chan struct{})
		w.Go(func() {})
		synctest.Wait()
		w.Go(func() {})
		w.Go(func() { <-hold })
		synctest.Wait()
		time.Sleep(restTime / 2)
		w.Close()
		ran := 0
		w.Go(func() { ran++ })
		synctest.Wait()
		close(hold)
		time.Sleep(3 * restTime)
		require.Equal(t, 1, ran)
		require.Equal(t, before, working())
	})
}

func TestNoMoreWorkersRestThanMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Workers
		defer w.Close()
		before := working()
		hold := make(chan struct{})
		for range mostResting + 10 {
			w.Go(func() { <-hold })
		}
		close(hold)
		synctest.Wait()
		require.Equal(t, before+mostResting, working())
	})
}

func TestWorkersLoseNothing(t *testing.T) {
	var w Workers
	defer w.Close()
	var wg sync.WaitGroup
	var mu sync.Mutex
	ran := 0
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				done := make(chan struct{})
				w.Go(func() {
					mu.Lock()
					ran++
					mu.Unlock()
					close(done)
				})
				<-done
			}
		})
	}
	wg.Wait()
	require.Equal(t, 16000, ran)
}
