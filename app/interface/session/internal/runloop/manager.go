package runloop

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// ErrDataChannelFull says that the mailbox of an auth key holds all it may:
// the item was not taken, and whoever sent it is to be told.
var ErrDataChannelFull error = rpcerr.ErrChannelFull

// Machine is the state of one auth key: sess.MainAuthWrapper.
type Machine interface {
	Step(now, wall int64, in sess.Input, out *sess.Effects)
}

// Cluster is what actors ask of the other nodes: cluster.Cluster. Nothing in it
// blocks.
type Cluster interface {
	// Owns reports whether this node owns a perm key.
	Owns(authKeyID int64) bool
	// Keeps reports whether it does, and is sure of it.
	Keeps(authKeyID int64) bool
	// ReacquiredSince reports whether this node owns a perm key now that some ring after
	// the epoch gave to another node. It returns the epoch to ask with next time.
	ReacquiredSince(authKeyID int64, epoch uint32) (seen uint32, reacquired bool)
	// Successor is the node that a key belongs to which is not in memory here, once this node
	// has left the ring and takes no new key. Before that it is empty.
	Successor(authKeyID int64) string
	// Epoch counts the changes of the ring until now.
	Epoch() uint32
	// Converging reports whether nodes may disagree about who owns a key.
	Converging() bool
	// Introduce is called with the sessions that updates of a key go to, when this node
	// lets the key go or is about to stop (sess.Effects).
	Introduce(authKeyID int64, sessions []sess.ConnNew)
	// OnGap is called when another node has a key, and the client may not have all updates:
	// this node let it go with some left, or has refused some since.
	OnGap(authKeyID int64)

	// Former are the nodes that may have a key in memory which is not here.
	Former(authKeyID int64) []string
	// Fetch asks these nodes for the key, one after the other. It calls done once, with
	// what one of them had (nil: nothing), or with ErrNoAnswer or a *MovedError: one of
	// them has the key, and is its owner. If patient, a node that has yet to hear of the
	// ring's last change is asked until it must have.
	Fetch(authKeyID int64, from []string, patient bool, done func(st *session.KeyState, err error))
	// SendAfter sends an input to the node that a key has moved to. Inputs that mean
	// nothing on another node are dropped.
	SendAfter(authKeyID int64, to string, in sess.Input)
	// Homeless is called with updates for a key that no node had in memory.
	Homeless(authKeyID int64, in sess.Input)
	// TakeLost reports whether updates for a key were let go while it was not in memory, and
	// forgets that.
	TakeLost(authKeyID int64) bool
}

// alone is the cluster of a node that owns every key.
type alone struct{}

func (alone) Owns(int64) bool                                             { return true }
func (alone) Keeps(int64) bool                                            { return true }
func (alone) ReacquiredSince(int64, uint32) (uint32, bool)                { return 0, false }
func (alone) Successor(int64) string                                      { return "" }
func (alone) Epoch() uint32                                               { return 0 }
func (alone) Converging() bool                                            { return false }
func (alone) Introduce(int64, []sess.ConnNew)                             {}
func (alone) OnGap(int64)                                                 {}
func (alone) Former(int64) []string                                       { return nil }
func (alone) Fetch(int64, []string, bool, func(*session.KeyState, error)) {}
func (alone) SendAfter(int64, string, sess.Input)                         {}
func (alone) Homeless(int64, sess.Input)                                  {}
func (alone) TakeLost(int64) bool                                         { return false }

// Options is what actors work with. All functions are called from many
// goroutines.
type Options struct {
	New func(authKeyID int64, unbound bool) Machine
	// Import makes the machine of a perm key from what another node had of it. Its
	// first input is Arrived. nil: no key ever comes.
	Import func(authKeyID int64, st *session.KeyState) (Machine, error)

	// Send queues a packet for a gateway; Notify tells the status service.
	// Neither blocks. The key is that of the actor.
	Send   func(authKeyID int64, s sess.Send)
	Notify func(r sess.Request)

	// Execute runs a call and returns what its CallDone carries. It may take
	// its time, but not forever.
	Execute func(r sess.Request) (sess.Result, *sess.RPCError)

	// Cluster says which keys are this node's; nil: all, and no key ever moves.
	Cluster Cluster

	// Now is the time by which everything waits, Unix nanoseconds; it must not go
	// back. Wall is what the machine's clock says; nil: Now.
	Now  func() int64
	Wall func() int64

	Spawn lane.Spawn // starts runLoops and calls; nil: goroutines

	MailboxItems int // data items waiting for one key
	MailboxBytes int // their bytes
	CallLimit    int // API calls under way on the node; as many again may wait
	CallBytes    int // bytes of both, as far as they are not small; 0: without a bound
	PeerLimit    int // calls to authsession under way
	PeerQueue    int // such calls that wait for their turn

	EndedSessions int // that are remembered for who watches (Ended); 0: none
}

// Shards is how many parts the keys of a node are kept in (Online).
const Shards = 256

const signpostTime = 30 * time.Second

