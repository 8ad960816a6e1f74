package lane

import (
	"sync"
	"sync/atomic"
)

// Busy counts what is under way. Unlike a sync.WaitGroup it may rise from zero
// while others wait. The zero value is ready, and must not be copied.
type Busy struct {
	n    atomic.Int64
	mu   sync.Mutex
	rest sync.Cond // lazily given mu
}

// Add notes that one thing more is under way.
func (b *Busy) Add() { b.n.Add(1) }

// Done notes that one is not any more.
func (b *Busy) Done() {
	if b.n.Add(-1) == 0 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.rest.L = &b.mu
		b.rest.Broadcast()
	}
}

// Wait returns at a moment when nothing is under way.
func (b *Busy) Wait() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rest.L = &b.mu
	for b.n.Load() != 0 {
		b.rest.Wait()
	}
}
