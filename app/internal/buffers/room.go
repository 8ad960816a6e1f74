package buffers

import (
	"sync/atomic"

	"google.golang.org/grpc/mem"
)

// Room is a buffer that several hold, each of whom frees it once; it is used again when
// the last one has. A holder that never does leaves it to the garbage collector. A nil Room
// belongs to bytes that are nobody's to give back, and does nothing. It is safe for
// concurrent use.
type Room struct {
	whole   *[]byte
	holders atomic.Int32
}

// NewRoom returns an empty slice with capacity for size bytes, and its room, which the
// caller holds; nil: the bytes are too few.
func NewRoom(size int) ([]byte, *Room) {
	if size < smallest {
		return make([]byte, 0, size), nil
	}
	r := &Room{whole: Pool.Get(size)}
	r.holders.Store(1)
	return (*r.whole)[:0], r
}

// Hold adds a holder. The caller is one itself.
func (r *Room) Hold() {
	if r != nil {
		r.holders.Add(1)
	}
}

// Free is the end of a holder.
func (r *Room) Free() {
	if r == nil {
		return
	}
	switch n := r.holders.Add(-1); {
	case n == 0:
		Pool.Put(r.whole)
	case n < 0 && watching:
		panic("buffers: a room was freed more often than it was held")
	}
}

// Holders is how many hold the room.
func (r *Room) Holders() int {
	if r == nil {
		return 0
	}
	return int(r.holders.Load())
}

// Buffer is part, which lies in the room, for gRPC, which is one more holder until it has
// written it.
func (r *Room) Buffer(part []byte) mem.Buffer {
	if r == nil {
		return mem.SliceBuffer(part)
	}
	r.Hold()
	return mem.NewBuffer(&part, holder{r})
}

// holder is gRPC's hold. It gives nothing back where gRPC takes a part for too short to pool.
type holder struct{ room *Room }

func (h holder) Get(size int) *[]byte { return Pool.Get(size) }

func (h holder) Put(*[]byte) { h.room.Free() }
