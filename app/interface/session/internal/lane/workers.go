package lane

import (
	"sync"
	"time"
)

const (
	// restTime is how long a worker may have nothing to do, and at most twice that.
	restTime = 2 * time.Second
	// mostResting bounds the workers without work. One whose stack has grown holds
	// 8 to 32 KiB.
	mostResting = 1024
)

// Workers runs functions on goroutines that stay for a while when they are done: a
// fresh goroutine begins with a small stack, which is copied each time that it grows,
// and a gRPC call grows it several times. The one that was done last gets the next
// function, so that the others age and end; none is left of what has not been in use
// for restTime. The zero value is ready, and must not be copied.
type Workers struct {
	mu      sync.Mutex
	resting []*worker // the last one has rested for the shortest
	spare   int       // how many of the first have rested since the last look
	look    *time.Timer
	looking bool // a look is due
	closed  bool
}

type worker struct{ next chan func() } // capacity 1; nil ends it

// Go starts f, and never waits. It is a Spawn.
func (w *Workers) Go(f func()) {
	w.mu.Lock()
	n := len(w.resting) - 1
	if n < 0 {
		w.mu.Unlock()
		go w.work(f)
		return
	}
	k := w.resting[n]
	w.resting[n] = nil
	w.resting = w.resting[:n]
	w.spare = min(w.spare, n)
	w.mu.Unlock()
	k.next <- f
}

// Close ends the workers that rest, and the others when they are done. Go goes on to
// start functions.
func (w *Workers) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed, w.spare = true, 0
	if w.look != nil {
		w.look.Stop()
	}
	w.end(len(w.resting))
}

// ballast is how much of its stack a worker holds at all times. The garbage collector
// halves a stack of which less than a quarter is in use: a worker that rests would be
// found with a small stack again.
type ballast [4 << 10]byte

//go:noinline
func (b *ballast) hold() byte { return b[0] }

// work is a worker.
func (w *Workers) work(f func()) {
	var b ballast
	b.hold()
	k := &worker{make(chan func(), 1)}
	for f != nil {
		f()
		if !w.rest(k) {
			return
		}
		f = <-k.next
	}
}

// rest has k wait for work; false: it is not needed.
func (w *Workers) rest(k *worker) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.resting) >= mostResting {
		return false
	}
	w.resting = append(w.resting, k)
	if w.looking {
		return true
	}
	w.looking, w.spare = true, 0
	if w.look == nil {
		w.look = time.AfterFunc(restTime, w.thin)
	} else {
		w.look.Reset(restTime)
	}
	return true
}

// thin ends the workers that have rested since the last time.
func (w *Workers) thin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end(w.spare)
	w.spare = len(w.resting)
	if w.looking = w.spare > 0 && !w.closed; w.looking {
		w.look.Reset(restTime)
	}
}

// end ends the n workers that have rested for the longest. w.mu is held.
func (w *Workers) end(n int) {
	for _, k := range w.resting[:n] {
		k.next <- nil
	}
	left := copy(w.resting, w.resting[n:])
	clear(w.resting[left:])
	w.resting = w.resting[:left]
}
