package engines

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// gaps measures how long no call succeeded, and keeps the first error of each
// kind.
type gaps struct {
	count    atomic.Int64
	failures atomic.Int64

	mu      sync.Mutex
	last    time.Time // success
	broken  time.Time // failure
	longest time.Duration
	first   string
}

func (g *gaps) succeeded() {
	g.count.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if !g.last.IsZero() {
		g.longest = max(g.longest, now.Sub(g.last))
	}
	g.last = now
}

func (g *gaps) failed(err error) {
	g.failures.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken = time.Now(); g.first == "" {
		g.first = err.Error()
	}
}

func (g *gaps) lastSuccess() time.Time { g.mu.Lock(); defer g.mu.Unlock(); return g.last }
func (g *gaps) lastFailure() time.Time { g.mu.Lock(); defer g.mu.Unlock(); return g.broken }

// summary is how it went, in words.
func (g *gaps) summary() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := "never away"
	if g.longest > stallMatter {
		s = fmt.Sprintf("away %.1f s", g.longest.Seconds())
	}
	if n := g.failures.Load(); n > 0 {
		s += fmt.Sprintf(", %d failed, first: %.120s", n, g.first)
	}
	return s
}
