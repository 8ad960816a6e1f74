// Package buffers keeps large buffers that were used, for who needs one next. Memory that
// is new costs more than what is done in it: the system gives it page by page, the garbage
// collector runs for it, and both hold up whoever else has work.
//
// Who gives a buffer back must be the last one who uses it: what it holds then is
// another's. Where that is in doubt it is not given back, and the garbage collector has it.
package buffers

import "google.golang.org/grpc/mem"

// Smallest is from which size on, in bytes, buffers are kept; shorter ones are the garbage
// collector's.
const Smallest = 48 << 10

// largest is the largest size that has a pool of its own.
const largest = 16 << 20

// Pool is the buffers of the process, in sizes of which a fifth stays empty, at most. It
// is safe for concurrent use.
var Pool mem.BufferPool = pool{mem.NewTieredBufferPool(sizes()...)}

// smallest is Smallest, unless Watch has changed it.
var smallest = Smallest

type pool struct{ mem.BufferPool }

// Get implements mem.BufferPool.
func (p pool) Get(size int) *[]byte {
	if size < Smallest {
		b := make([]byte, size)
		return &b
	}
	return p.BufferPool.Get(size)
}

// Copy returns a copy of b, for who gives it back by Recycle.
func Copy(b []byte) []byte {
	room := *Pool.Get(len(b))
	copy(room, b)
	return room
}

// Recycle gives a buffer back that nobody uses any more, as a slice from its first byte on.
// One that Pool has not made is the garbage collector's.
func Recycle(b []byte) {
	if cap(b) >= smallest {
		Pool.Put(&b)
	}
}

func sizes() (list []int) {
	for n := Smallest; n <= largest; n += n / 4 {
		list = append(list, n)
	}
	return list
}
