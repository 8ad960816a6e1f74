package cluster

import (
	"container/list"
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

// Lost notes that an input was let go whose key is not here, for as long as a node may
// still bring the key. Only of updates can a client fetch the difference.
func (c *Cluster) Lost(permAuthKeyID int64, in sess.Input) {
	switch in.(type) {
	case *sess.PushUpdates, *sess.PushSessionUpdates:
		now := c.now()
		c.lost.note(permAuthKeyID, now, now+int64(c.o.ReleaseAfter+takeOver))
	}
}

// TakeLost reports whether updates for a key were let go while it was not here, and
// forgets that.
func (c *Cluster) TakeLost(permAuthKeyID int64) bool { return c.lost.take(permAuthKeyID, c.now()) }
