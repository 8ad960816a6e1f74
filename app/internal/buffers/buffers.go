// Package buffers keeps large buffers that were used, for who needs one next. Memory that
// is new costs more than what is done in it: the system gives it page by page, the garbage
// collector runs for it, and both hold up whoever else has work. A buffer is not cleared:
// who gets one reads only what it wrote there.
package buffers

import (
	"math/bits"
	"sync"

	"google.golang.org/grpc/mem"
)

// Smallest is from which size on, in bytes, buffers are kept; shorter ones are the garbage
// collector's, as are those longer than 16 MiB.
const Smallest = 48 << 10

const (
	least   = 16 // 64 KiB
	most    = 24 // 16 MiB
	between = 4  // sizes to each power of two: of a buffer a fifth stays empty, at most
)

// Pool is the buffers of the process. It is safe for concurrent use.
var Pool mem.BufferPool = new(pool)

type pool struct {
	free [(most-least)*between + 1]sync.Pool
}

// Get implements mem.BufferPool.
func (p *pool) Get(size int) *[]byte {
	i := above(size)
	if size < Smallest || i >= len(p.free) {
		b := make([]byte, size)
		return &b
	}
	if b, ok := p.free[i].Get().(*[]byte); ok {
		*b = (*b)[:size]
		return b
	}
	b := make([]byte, size, sizeOf(i))
	return &b
}

// Put implements mem.BufferPool. b is not to be used any more.
func (p *pool) Put(b *[]byte) {
	if i := above(cap(*b)); i < len(p.free) && cap(*b) == sizeOf(i) {
		p.free[i].Put(b)
	}
}

// sizeOf is the i-th size of buffers.
func sizeOf(i int) int { return (between + i%between) << (least - 2 + i/between) }

// above is the number of the least size that is not below size.
func above(size int) int {
	if size <= 1<<least {
		return 0
	}
	power := bits.Len(uint(size-1)) - 1
	quarter := 1 << (power - 2)
	return (power-least)*between + (size-1-1<<power)/quarter + 1
}
