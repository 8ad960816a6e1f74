package runloop

import (
	"errors"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// MovedError says that another node has the key now. This node knows that from the other
// one itself; the ring may not say so yet on all nodes.
type MovedError struct{ To string }

func (e *MovedError) Error() string { return "MOVED_TO_" + e.To }

// ErrNoAnswer says that a node gave no answer whether it has a key.
var ErrNoAnswer = errors.New("NO_ANSWER")

// awayTime is how long a key that has moved is known here: for outcomes of calls and
// packets that are still on their way, and for a node that asks a second time, since
// it has got no answer.
const awayTime = time.Minute

// taker is a node that has asked for a key.
type taker struct {
	node string
	id   uint64 // of its attempt to get the key
	done func(*session.KeyState)
}

// departure is the state of a key's move to another node. Most keys never move.
type departure struct {
	takers  []taker           // who asked for the key and has no answer yet
	late    []sess.Input      // inputs from outside since the HandOff, for the node that gets the key
	kept    load              // items and bytes of late
	given   *session.KeyState // what that node got; nil: nothing yet
	givenTo taker
}

// HandOver gives a perm key to another node, as soon as nothing is asked of
// authsession any more for its sake. done hears once what there is of it; nil: nothing.
// From then on what comes for the key is sent after it. A node that asks again in the
// same attempt, by its id, gets the same again: else it would begin with a past that the
// key has outlived elsewhere, and do again what was done there.
func (m *Manager) HandOver(authKeyID int64, node string, id uint64, done func(*session.KeyState)) {
	a := m.find(authKeyID)
	if a == nil || a.unbound {
		done(nil)
		return
	}
	a.mu.Lock()
	if a.parted == nil {
		a.parted = new(departure)
	}
	switch d := a.parted; {
	case d.given != nil: // it is away, or about to be
		var st *session.KeyState
		if d.givenTo.id == id && d.givenTo.node == node {
			st = d.given
		}
		a.mu.Unlock()
		done(st)
		return
	case a.gone || a.heir != 0 || a.leaving || len(d.takers) > 0 && d.takers[0].id != id:
		a.mu.Unlock()
		done(nil)
		return
	default:
		d.takers = append(d.takers, taker{node, id, done})
	}
	var ask []string
	if a.doubted { // what is given away must be the life that goes on
		former := slices.DeleteFunc(m.o.Cluster.Former(authKeyID), func(other string) bool { return other == node })
		ask = a.doubt(former)
	}
	a.comesBack()
	idle := a.add(&sess.HandOff{}) // under the lock that the taker is noted under: turnAway finds both, or neither
	a.mu.Unlock()
	if idle {
		m.o.Spawn.Start(a.runLoop)
	}
	if ask != nil {
		m.o.Cluster.Fetch(authKeyID, ask, true, a.resolve)
	}
}

// takeTakers returns the nodes that asked for the key and have no answer, and leaves none.
func (a *actor) takeTakers() []taker {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.takers()
}

// takers is takeTakers for callers that hold a.mu.
func (a *actor) takers() (takers []taker) {
	if a.parted != nil {
		takers, a.parted.takers = a.parted.takers, nil
	}
	return takers
}

// forAnother reports whether an input comes from outside. Such an input belongs to the
// node that gets the key.
func forAnother(in sess.Input) bool {
	_, data := weight(in)
	return data
}

// keep holds an input back for the node that gets the key. It counts as one in the
// mailbox.
func (a *actor) keep(in sess.Input) {
	bytes, _ := weight(in)
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.parted
	d.late = append(d.late, in)
	d.kept.items++
	d.kept.bytes += bytes
}

// leave gives the key's state to the node that asked, and then the inputs that came
// meanwhile. The actor stays in the map for awayTime: without it, a packet that is still on
// its way here would begin the key anew.
func (a *actor) leave(st *session.KeyState, rest []sess.Input) {
	a.mu.Lock()
	d := a.parted
	takers := d.takers
	if len(takers) == 0 { // it gave way to another life of the key in this moment (succeed)
		a.gone = true
		a.mu.Unlock()
		a.machine = nil
		a.stay()
		for _, in := range rest {
			if forAnother(in) {
				_ = a.m.place(a.key, false, in, true)
			}
		}
		a.m.drained(a)
		return
	}
	d.takers, d.given, d.givenTo = nil, st, takers[0]
	a.online.Store(0) // the other node reports it
	a.mu.Unlock()
	for _, t := range takers {
		t.done(st)
	}
	a.m.wheel.arm(a, a.m.o.Now()+int64(awayTime)) // before isAway holds: an earlier time of the timer must not end the signpost
	var own []sess.Input
	a.passOn(slices.Concat(d.late, rest), func(in sess.Input) {
		if forAnother(in) && a.m.o.Cluster.Keeps(a.key) {
			own = append(own, in)
			return
		}
		a.m.sendAfter(a.key, d.givenTo.node, in)
	}, func() {
		d.late, d.kept = nil, load{}
		a.apart.Store(true)
	})
	a.machine, a.done = nil, false
	a.held.Store(0)
	if !a.flies() {
		a.m.drained(a)
	}
	// The ring has given the key back meanwhile, for instance because the node that asked
	// for it has left. These inputs wait until the key comes back from there.
	for _, in := range own {
		_ = a.m.place(a.key, false, in, true) // what is owed is not refused
	}
}

// stay ends the departure of an actor that does not give its key away after all, since
// another actor has its place in the map. That actor gets the inputs that were kept for
// the node that asked.
func (a *actor) stay() {
	a.mu.Lock()
	var late []sess.Input
	if d := a.parted; d != nil {
		late, d.late, d.kept = d.late, nil, load{}
	}
	a.mu.Unlock()
	a.parting = false
	for _, in := range late {
		_ = a.m.place(a.key, false, in, true) // what is owed is not refused
	}
}

// sendAfter sends an input after a key. The reader of an HTTP request gets an empty
// answer: its client asks again, and is led to the other node. That updates were lost here
// is told by the node that has the key.
func (m *Manager) sendAfter(key int64, to string, in sess.Input) {
	switch in := in.(type) {
	case *sess.PushesLost:
		m.o.Cluster.OnGap(key)
		return
	case *sess.Announced:
		if in.Lost { // this node has renewed the entry: the other will not find it missing
			m.o.Cluster.OnGap(key)
		}
		return
	case *sess.Data:
		if in.HTTP != 0 {
			m.Slots.answer(in.HTTP, nil)
			return
		}
	}
	m.o.Cluster.SendAfter(key, to, in)
}

// follow is put for a key that another node has. An input that is owed, or that tells of
// something that this node did itself, is sent to that node. Any other is refused with the
// node's name, and the caller sends it there.
func (m *Manager) follow(a *actor, in sess.Input, owed bool) error {
	if owed || !forAnother(in) {
		m.sendAfter(a.key, a.awayTo(), in)
		return nil
	}
	return &MovedError{a.awayTo()}
}

// isBack reports whether the ring has given a key back that another node has. Then the
// signpost goes, so that the next input makes an actor, which asks that node for the key.
func (m *Manager) isBack(a *actor) bool {
	back := m.o.Cluster.Keeps(a.key)
	if back {
		m.forget(a)
	}
	return back
}

// Expect asks for a key that is not here, and that another node may have: updates or word of
// a closed connection came for it, and a client that only listens, or is gone, says nothing
// that would bring the key here. It reports whether there is something now to give them to;
// if nobody had the key, updates are Homeless, and of its connections none is left.
func (m *Manager) Expect(authKeyID int64) bool {
	former := m.o.Cluster.Former(authKeyID)
	if len(former) == 0 {
		return false
	}
	a, made := m.create(authKeyID, false, true)
	if made {
		m.o.Cluster.Fetch(authKeyID, former, false, a.arriveOrAsk)
	}
	return true
}

// Arrive begins with a key that another node offers: fetch asks that node for it, and
// waits. One that is here already, and lives anew, keeps the life that it has: what the
// other node had is let go, and the client told to fetch what it may have missed there.
// If the key is doubted, it is the other life that goes on (Missed).
func (m *Manager) Arrive(authKeyID int64, from string, fetch func() (st *session.KeyState, err error)) {
	if a := m.find(authKeyID); a != nil && a.isAway() {
		m.forget(a)
	}
	a, made := m.create(authKeyID, false, true)
	switch {
	case made:
		a.arriveOrAsk(fetch())
	case a.isDoubted(from):
		a.resolve(fetch())
	case !a.isArriving():
		if st, _ := fetch(); st != nil {
			m.Owe(authKeyID, &sess.PushesLost{})
		}
	}
}

// stray is for how long after a key has come updates may have gone to the node that had it
// before: status names that node until it is told otherwise, and sync pushes to it. One that
// is gone leaves the ring when its lease in etcd has run out, which takes 10 s.
const stray = 15 * time.Second

// NodesGone says that nodes have left the ring. What was pushed to one that crashed is lost,
// also for keys that had just moved from it to this node: their clients are told.
func (m *Manager) NodesGone(nodes []string) {
	since := m.o.Now() - int64(stray)
	for _, a := range m.all() {
		if a.cameFrom(nodes, since) {
			m.Owe(a.key, &sess.PushesLost{})
		}
	}
}

// cameFrom reports whether a key has come from one of some nodes after a time.
func (a *actor) cameFrom(nodes []string, since int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.origin != nil && a.origin.came > since && slices.Contains(nodes, a.origin.node)
}

// origin is where a key came from.
type origin struct {
	node string // that status may still name
	came int64  // when, Unix nanoseconds
}

// imported is the machine of a key's state; nil: there is none that can be read.
func (a *actor) imported(st *session.KeyState) (machine Machine) {
	if st == nil || a.m.o.Import == nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			a.panicked("handover", r)
			machine = nil
		}
	}()
	machine, err := a.m.o.Import(a.key, st)
	if err != nil {
		a.m.faults.line("handover", "-").Errorf("auth key %d: %v", a.key, err)
		return nil
	}
	return machine
}