// Manager holds the actors of a node. It is safe for concurrent use.
type Manager struct {
	Slots *Slots

	o        Options
	wheel    *wheel
	shards   [Shards]shard
	rpcQueue *lane.Pool // calls to BFFs
	callRoom *lane.Room // for what is in rpcQueue
	peers    *lane.Pool // calls to authsession
	busy     lane.Busy  // runLoops, calls and the wheel

	faults   faultLog
	draining drain
	ended    endedSessions
	counts   [sess.Counters]atomic.Int64
}

type shard struct {
	mu     sync.RWMutex
	actors map[int64]*actor
}

// New makes a manager without actors. Start turns its wheel; tests may call
// Advance instead.
func New(o Options) *Manager {
	if o.Wall == nil {
		o.Wall = o.Now
	}
	if o.Cluster == nil {
		o.Cluster = alone{}
	}
	m := &Manager{
		Slots: newSlots(),
		o:     o,
		wheel: newWheel(o.Now()),
	}
	m.ended.ring = make([]Ended, o.EndedSessions)
	m.rpcQueue = lane.NewPool(o.CallLimit, o.CallLimit, &m.busy)
	m.callRoom = lane.NewRoom(o.CallBytes)
	m.peers = lane.NewPool(o.PeerLimit, o.PeerQueue, &m.busy)
	m.rpcQueue.Spawn, m.peers.Spawn = o.Spawn, o.Spawn
	for i := range m.shards {
		m.shards[i].actors = map[int64]*actor{}
	}
	return m
}

// Start turns the timing wheel until ctx is done.
func (m *Manager) Start(ctx context.Context) {
	m.busy.Add()
	go func() {
		defer m.busy.Done()
		timer := time.NewTimer(wheelTick)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
				m.Advance()
			case <-m.wheel.sooner:
			}
			timer.Reset(m.wheel.rest(m.o.Now()))
		}
	}()
}

// Advance wakes the actors whose time has come.
func (m *Manager) Advance() {
	now := m.o.Now()
	m.wake(m.wheel.advance(now), now)
}

func (m *Manager) wake(due []*actor, now int64) {
	for _, a := range due {
		switch a.post(&sess.Tick{}) {
		case moved, away: // a signpost goes when its time is over; the timer may have been set anew meanwhile
			if a.timer.wakeAt.Load() <= now {
				m.forget(a)
			}
		case gone: // it ended in the same moment
			m.forget(a)
		}
	}
}

// Post gives an input to the actor of a key, which it makes when there is
// none. unbound says that the key is a temp key of its own. A key that has moved to
// another node is a *MovedError.
func (m *Manager) Post(authKeyID int64, unbound bool, in sess.Input) error {
	if d, ok := in.(*sess.Data); ok {
		d.Taken = m.o.Wall() / 1e9
	}
	return m.put(authKeyID, unbound, in, false)
}

func (m *Manager) put(authKeyID int64, unbound bool, in sess.Input, owed bool) error {
	if d, ok := in.(*sess.Data); ok && !unbound && d.AuthKeyID != authKeyID {
		// It must not overtake the sessions of its temp key, which come when
		// what was called before the key was bound is answered.
		if a := m.find(d.AuthKeyID); a != nil && a.leavesTo(authKeyID, d) {
			switch a.put(in, owed) {
			case posted:
				return nil
			case full:
				return ErrDataChannelFull
			}
		}
	}
	return m.place(authKeyID, unbound, in, owed)
}

// leavesTo reports whether a temp key hands its sessions over, or has, to the perm key
// that a packet of it is for. It is told to unless a call of its own that binds it is
// under way or has succeeded: the outcome of one may have been lost, though the key was
// bound by it. What is dead has nothing to hand over.
func (a *actor) leavesTo(perm int64, d *sess.Data) bool {
	if !a.unbound || a.dead.Load() {
		return a.binding.Load() > 0
	}
	if a.binding.CompareAndSwap(0, 1) {
		a.put(&sess.Bound{To: perm, KeyType: d.KeyType, Until: d.BoundUntil}, true)
	}
	return true
}

// place is put without the look at the temp key: for inputs that are part of a handover
// themselves, or cannot be overtaken by one.
func (m *Manager) place(authKeyID int64, unbound bool, in sess.Input, owed bool) error {
	for {
		a := m.find(authKeyID)
		if a == nil {
			if successor := m.o.Cluster.Successor(authKeyID); successor != "" && !unbound {
				return &MovedError{successor}
			}
			a = m.obtain(authKeyID, unbound)
		}
		switch a.put(in, owed) {
		case posted:
			return nil
		case full:
			return ErrDataChannelFull
		case moved:
			return m.inherit(a.heir, in, owed)
		case away:
			if !m.isBack(a) {
				return m.follow(a, in, owed)
			}
		}
	}
}

