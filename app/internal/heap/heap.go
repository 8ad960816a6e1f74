// Package heap sets how a process of ours collects garbage, where its environment says
// nothing of it.
//
// Go begins a collection when the heap has doubled. A service that holds little is never
// at rest so: with 10 MiB in use, each 10 MiB that go through it are a collection, which
// takes processors from the calls of all clients; a few clients that send large packets
// cause dozens a second. So the heap may grow to Floor before one begins. A service that
// holds more than half of Floor is collected as ever.
//
// In a container the collector is told of its limit, so that it works harder before the
// kernel ends the process.
package heap

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/zeromicro/go-zero/core/logx"
)

const (
	// Floor is how far the heap may grow in any case, bytes.
	Floor = 64 << 20
	// containerShare is what the collector may plan with of a container's limit: the
	// rest is for what is no heap.
	containerShare = 0.9

	usualPercent = 100     // Go's own
	smallestHeap = 4 << 20 // that Go collects at usualPercent
)

// Tune sets the collector of this process. GOGC and GOMEMLIMIT of the environment are
// left as they are. It is called once.
func Tune() {
	if os.Getenv("GOMEMLIMIT") == "" {
		if limit := containerLimit(memlimit.FromCgroup, memlimit.FromSystem); limit > 0 {
			debug.SetMemoryLimit(limit)
			logx.Infof("memory: the container has a limit; the heap is kept below %d MiB (GOMEMLIMIT changes it)", limit>>20)
		}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(usualPercent * Floor / smallestHeap)
		follow(usualPercent * Floor / smallestHeap)
	}
}

// containerLimit is what the collector may plan with in a container, bytes; 0: there is
// no limit but what the machine has.
func containerLimit(container, machine memlimit.Provider) int64 {
	limit, err := container()
	if err != nil {
		return 0
	}
	if all, err := machine(); err != nil || limit >= all {
		return 0
	}
	return int64(float64(limit) * containerShare)
}

// sentinel is garbage, and so tells of the collection that finds it.
type sentinel struct{ _ *byte } // with a pointer: small objects without one share their memory

// follow sets the percentage after each collection for the next one.
func follow(percent int) {
	s := &sentinel{}
	runtime.SetFinalizer(s, func(*sentinel) {
		next := percentFor(inUse())
		if next != percent {
			debug.SetGCPercent(next)
		}
		follow(next)
	})
}

// percentFor is GOGC for a process that holds so many bytes. It is rounded, for a change
// stops the process for a moment.
func percentFor(inUse uint64) int {
	const step = 20
	if inUse >= Floor/2 {
		return usualPercent
	}
	percent := int((Floor - inUse) * 100 / max(inUse, smallestHeap/4)) //nolint:gosec // below 6400
	return max(percent/step*step, usualPercent)
}

// inUse is what GOGC is a percentage of: what the last collection has left, and what it
// had to look through beside it (https://go.dev/doc/gc-guide).
func inUse() (sum uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += s.Value.Uint64()
		}
	}
	return sum
}
