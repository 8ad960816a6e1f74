package unary

import (
	"slices"
	"sync"
	"time"

	"github.com/tgsession/tgsession/app/internal/buffers"
)

const (
	// repliesOfOwner is how many bytes of large replies one owner may have in memory. One
	// reply may always be there.
	repliesOfOwner = 4 << 20
	// heldAtMost is how long a reply is counted while others wait for its room: whoever
	// has it still has lost it.
	heldAtMost = 5 * time.Second
)

// Owned is a reply that is somebody's. Of its owner's large replies no more are read at a
// time than repliesOfOwner: the others stay with the peer, which may send one streamWindow
// of each. A reply is counted until its buffer is freed. Without that bound a single user
// with thirty calls fills as many megabytes, faster than they are worked off.
type Owned interface{ Owner() int64 } // 0: nobody's, not counted

// shares are the large replies of a client, by owner.
type shares struct {
	mu sync.Mutex
	of map[int64]*share
}

// share is the large replies of one owner; there is none without any.
type share struct {
	held    int         // bytes of those that are read, until they are freed
	waiting []*call     // the others, by arrival
	overdue *time.Timer // runs while some wait
}

// take lets the peer send the whole reply of a call, and reports whether it may now; else it
// may when its turn comes. It is the reader's.
func (s *shares) take(k *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case k.left:
		return false
	case k.owner == 0:
		k.conn.allow(k.id, k.size)
		return true
	}
	sh := s.of[k.owner]
	if sh == nil {
		sh = &share{}
		s.of[k.owner] = sh
	}
	k.waits = true
	sh.waiting = append(sh.waiting, k)
	s.serve(k.owner, sh)
	return !k.waits
}

// waits reports whether the turn of a call is still to come.
func (s *shares) waits(k *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return k.waits
}

// leave forgets a call that has ended without a reply, or whose reply nobody takes.
func (s *shares) leave(k *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.left = true // the reader may be at it
	sh := s.of[k.owner]
	switch {
	case sh == nil:
	case k.waits:
		k.waits = false
		sh.waiting = slices.DeleteFunc(sh.waiting, func(other *call) bool { return other == k })
		s.serve(k.owner, sh)
	case k.held > 0:
		s.release(k.owner, sh, k.held)
	}
	k.held = 0
}

// free takes so many bytes of an owner back.
func (s *shares) free(owner int64, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sh := s.of[owner]; sh != nil {
		s.release(owner, sh, bytes)
	}
}

// release is free; s.mu is held.
func (s *shares) release(owner int64, sh *share, bytes int) {
	sh.held = max(sh.held-bytes, 0) // it may have been forgotten
	s.serve(owner, sh)
}

// serve lets those go on for whom there is room; s.mu is held.
func (s *shares) serve(owner int64, sh *share) {
	n := 0
	for ; n < len(sh.waiting); n++ {
		k := sh.waiting[n]
		if sh.held > 0 && sh.held+k.size > repliesOfOwner {
			break
		}
		sh.held += k.size
		k.waits, k.held = false, k.size
		k.conn.allow(k.id, k.size)
	}
	sh.waiting = slices.Delete(sh.waiting, 0, n)
	switch {
	case len(sh.waiting) == 0:
		if sh.overdue != nil {
			sh.overdue.Stop()
			sh.overdue = nil
		}
		if sh.held == 0 {
			delete(s.of, owner)
		}
	case sh.overdue == nil:
		sh.overdue = time.AfterFunc(heldAtMost, func() { s.forget(owner, sh) })
	case n > 0:
		sh.overdue.Reset(heldAtMost)
	}
}

// forget counts what is held no longer: those that wait have waited long enough.
func (s *shares) forget(owner int64, sh *share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[owner] != sh || sh.overdue == nil {
		return
	}
	sh.held, sh.overdue = 0, nil
	s.serve(owner, sh)
}

// ownedRoom is the pool that the buffer of a counted reply goes back to.
type ownedRoom struct {
	shares *shares
	owner  int64
	bytes  int
}

// Get implements mem.BufferPool.
func (r *ownedRoom) Get(size int) *[]byte { return buffers.Pool.Get(size) }

// Put implements mem.BufferPool.
func (r *ownedRoom) Put(b *[]byte) {
	buffers.Pool.Put(b)
	r.shares.free(r.owner, r.bytes)
}
