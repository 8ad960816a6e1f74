package rpcserver

import (
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/zeromicro/go-zero/core/logx"
)

// containerShare is what the garbage collector may plan with of a container's limit: the
// rest is for what is no heap.
const containerShare = 0.9

// limitMemory tells the garbage collector of the container's limit, so that it works
// harder before the kernel ends the process. GOMEMLIMIT in the environment goes first.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit := containerLimit(memlimit.FromCgroup, memlimit.FromSystem); limit > 0 {
		debug.SetMemoryLimit(limit)
		logx.Infof("memory: the container has a limit; the heap is kept below %d MiB (GOMEMLIMIT changes it)", limit>>20)
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
