package lane

import "sync/atomic"

// Room bounds the bytes of what waits. One item always fits, and one without
// bytes at any time. It is safe for concurrent use.
type Room struct {
	limit int64
	held  atomic.Int64
}

// NewRoom makes room for limit bytes; 0: without a bound.
func NewRoom(limit int) *Room { return &Room{limit: int64(limit)} }

// Take reports whether an item of size bytes fits, and makes it wait if so.
func (r *Room) Take(size int) bool {
	n := int64(size)
	if before := r.held.Add(n) - n; before > 0 && n > 0 && r.limit > 0 && before+n > r.limit {
		r.held.Add(-n)
		return false
	}
	return true
}

// Leave says that an item of size bytes waits no longer.
func (r *Room) Leave(size int) { r.held.Add(-int64(size)) }

// Held is how many bytes wait.
func (r *Room) Held() int { return int(r.held.Load()) }
