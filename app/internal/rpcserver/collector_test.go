package rpcserver

import (
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHeapRoom(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct{ limit, want int64 }{
		"no limit":    {math.MaxInt64, 80 * mib},
		"a large one": {4096 * mib, 80 * mib},
		"a small one": {160 * mib, 32 * mib},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, heapRoom(c.limit)) })
	}
}

func TestPercent(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		live uint64
		want int
	}{
		"before the first collection": {0, mostPercent},
		"next to nothing lives":       {1, mostPercent},
		"less than half":              {16 * mib, 400},
		"half":                        {40 * mib, usualPercent},
		"all":                         {80 * mib, usualPercent},
		"more":                        {1000 * mib, usualPercent},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, percent(80*mib, c.live)) })
	}
}

// The pace follows each collection, not the first alone.
func TestCollectorIsFollowed(t *testing.T) {
	var calls atomic.Int64
	followCollector(func() { calls.Add(1) })
	require.NotZero(t, calls.Load(), "at once") // garbage may have been collected by now: it may be more than one
	for range 3 {
		before := calls.Load()
		require.Eventually(t, func() bool {
			runtime.GC()
			return calls.Load() > before
		}, time.Minute, time.Millisecond)
	}
}