// PostDead is Post for a temp key that is bound to nothing any more: its packets
// do not follow sessions that it had a moment ago, and its calls are refused. Were
// those made that need no login, a packet that somebody recorded while the key was
// bound would have its call made a second time.
func (m *Manager) PostDead(authKeyID int64, in *sess.Data) error {
	if a := m.find(authKeyID); a != nil && a.isSignpost() {
		m.forget(a)
	}
	in.Dead = true
	m.obtain(authKeyID, true).dead.Store(true)
	return m.Post(authKeyID, true, in)
}

// Tell gives an input to the actor of a key, if there is one.
func (m *Manager) Tell(authKeyID int64, in sess.Input) (known bool, err error) {
	return m.tell(authKeyID, in, false)
}

// Owe is Tell for what the node has answered for already: it is never refused.
func (m *Manager) Owe(authKeyID int64, in sess.Input) (known bool) {
	known, _ = m.tell(authKeyID, in, true)
	return known
}

func (m *Manager) tell(authKeyID int64, in sess.Input, owed bool) (known bool, err error) {
	for {
		a := m.find(authKeyID)
		if a == nil {
			return false, nil
		}
		switch a.put(in, owed) {
		case posted:
			return true, nil
		case full:
			return true, ErrDataChannelFull
		case moved:
			return true, m.inherit(a.heir, in, owed)
		case away:
			if !m.isBack(a) {
				return true, m.follow(a, in, owed)
			}
		}
	}
}

// Counted returns how often something happened since it was last asked.
func (m *Manager) Counted(what sess.Counter) int64 { return m.counts[what].Swap(0) }

// Count returns how many keys are in memory, without those that have moved to other
// nodes.
func (m *Manager) Count() (n int) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.RLock()
		for _, a := range s.actors {
			if !a.apart.Load() {
				n++
			}
		}
		s.mu.RUnlock()
	}
	return n
}

// Timers returns how many keys wait on the timing wheel. It looks at all of
// it.
func (m *Manager) Timers() int { return m.wheel.count() }

// Load returns how many API calls run and how many wait for their turn.
func (m *Manager) Load() (running, waiting int) { return m.rpcQueue.Load() }

// CallBytes returns how many bytes those calls have, as far as they are not small.
func (m *Manager) CallBytes() int { return m.callRoom.Held() }

// Wait returns when nothing runs any more: no runLoop, no call, no wheel.
func (m *Manager) Wait() { m.busy.Wait() }

func (m *Manager) shard(key int64) *shard {
	return &m.shards[uint64(key)*0x9e3779b97f4a7c15>>56]
}

func (m *Manager) find(key int64) *actor {
	s := m.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.actors[key]
}

func (m *Manager) obtain(key int64, unbound bool) *actor {
	if a := m.find(key); a != nil {
		return a
	}
	var former []string
	if !unbound {
		former = m.o.Cluster.Former(key)
	}
	a, made := m.create(key, unbound, len(former) > 0)
	if made && len(former) > 0 {
		m.o.Cluster.Fetch(key, former, true, a.arrive)
	}
	return a
}

// create makes the actor of a key, unless there is one. arriving says that another
// node may have the key: what comes waits until that has answered.
func (m *Manager) create(key int64, unbound, arriving bool) (a *actor, made bool) {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if a = s.actors[key]; a != nil {
		return a, false
	}
	a = &actor{m: m, key: key, unbound: unbound, arriving: arriving, epoch: m.o.Cluster.Epoch()}
	a.guest = !unbound && !m.o.Cluster.Keeps(key)
	if a.early = !unbound && m.o.Cluster.Converging(); !arriving {
		a.machine = m.o.New(key, unbound)
	}
	s.actors[key] = a
	return a, true
}

// forget takes a out of the map, unless another has its place already.
func (m *Manager) forget(a *actor) {
	m.wheel.remove(a)
	s := m.shard(a.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.actors[a.key] == a {
		delete(s.actors, a.key)
	}
}

// inherit gives the heir of a temp key what was meant for the temp key. An
// heir that lives on another node gets nothing: the client repeats there what
// it has no answer to.
func (m *Manager) inherit(heir int64, in sess.Input, owed bool) error {
	d, isData := in.(*sess.Data)
	if !m.o.Cluster.Owns(heir) {
		if isData && d.HTTP != 0 {
			m.Slots.answer(d.HTTP, nil)
		}
		return nil
	}
	if isData {
		d.Unbound = false
	}
	return m.place(heir, false, in, owed)
}

// all returns the actors of this moment.
func (m *Manager) all() (actors []*actor) {
	for i := range m.shards {
		actors = m.shards[i].append(actors)
	}
	return actors
}

func (s *shard) append(actors []*actor) []*actor {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, a := range s.actors {
		actors = append(actors, a)
	}
	return actors
}

// Online is a key that status was told is online here, and not since that it is
// not.
type Online struct{ AuthKeyID, UserID int64 }

// Online returns the keys that are online here, of the n shards from first on.
// Beyond the last shard it goes on with the first.
func (m *Manager) Online(first, n int) (online []Online) {
	for i := range n {
		for _, a := range m.shards[(first+i)%Shards].append(nil) {
			if user := a.online.Load(); user != 0 {
				online = append(online, Online{a.key, user})
			}
		}
	}
	return online
}
