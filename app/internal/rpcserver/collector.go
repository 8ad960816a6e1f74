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
	// leastGarbage is how much garbage may gather, bytes, before it is collected. Go's
	// rule, as much as what lives, has a node with few keys collect several times a
	// second: what lives is a few megabytes there, and each request makes kilobytes.
	leastGarbage = 64 << 20
	// garbageShare is the part of a memory limit that garbage may take on that account.
	garbageShare = 8

	usualPercent = 100 // GOGC, where nobody sets it
	mostPercent  = 2000
)

// paceCollector has the garbage collector wait for leastGarbage, or less where memory is
// limited. Where more than that lives Go's own rule holds. GOGC in the environment goes
// first: then nothing is changed.
func paceCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	room := garbageRoom(debug.SetMemoryLimit(-1))
	logx.Infof("memory: garbage is collected when there are %d MiB of it, or as much as lives (GOGC changes it)", room>>20)
	followCollector(func() { pace(room) })
}

// garbageRoom is leastGarbage under a memory limit, bytes; math.MaxInt64: there is none.
func garbageRoom(limit int64) int64 {
	if limit == math.MaxInt64 {
		return leastGarbage
	}
	return min(leastGarbage, limit/garbageShare)
}

// percent is GOGC that lets room bytes of garbage gather beside live ones.
func percent(room int64, live uint64) int {
	if live == 0 {
		return mostPercent
	}
	return min(max(int(100*uint64(room)/live), usualPercent), mostPercent)
}

// paced is the percent that was set last.
var paced atomic.Int64

// pace sets GOGC by what the last collection has found to live. Setting it stops the
// program for a moment, so small changes are let be.
func pace(room int64) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	next := percent(room, live[0].Value.Uint64())
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
