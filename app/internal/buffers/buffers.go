// Package buffers keeps large buffers that were used, for who needs one next. Memory that
// is new costs more than what is done in it: the system gives it page by page, the garbage
// collector runs for it, and both hold up whoever else has work.
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

type pool struct{ mem.BufferPool }

// Get implements mem.BufferPool.
func (p pool) Get(size int) *[]byte {
	if size < Smallest {
		b := make([]byte, size)
		return &b
	}
	return p.BufferPool.Get(size)
}

func sizes() (list []int) {
	for n := Smallest; n <= largest; n += n / 4 {
		list = append(list, n)
	}
	return list
}
