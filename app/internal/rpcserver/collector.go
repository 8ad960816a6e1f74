package rpcserver

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"

	"github.com/zeromicro/go-zero/core/logx"
)

const (
	// leastHeap is how large the heap may grow, bytes, before garbage is collected. Go's
	// rule, as much garbage as what lives, has a node with few keys collect several times
	// a second: what lives is a few megabytes there, and each request makes kilobytes.
	leastHeap = 80 << 20
	// heapShare is the part of a memory limit that the heap may take on that account.
	heapShare = 5

	usualPercent = 100 // GOGC, where nobody sets it
	mostPercent  = 2000
)

// paceCollector has the garbage collector wait until the heap has leastHeap, or less where
// memory is limited. Where more than half of that lives Go's own rule holds. GOGC in the
// environment goes first: then nothing is changed.
func paceCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	heap := heapRoom(debug.SetMemoryLimit(-1))
	logx.Infof("memory: garbage is collected when the heap has %d MiB, or twice what lives (GOGC changes it)", heap>>20)
	followCollector(func() { pace(heap) })
}

// heapRoom is leastHeap under a memory limit, bytes; math.MaxInt64: there is none.
func heapRoom(limit int64) int64 {
	if limit == math.MaxInt64 {
		return leastHeap
	}
	return min(leastHeap, limit/heapShare)
}

// percent is GOGC that lets the heap grow to so many bytes, of which some live.
func percent(heap int64, live uint64) int {
	if live == 0 {
		return mostPercent
	}
	room := max(heap-int64(live), 0)
	return min(max(int(100*uint64(room)/live), usualPercent), mostPercent)
}

// paced is the percent that was set last.
var paced atomic.Int64

// pace sets GOGC by what the last collection has found to live. Setting it stops the
// program for a moment, so small changes are let be.
func pace(heap int64) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	next := percent(heap, live[0].Value.Uint64())
	if last := int(paced.Load()); next > last-last/8 && next < last+last/8 {
		return
	}
	paced.Store(int64(next))
	debug.SetGCPercent(next)
}

// followCollector calls f now and after each collection, in the runtime's own goroutine:
// an object that nobody holds is finalized then, and given to the next one.
func followCollector(f func()) {
	f()
	type cycle struct{ _ *byte } // with a pointer, so that it is no part of another object
	var again func(*cycle)
	again = func(c *cycle) {
		f()
		runtime.SetFinalizer(c, again)
	}
	runtime.SetFinalizer(new(cycle), again)
}
