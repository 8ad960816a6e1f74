package cluster

import (
	"maps"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/clock"
)

// farewell is how long the host of a node that has left the ring is still a node's:
// the node drains, and sends on what still comes.
const farewell = time.Minute

// hosts is the addresses that session nodes call from. A look costs one map access.
// It is safe for concurrent use; updates must not overlap.
type hosts struct {
	now   func() int64 // package clock, Unix nanoseconds
	until atomic.Pointer[map[netip.Addr]int64]
}

// onRing is the time until which the hosts on the ring are nodes'.
const onRing = 1<<63 - 1

func newHosts(ring *Ring) *hosts {
	h := &hosts{now: clock.Now}
	h.until.Store(&map[netip.Addr]int64{})
	h.update(ring)
	return h
}

// update takes the hosts of a ring. Those of the ring before stay for a while.
func (h *hosts) update(ring *Ring) {
	now := h.now()
	next := maps.Clone(*h.until.Load())
	for host, until := range next {
		switch {
		case until == onRing:
			next[host] = now + int64(farewell)
		case until <= now:
			delete(next, host)
		}
	}
	for _, node := range ring.Nodes() {
		if host, ok := hostOf(node); ok {
			next[host] = onRing
		}
	}
	h.until.Store(&next)
}

// has reports whether a session node calls from addr.
func (h *hosts) has(addr netip.Addr) bool {
	until, known := (*h.until.Load())[addr.Unmap()]
	return known && until > h.now()
}