// arrive begins with what another node had of the key; nil: anew. Where a node gave no
// answer, or one that cannot be read, or updates were let go before the key came, the
// client may have missed something. A key that has moved does not begin here: what waits
// for it is sent after it.
func (a *actor) arrive(st *session.KeyState, err error) { a.begin(st, err, false) }

// arriveOrAsk is arrive for a key that no client waited for: if that has changed meanwhile,
// and a node gave no answer, nodes are asked once more, with patience.
func (a *actor) arriveOrAsk(st *session.KeyState, err error) { a.begin(st, err, true) }

func (a *actor) begin(st *session.KeyState, err error, hasty bool) {
	machine := a.imported(st)
	moved := new(MovedError)
	var former []string
	if hasty && err != nil {
		former = a.m.o.Cluster.Former(a.key)
	}
	a.mu.Lock()
	switch {
	case machine != nil:
		a.origin = &origin{st.GetOnlineNode(), a.m.o.Now()}
		first := []sess.Input{&sess.Arrived{}}
		if a.m.o.Cluster.TakeLost(a.key) {
			first = append(first, &sess.PushesLost{})
		}
		a.sessionDataChan = append(first, a.sessionDataChan...)
	case errors.As(err, &moved):
		waiting := a.withdraw()
		a.mu.Unlock()
		for _, in := range waiting { // before the next input may come
			a.m.sendAfter(a.key, moved.To, in)
		}
		a.leaveMap()
		if a.m.o.Cluster.TakeLost(a.key) {
			a.m.o.Cluster.OnGap(a.key)
		}
		return
	case a.nothingBegins():
		waiting := a.withdraw()
		a.mu.Unlock()
		a.leaveMap()
		for _, in := range waiting {
			switch in.(type) {
			case *sess.HandOff, *sess.ConnClosed:
			case *sess.PushesLost:
				a.m.o.Cluster.OnGap(a.key)
			default:
				a.m.o.Cluster.Homeless(a.key, in)
			}
		}
		return
	case hasty && err != nil && len(former) > 0:
		a.mu.Unlock()
		a.m.o.Cluster.Fetch(a.key, former, true, a.arrive)
		return
	default:
		machine = a.m.o.New(a.key, false)
		if a.m.o.Cluster.TakeLost(a.key) || err != nil || st != nil {
			a.sessionDataChan = append(a.sessionDataChan, &sess.PushesLost{})
		}
	}
	a.machine, a.arriving = machine, false
	idle := a.rouse()
	a.mu.Unlock()
	if idle {
		a.m.o.Spawn.Start(a.runLoop)
	}
}

