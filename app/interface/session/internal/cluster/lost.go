package cluster

import (
	"container/list"
	"math"
	"sync"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// lostKeys bounds the keys that are remembered.
const lostKeys = 1 << 16

// losses are keys that are not here, and that updates were let go for. One that another
// node brings after all lives on as if nothing had happened: its client would lack the
// updates and never ask for them. So the key is told (sess.PushesLost). It is safe for
// concurrent use.
type losses struct {
	mu    sync.Mutex
	keys  map[int64]*list.Element
	order list.List // of loss, the oldest first
}

type loss struct{ key, until int64 }

// note remembers a key until a time, and forgets those whose time is over by now. Where
// there are too many, the oldest is forgotten.
func (l *losses) note(key, now, until int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		l.keys = map[int64]*list.Element{}
	}
	if e := l.keys[key]; e != nil {
		l.order.Remove(e)
	}
	l.keys[key] = l.order.PushBack(loss{key, until})
	for {
		e := l.order.Front()
		if oldest := e.Value.(loss); oldest.until > now && len(l.keys) <= lostKeys {
			return
		}
		l.forget(e)
	}
}

// take reports whether a key is remembered, and forgets it.
func (l *losses) take(key, now int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.keys[key]
	return e != nil && l.forget(e).until > now
}

// forget forgets a key. l.mu is held.
func (l *losses) forget(e *list.Element) loss {
	gone := l.order.Remove(e).(loss)
	delete(l.keys, gone.key)
	return gone
}

// takeIf forgets up to most keys that match and whose time is not over, the oldest first, and
// returns them.
func (l *losses) takeIf(most int, now int64, match func(key int64) bool) (taken []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.order.Front(); e != nil && len(taken) < most; {
		next := e.Next()
		if one := e.Value.(loss); one.until > now && match(one.key) {
			l.forget(e)
			taken = append(taken, one.key)
		}
		e = next
	}
	return taken
}

// len is how many keys are remembered.
func (l *losses) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.keys)
}

// Lost notes that an input was let go whose key is not here. Only of updates can a client
// fetch the difference.
func (c *Cluster) Lost(permAuthKeyID int64, in sess.Input) {
	switch in.(type) {
	case *sess.PushUpdates, *sess.PushSessionUpdates:
		c.noteLost(permAuthKeyID)
	}
}

// noteLost notes that updates for a key were let go. If the key is this node's, that counts
// for as long as another node may still bring the key. One that has come in this moment is
// told; the note is kept where this node is not sure of the key. If it is another's, its
// client listens there, and that node is told (tellOwners).
func (c *Cluster) noteLost(permAuthKeyID int64) {
	now := c.now()
	if c.Owns(permAuthKeyID) {
		c.lost.note(permAuthKeyID, now, now+int64(c.o.ReleaseAfter+takeOver))
		if c.keys.Owe(permAuthKeyID, &sess.PushesLost{}) && c.Keeps(permAuthKeyID) {
			c.lost.take(permAuthKeyID, now)
		}
		return
	}
	c.untold.note(permAuthKeyID, now, math.MaxInt64)
	c.tellLater()
}

// tellLater has the owners of keys told in a while: a node that could not be reached a moment
// ago may be on its way, or gone.
func (c *Cluster) tellLater() {
	if c.tells.CompareAndSwap(false, true) {
		c.schedule(c.o.ReleaseAfter, c.tellOwners)
	}
}

// toldAtOnce is how many keys of other nodes are told at a time that updates were let go.
const toldAtOnce = 1000

// tellOwners has the clients of keys that other nodes own told that they may have missed
// updates. Where a node does not answer, it is told later. A key that has become this node's
// meanwhile is told here, or when it comes.
func (c *Cluster) tellOwners() {
	c.tells.Store(false)
	c.tell(toldAtOnce)
	if c.untold.len() > 0 {
		c.tellLater()
	}
}

// tell is tellOwners for the oldest, at most so many.
func (c *Cluster) tell(most int) {
	for _, key := range c.untold.takeIf(most, c.now(), func(int64) bool { return true }) {
		owner, mine := c.Owner(key)
		if mine {
			c.noteLost(key)
			continue
		}
		call, size := Request(key, &sess.PushUpdates{Updates: updatesTooLong})
		c.SendOn(key, size, owner, func(err error) {
			if err != nil && !IsFull(err) {
				c.noteLost(key)
			}
		}, call.Final())
	}
}

// lostElsewhere has the owners told of those keys for which updates were let go while they
// were this node's, and that the ring has given to others since.
func (c *Cluster) lostElsewhere() {
	for _, key := range c.lost.takeIf(lostKeys, c.now(), func(key int64) bool { return !c.Owns(key) }) {
		c.noteLost(key)
	}
}

// TakeLost reports whether updates for a key were let go while it was not here, and
// forgets that.
func (c *Cluster) TakeLost(permAuthKeyID int64) bool {
	now := c.now()
	lost := c.lost.take(permAuthKeyID, now)
	return c.untold.take(permAuthKeyID, now) || lost
}
