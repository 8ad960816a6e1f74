package runloop

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What an idle key may cost at most, and what 10,000 keys may that ping once
// a minute.
const (
	idleBudget = 2048 // bytes of heap
	pingBudget = 0.01 // of a core
)

// idleKeys is how many keys BenchmarkIdleAuthKey holds: IDLE_KEYS, or a
// million.
func idleKeys(tb testing.TB) int {
	text := os.Getenv("IDLE_KEYS")
	if text == "" {
		return 1_000_000
	}
	n, err := strconv.Atoi(text)
	require.NoError(tb, err, "IDLE_KEYS")
	return n
}

// BenchmarkIdleAuthKey holds a million keys in one process, each with one
// logged-in session under a temp key that has pinged every minute for a
// quarter of an hour, and reports what a key takes of the heap while it is
// silent: actor, state machine, salts, windows, maps, the timing wheel's links
// and the resolver's memory of the temp key. More than 2 KiB, or a goroutine,
// fails.
//
//	go test -run '^$' -bench IdleAuthKey -benchtime 1x ./app/interface/session/internal/runloop
func BenchmarkIdleAuthKey(b *testing.B) {
	n := idleKeys(b)
	for b.Loop() {
		c := newCrowd(b, n)
		heapBefore, goroutinesBefore := heap(), runtime.NumGoroutine()
		c.login()
		for range 15 {
			c.minute(pingBody())
		}
		require.EqualValues(b, 15*n, c.pongs.Load())
		require.Equal(b, n, c.Count())
		perKey := float64(heap()-heapBefore) / float64(n)
		goroutines := float64(runtime.NumGoroutine()-goroutinesBefore) / float64(n)
		b.ReportMetric(perKey, "B/key")
		b.ReportMetric(goroutines, "goroutines/key")
		b.ReportMetric(float64(n), "keys")
		if perKey > idleBudget || goroutines > 0.0001 {
			b.Fatalf("an idle key costs %.0f B (at most %d) and %.4f goroutines", perKey, idleBudget, goroutines)
		}
	}
}

// heap is what is alive of it.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools held through the first
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkPingingKeys has 10,000 keys ping once a minute, spread over it, for
// ten minutes of virtual time, with peers in memory, and reports the CPU time
// of the whole process (its clients included) for a second of virtual time.
// More than a hundredth fails.
//
//	go test -run '^$' -bench PingingKeys -benchtime 1x ./app/interface/session/internal/runloop
func BenchmarkPingingKeys(b *testing.B) {
	const keys, minutes = 10_000, 10
	for b.Loop() {
		c := newCrowd(b, keys)
		c.login()
		runtime.GC()
		begin := cpuTime(b)
		for range minutes {
			c.minute(pingBody())
		}
		used := cpuTime(b) - begin
		require.EqualValues(b, minutes*keys, c.pongs.Load())
		perSecond := used.Seconds() / (minutes * 60)
		b.ReportMetric(perSecond, "CPU-s/virtual-s")
		b.ReportMetric(float64(used.Microseconds())/(minutes*keys), "CPU-µs/ping")
		if perSecond > pingBudget {
			b.Fatalf("%d keys that ping once a minute take %.2f %% of a core, at most %.0f %% was meant", keys, 100*perSecond, 100*pingBudget)
		}
	}
}

// cpuTime is what this process has used so far.
func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
