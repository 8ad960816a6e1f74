package runloop

import (
	"slices"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// A key may have lived on another node while it stood still here: the ring gave it to that
// node for a while (back), or the others did not see this one (Missed). The first who then
// wants something of it from outside has that node asked, and waits for the answer; so does
// a third node that asks for the key. If the key lived there, that life goes on here, and
// the one that stood still ends: what its client repeated there is not done again. Else
// nothing has happened.
//
// A key that has begun here while the ring still gave it to another node is not in doubt
// when the ring gives it to this one: the life here is the later one (guest).

// Missed is for when this node learns that the others have not seen it for a time, as
// when it was stopped, or etcd could not be reached: each of its keys is in doubt.
func (m *Manager) Missed() {
	for _, a := range m.all() {
		if !a.unbound {
			a.mu.Lock()
			a.doubted = true
			a.mu.Unlock()
		}
	}
}

// doubt has everything wait that comes for the key, unless there is nobody to ask. a.mu
// is held.
func (a *actor) doubt(former []string) (ask []string) {
	a.doubted = false
	if len(former) == 0 || a.arriving || a.leaving {
		return nil
	}
	a.arriving = true
	return former
}

// isDoubted is doubt for who asks another node already.
func (a *actor) isDoubted(node string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.doubted && a.doubt([]string{node}) != nil
}

// resolve ends a doubt with what another node had of the key; nil: nothing. Where a node
// did not answer (failed) the client may have missed something.
func (a *actor) resolve(st *session.KeyState, failed bool) {
	if st != nil {
		a.succeed(st)
		return
	}
	a.mu.Lock()
	a.arriving = false
	if failed {
		a.sessionDataChan = append([]sess.Input{&sess.PushesLost{}}, a.sessionDataChan...)
	}
	idle := a.rouse()
	a.mu.Unlock()
	if idle {
		a.m.o.Spawn.Start(a.runLoop)
	}
}

// succeed puts another actor in the place of a, with the life that the key had on another
// node, and with what waits for it. a answers what it has in flight, and ends.
func (a *actor) succeed(st *session.KeyState) {
	m := a.m
	next := &actor{m: m, key: a.key, arriving: true, epoch: m.o.Cluster.Epoch(), early: m.o.Cluster.Converging()}
	a.mu.Lock()
	if !m.replace(a, next) { // it has been let go meanwhile
		a.mu.Unlock()
		a.resolve(nil, true)
		return
	}
	held := a.sessionDataChan
	next.sessionDataChan = []sess.Input{&sess.PushesLost{}} // a may have updates that did not arrive
	next.waiting, next.pushesLost = a.waiting, a.pushesLost
	a.waiting, a.pushesLost, a.arriving = load{}, false, false
	a.sessionDataChan = slices.DeleteFunc(slices.Clone(held), func(in sess.Input) bool { return forNext(in) || isHandOff(in) })
	if d := a.parted; d != nil && !a.isAway() { // what was asked for is the life that goes on
		next.sessionDataChan = append(next.sessionDataChan, d.late...)
		next.waiting.items += d.kept.items
		next.waiting.bytes += d.kept.bytes
		next.parted = &departure{takers: d.takers}
		d.takers, d.late, d.kept = nil, nil, load{}
		a.sessionDataChan = append([]sess.Input{&sess.Stay{}}, a.sessionDataChan...)
	}
	next.sessionDataChan = append(next.sessionDataChan, slices.DeleteFunc(held, func(in sess.Input) bool { return !forNext(in) })...)
	if next.parted != nil && len(next.parted.takers) > 0 {
		next.sessionDataChan = append(next.sessionDataChan, &sess.HandOff{})
	}
	a.mu.Unlock()
	next.arrive(st, false)
	m.detach(a)
}

// replace puts next into the place of a in the map, if a has it still.
func (m *Manager) replace(a, next *actor) bool {
	s := m.shard(a.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.actors[a.key] != a {
		return false
	}
	s.actors[a.key] = next
	return true
}

// forNext reports whether an input is for the life of a key, not for what the node itself
// did in another one.
func forNext(in sess.Input) bool {
	if _, lost := in.(*sess.PushesLost); lost {
		return true
	}
	return forAnother(in)
}