// withdraw ends an actor that has not begun, and returns what waits for it. a.mu is held.
func (a *actor) withdraw() (waiting []sess.Input) {
	waiting, a.sessionDataChan, a.gone = a.sessionDataChan, nil, true
	return waiting
}

// leaveMap takes an actor that was withdrawn out of the map.
func (a *actor) leaveMap() {
	a.m.forget(a)
	for _, t := range a.takeTakers() {
		t.done(nil)
	}
	a.m.drained(a) // it may have been let go, or asked to drain, while it waited
}

// nothingBegins reports whether nothing waits for a key that it would begin for: nothing but
// updates, word of some that were let go, word of closed connections, and nodes that asked for
// it. a.mu is held.
func (a *actor) nothingBegins() bool {
	for _, in := range a.sessionDataChan {
		switch in.(type) {
		case *sess.PushesLost, *sess.ConnClosed, *sess.HandOff:
		default:
			if !sess.IsPush(in) {
				return false
			}
		}
	}
	return true
}

func isHandOff(in sess.Input) bool {
	_, ok := in.(*sess.HandOff)
	return ok
}

// Foreign are the perm keys that another node owns, as owned has it, and that are
// still here.
func (m *Manager) Foreign(owned func(authKeyID int64) bool) (keys []int64) {
	for _, a := range m.all() {
		if !a.unbound && !owned(a.key) && !a.isAway() {
			keys = append(keys, a.key)
		}
	}
	return keys
}

func (a *actor) isAway() bool { return a.apart.Load() }

// awayTo is the node that has the key of an actor that is away.
func (a *actor) awayTo() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.parted.givenTo.node
}

func (a *actor) isArriving() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.arriving
}

// flies reports whether calls are under way whose outcome is sent after the key.
func (a *actor) flies() bool { return a.isAway() && a.flying.Load() > 0 }
