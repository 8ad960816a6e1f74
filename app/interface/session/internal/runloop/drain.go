package runloop

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// drain counts actors whose answers have not all left.
type drain struct {
	mu       sync.Mutex
	released map[*actor]struct{} // out of the map, for another node's sake
	pending  map[*actor]struct{}
	empty    chan struct{}
}

// Drain asks every actor to finish: no new call is invoked, answers in flight
// are sent. It returns when all have, or with ctx's error and how many have
// not. Actors made later are not asked.
func (m *Manager) Drain(ctx context.Context) (late int, err error) {
	select {
	case <-m.StartDrain(ctx):
		return 0, nil
	case <-ctx.Done():
		d := &m.draining
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.pending), ctx.Err()
	}
}

// drainers is how many actors are asked to finish at a time. What they do then takes 14 µs
// each; of a million that would be most of the time that a stop may take.
const drainers = 16

// StartDrain begins what Drain waits for, and does not wait: the channel is closed
// when every actor has finished, those of released keys with them. Once ctx is done
// no more actors are asked.
func (m *Manager) StartDrain(ctx context.Context) <-chan struct{} {
	actors := m.all()
	d := &m.draining
	d.mu.Lock()
	d.pending, d.empty = make(map[*actor]struct{}, len(actors)), make(chan struct{})
	for _, a := range actors {
		d.pending[a] = struct{}{}
	}
	maps.Copy(d.pending, d.released)
	empty := d.empty
	if len(d.pending) == 0 {
		close(empty)
	}
	d.mu.Unlock()
	var next atomic.Int64
	for range min(drainers, len(actors)) {
		m.busy.Add()
		m.o.Spawn.Start(func() {
			defer m.busy.Done()
			for i := next.Add(1) - 1; i < int64(len(actors)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if a := actors[i]; a.postInline(&sess.Drain{}) != posted && !a.flies() {
					m.drained(a)
				}
			}
		})
	}
	return empty
}

// drained notes that nothing of a is in flight any more.
func (m *Manager) drained(a *actor) {
	d := &m.draining
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.released, a)
	if _, ok := d.pending[a]; !ok {
		return
	}
	delete(d.pending, a)
	if len(d.pending) == 0 {
		close(d.empty)
	}
}

// Offline reports every key offline that status still knows as online here. It is for a
// node that has drained: no runLoop may run. When ctx ends it stops; the entries of the
// other keys end at status by themselves.
func (m *Manager) Offline(ctx context.Context) (told int) {
	for _, a := range m.all() {
		if ctx.Err() != nil {
			break
		}
		var user int64
		a.mu.Lock()
		if !a.running {
			user = a.online.Swap(0)
		}
		a.mu.Unlock()
		if user != 0 {
			a.notify(&sess.SetOffline{UserID: user, AuthKeyID: a.key})
			told++
		}
	}
	return told
}

// Release lets go of keys that another node owns now and has not fetched. Their actors
// leave the map at once, so that nothing new reaches them; they send the answers in
// flight and end, without a word to status, where the new owner may have reported
// already. It returns how many left.
//
// Temp keys of their own stay: they belong to the node that a gateway brought
// them to.
func (m *Manager) Release(keys []int64) (released int) {
	for _, key := range keys {
		if a := m.find(key); a != nil && !a.unbound && !a.isAway() {
			m.detach(a)
			released++
		}
	}
	return released
}

// Converged is called when the nodes agree about who owns a key, a while after a change
// of the ring. Keys that another node owned meanwhile get an input, upon which they tell
// status again who is online: that node may have reported them offline. So do keys that
// were made early, for another node may have served them at the same time.
func (m *Manager) Converged() {
	for _, a := range m.all() {
		a.mu.Lock()
		back, early := a.back(), a.early
		a.early = false
		a.mu.Unlock()
		switch {
		case back:
			a.postInline(&sess.Returned{})
		case early:
			a.postInline(&sess.Settled{})
		}
	}
}

// detach takes a out of the map while it goes on, for a time.
func (m *Manager) detach(a *actor) {
	d := &m.draining
	d.mu.Lock()
	if d.released == nil {
		d.released = map[*actor]struct{}{}
	}
	d.released[a] = struct{}{}
	d.mu.Unlock()
	s := m.shard(a.key)
	s.mu.Lock()
	if s.actors[a.key] == a {
		delete(s.actors, a.key)
	}
	s.mu.Unlock()
	a.mu.Lock()
	a.leaving = true
	a.mu.Unlock()
	if a.postInline(&sess.Drain{}) != posted {
		m.drained(a)
	}
}
