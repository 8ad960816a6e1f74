package runloop

import (
	"errors"
	"slices"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// A key is in doubt when it may have lived on another node while it stood still here: the
// ring gave it to that node for a while (back), or the other nodes did not see this one
// (Missed). The next input from outside makes this node ask that other node for the key, and
// waits for the answer; so does a third node's wish to have the key. If the key lived on the
// other node, that state goes on here, and the one that stood still ends. So nothing is done
// again that the client repeated there. If the other node had nothing, all stays as it is.
//
// A key that has begun here while the ring still gave it to another node is not in doubt
// when the ring gives it to this one: the state here is the newer one (guest).

// Missed puts each key in doubt. It is called when this node learns that the others have
// not seen it for a time, because its process stood still or etcd could not be reached.
func (m *Manager) Missed() {
	for _, a := range m.all() {
		if !a.unbound {
			a.mu.Lock()
			a.doubted = true
			a.mu.Unlock()
		}
	}
}

// doubt returns the nodes to ask for the key; until they have answered, inputs wait. Nobody
// to ask: nothing waits. a.mu is held.
func (a *actor) doubt(former []string) (ask []string) {
	a.doubted = false
	if len(former) == 0 || a.arriving || a.leaving {
		return nil
	}
	a.arriving = true
	return former
}

// isDoubted is doubt for a caller that asks the node itself. It looks at the ring first, as an
// input does: a key that the ring has given back is in doubt, though nothing has come for it.
func (a *actor) isDoubted(node string) (doubted bool) {
	a.mu.Lock()
	if !a.gone && a.heir == 0 && !a.isAway() {
		a.comesBack()
		doubted = a.doubted && a.doubt([]string{node}) != nil
	}
	idle := a.rouse()
	a.mu.Unlock()
	if idle {
		a.m.o.Spawn.Start(a.runLoop)
	}
	return doubted
}

// resolve ends a doubt with what another node had of the key; nil: nothing. Where a node
// gave no answer the client may have missed updates, and is told so. Where one has the key
// and is its owner, the doubt stays: what waits for the life that goes on is sent there, and
// a third node that has asked for the key does not get the life that stood still.
func (a *actor) resolve(st *session.KeyState, err error) {
	if st != nil {
		a.succeed(st)
		return
	}
	moved := new(MovedError)
	isMoved := errors.As(err, &moved)
	a.mu.Lock()
	var takers []taker
	if isMoved {
		takers = a.turnAway()
	}
	for isMoved {
		after := a.takeAfter()
		if len(after) == 0 {
			break
		}
		a.mu.Unlock()
		for _, in := range after {
			a.m.sendAfter(a.key, moved.To, in)
		}
		a.mu.Lock()
	}
	if a.doubted, a.arriving = isMoved, false; err != nil && !isMoved {
		a.sessionDataChan = append([]sess.Input{&sess.PushesLost{}}, a.sessionDataChan...)
	}
	idle := a.rouse()
	a.mu.Unlock()
	for _, t := range takers {
		t.done(nil)
	}
	if idle {
		a.m.o.Spawn.Start(a.runLoop)
	}
}

// turnAway takes out of the mailbox that other nodes have asked for the key, and returns
// them. It does nothing where the machine has been told of one of them, or is about to be.
// a.mu is held.
func (a *actor) turnAway() (takers []taker) {
	untold := 0
	for _, in := range a.sessionDataChan {
		if isHandOff(in) {
			untold++
		}
	}
	if untold == 0 || untold != len(a.parted.takers) {
		return nil
	}
	a.sessionDataChan = slices.DeleteFunc(a.sessionDataChan, isHandOff)
	return a.takers()
}

// takeAfter takes out of the mailbox what is sent after the life that goes on. a.mu is held.
func (a *actor) takeAfter() (taken []sess.Input) {
	var rest []sess.Input
	for _, in := range a.sessionDataChan {
		if goesAfter(in) {
			taken = append(taken, in)
		} else {
			rest = append(rest, in)
		}
	}
	a.sessionDataChan, a.waiting, a.pushesLost = rest, load{}, false
	return taken
}

// succeed puts another actor in the place of a, with the life that the key had on another
// node, and with what waits for it. a answers what it has in flight, and ends.
func (a *actor) succeed(st *session.KeyState) {
	m := a.m
	next := &actor{m: m, key: a.key, arriving: true, epoch: m.o.Cluster.Epoch(), early: m.o.Cluster.Converging()}
	a.mu.Lock()
	if !m.replace(a, next) { // it has been let go meanwhile
		a.mu.Unlock()
		a.resolve(nil, ErrNoAnswer)
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
	next.arrive(st, nil)
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

// goesAfter reports whether an input is for the life of a key wherever that is, and not for
// what the node itself did in another one.
func goesAfter(in sess.Input) bool {
	_, lost := in.(*sess.PushesLost)
	return lost || forAnother(in)
}

// forNext is goesAfter for a life that goes on here. It is for that also if the sessions of a
// temp key were bound to the key: the client's next packet would begin them anew there, and
// what they have done be done again.
func forNext(in sess.Input) bool {
	_, adopts := in.(*sess.Adopt)
	return adopts || goesAfter(in)
}
