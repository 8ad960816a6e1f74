// Package lane runs work in order where order matters and concurrently where
// it does not, without a goroutine while there is nothing to do.
package lane

import (
	"runtime/debug"
	"sync"

	"github.com/zeromicro/go-zero/core/logx"
)

// Lanes runs functions: those with the same key one after the other, in the
// order they came, those of different keys concurrently. It is safe for
// concurrent use.
type Lanes struct {
	// Spawn starts what runs a lane. It may be set before the first Go;
	// nil: a goroutine.
	Spawn Spawn

	lanes []lane
	limit int
	busy  Busy
}

// Spawn starts f beside its caller, who may hold locks. Simulations start
// functions as they see fit; nil stands for the go statement.
type Spawn func(f func())

// Start starts f.
func (s Spawn) Start(f func()) {
	if s == nil {
		go f()
		return
	}
	s(f)
}

type lane struct {
	mu      sync.Mutex
	queue   []func()
	running bool
}

// New makes n lanes, a power of two, that hold at most limit waiting
// functions each.
func New(n, limit int) *Lanes {
	return &Lanes{lanes: make([]lane, n), limit: limit}
}

// Go runs f after everything that was given to Go with the same key before.
// It never blocks; false says that the lane is full and f will not run.
func (l *Lanes) Go(key int64, f func()) bool {
	ln := &l.lanes[mix(uint64(key))&uint64(len(l.lanes)-1)]
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if len(ln.queue) >= l.limit {
		return false
	}
	ln.queue = append(ln.queue, f)
	if !ln.running {
		ln.running = true
		l.busy.Add()
		l.Spawn.Start(func() { l.run(ln) })
	}
	return true
}

// Wait returns when no lane has work left.
func (l *Lanes) Wait() { l.busy.Wait() }

func (l *Lanes) run(ln *lane) {
	defer l.busy.Done()
	for {
		ln.mu.Lock()
		batch := ln.queue
		ln.queue = nil
		if len(batch) == 0 {
			ln.running = false
			ln.mu.Unlock()
			return
		}
		ln.mu.Unlock()
		for _, f := range batch {
			guard(f)
		}
	}
}

// panics keeps one that comes with every function from filling the log.
var panics = logx.NewLessLogger(1000)

// guard keeps a panic in one function from ending the others.
func guard(f func()) {
	defer func() {
		if r := recover(); r != nil {
			panics.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	f()
}

// mix spreads keys over lanes: the finalizer of murmur3.
func mix(k uint64) uint64 {
	k ^= k >> 33
	k *= 0xff51afd7ed558ccd
	k ^= k >> 33
	k *= 0xc4ceb9fe1a85ec53
	return k ^ k>>33
}
