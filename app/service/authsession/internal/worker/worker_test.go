package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/leaktest"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

// A job runs first after First and up to Spread, then Every after the end of each run, and no two runs overlap.
func TestWhenAJobRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		w := Start(Job{First: time.Minute, Spread: time.Minute, Every: time.Hour, Run: func(context.Context) error {
			at = append(at, time.Since(began))
			<-time.After(10 * time.Minute)
			return nil
		}})
		<-time.After(4 * time.Hour)
		<-w.Stop()
		require.Len(t, at, 4)
		require.GreaterOrEqual(t, at[0], time.Minute)
		require.Less(t, at[0], 2*time.Minute)
		for i := 1; i < len(at); i++ {
			require.Equal(t, 70*time.Minute, at[i]-at[i-1])
		}
	})
}

// A job without a period runs once, at once.
func TestAJobThatRunsOnce(t *testing.T) {
	runs := 0
	w := Start(Job{Run: func(context.Context) error { runs++; return errors.New("down") }})
	<-w.Done()
	require.Equal(t, 1, runs)
	<-w.Stop()
}

// Stop ends the context of the run under way and waits for it; no run begins after it.
func TestStopWaitsForTheRunUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finished := 0
		w := Start(Job{Every: time.Second, Run: func(ctx context.Context) error {
			<-ctx.Done()
			<-time.After(time.Minute)
			finished++
			return ctx.Err()
		}})
		synctest.Wait()
		began := time.Now()
		stopped := w.Stop()
		select {
		case <-stopped:
			t.Fatal("the run is under way")
		default:
		}
		<-stopped
		require.Equal(t, time.Minute, time.Since(began))
		<-w.Stop()
		require.Equal(t, 1, finished)
	})
}

// A worker that waits for its next run stops at once.
func TestStopDoesNotWaitForThePeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := Start(Job{First: time.Hour, Every: time.Hour, Run: func(context.Context) error { return nil }})
		began := time.Now()
		<-w.Stop()
		require.Equal(t, began, time.Now())
	})
}

func TestANilWorkerHasEnded(t *testing.T) {
	var w *Worker
	<-w.Stop()
	<-w.Done()
}

func TestWaits(t *testing.T) {
	for _, pct := range []int{0, 10, 50} {
		j := Job{Every: time.Hour, JitterPct: pct}
		for range 100 {
			require.InDelta(t, time.Hour, j.wait(3), float64(time.Hour)*float64(pct)/100+1, "failures change nothing")
		}
	}
	j := Job{Every: time.Second, JitterPct: 20, MaxBackoff: 30 * time.Second}
	for failures, want := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 3: 8 * time.Second, 1000: 30 * time.Second} {
		require.InDelta(t, want, j.wait(failures), float64(want)/5+1)
	}
	j.Every = time.Minute
	require.InDelta(t, time.Minute, j.wait(5), float64(time.Minute)/5+1, "a period beyond the backoff stays")
}

// A failure that goes on is logged once a minute, however often the job runs, and its end once.
func TestFailuresAreLoggedAtABoundedRate(t *testing.T) {
	l, now, down := log{name: "sweep"}, time.Unix(1000, 0), errors.New("down")
	logged := 0
	for range 300 { // five minutes
		if line, failed := l.line(down, now); line != "" {
			require.True(t, failed)
			require.Equal(t, "sweep: down", line)
			logged++
		}
		now = now.Add(time.Second)
	}
	require.Equal(t, 5, logged)
	line, failed := l.line(nil, now)
	require.Equal(t, []any{"sweep: works again", false}, []any{line, failed})
	line, _ = l.line(nil, now)
	require.Empty(t, line)
	line, _ = l.line(down, now)
	require.Equal(t, "sweep: down", line, "another failure is logged at once")
}
