package buffers

import (
	"math/bits"
	"runtime"
	"sync"
	"weak"
)

// watching says that Watch was called.
var watching bool

// Watch has all buffers, however short, come from a pool that fills with garbage what is
// given back, hands it out at once, and panics at what is given back twice. It is for
// tests that are to find who reads a buffer after its end, and comes before anything else
// in the process.
func Watch() {
	watching, smallest = true, 1
	Pool = &watched{out: map[weak.Pointer[byte]]bool{}}
}

const (
	garbage = 0xdb
	keeps   = 16 // of a size
)

type watched struct {
	mu    sync.Mutex
	out   map[weak.Pointer[byte]]bool // those that it has made; false: given back
	spare [64][]*[]byte               // by class
}

// class is the size of a buffer for size bytes, as a power of two: none is so short that it
// would share its place in memory with others.
func class(size int) int { return max(5, bits.Len(uint(max(size, 1)-1))) }

// Get implements mem.BufferPool.
func (w *watched) Get(size int) *[]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := class(size)
	var b *[]byte
	if list := w.spare[c]; len(list) > 0 {
		b, w.spare[c] = list[len(list)-1], list[:len(list)-1]
	} else {
		room := make([]byte, 1<<c)
		b = &room
		runtime.AddCleanup(&room[0], w.forget, weak.Make(&room[0]))
	}
	w.out[weak.Make(&(*b)[:1][0])] = true
	*b = (*b)[:size]
	return b
}

// Put implements mem.BufferPool.
func (w *watched) Put(b *[]byte) {
	if cap(*b) == 0 {
		return
	}
	whole := (*b)[:cap(*b)]
	id := weak.Make(&whole[0])
	w.mu.Lock()
	defer w.mu.Unlock()
	switch out, made := w.out[id]; {
	case !made || cap(whole) != 1<<class(cap(whole)):
		return
	case !out:
		panic("buffers: a buffer was given back twice")
	}
	for i := range whole {
		whole[i] = garbage
	}
	w.out[id] = false
	if c := class(cap(whole)); len(w.spare[c]) < keeps {
		w.spare[c] = append(w.spare[c], &whole)
	}
}

func (w *watched) forget(id weak.Pointer[byte]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.out, id)
}
