package runloop

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// ErrDataChannelFull says that the mailbox of an auth key holds all it may:
// the item was not taken, and whoever sent it is to be told.
var ErrDataChannelFull = errors.New("SESSION_DATA_CHANNEL_FULL")

// Machine is the state of one auth key: sess.MainAuthWrapper.
type Machine interface {
	Step(now, wall int64, in sess.Input, out *sess.Effects)
}

// Options is what actors work with. All functions are called from many
// goroutines.
type Options struct {
	New func(authKeyID int64, unbound bool) Machine

	// Send queues a packet for a gateway; Notify tells the status service.
	// Neither blocks. The key is that of the actor.
	Send   func(authKeyID int64, s sess.Send)
	Notify func(r sess.Request)

	// Execute runs a call and returns what its CallDone carries. It may take
	// its time, but not forever.
	Execute func(r sess.Request) (sess.Result, *sess.RPCError)

	// Owns reports whether this node owns a perm key.
	Owns func(authKeyID int64) bool
	// Back reports whether this node owns a perm key again that was another's
	// since the ring had the number last, and returns what number to ask with
	// next; Serial is the number of now. nil: no key ever moves.
	Back   func(authKeyID int64, last uint32) (seen uint32, back bool)
	Serial func() uint32
	// Unsettled reports whether nodes may disagree about who owns a key; Settle
	// is called when they no longer do. nil: they never do.
	Unsettled func() bool

	// Present hears of the sessions that updates of a key go to, when the key
	// is let go or the node is about to stop (sess.Effects). It does not block.
	// nil: nobody does.
	Present func(authKeyID int64, sessions []sess.ConnNew)
	// Behind hears of a key that another node owns now and that is let go with
	// updates which its client may not have. nil: nobody does.
	Behind func(authKeyID int64)

	// Now is the time by which everything waits, Unix nanoseconds; it must not go
	// back. Wall is what the machine's clock says; nil: Now.
	Now  func() int64
	Wall func() int64

	Spawn lane.Spawn // starts runLoops and calls; nil: goroutines

	MailboxItems int // data items waiting for one key
	MailboxBytes int // their bytes
	CallLimit    int // API calls under way on the node; as many again may wait
	CallBytes    int // bytes of both, as far as they are not small; 0: without a bound
	PeerLimit    int // the same for calls to authsession
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
	m := &Manager{
		Slots: newSlots(),
		o:     o,
		wheel: newWheel(o.Now()),
	}
	m.rpcQueue = lane.NewPool(o.CallLimit, o.CallLimit, &m.busy)
	m.callRoom = lane.NewRoom(o.CallBytes)
	m.peers = lane.NewPool(o.PeerLimit, 4*o.PeerLimit, &m.busy)
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
		ticker := time.NewTicker(wheelTick)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				m.Advance()
			}
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
		case moved: // a signpost; one that has just been set up stays
			if a.timer.wakeAt.Load() <= now {
				m.forget(a)
			}
		case gone: // a race with its end
			m.forget(a)
		}
	}
}

// Post gives an input to the actor of a key, which it makes when there is
// none. unbound says that the key is a temp key of its own.
func (m *Manager) Post(authKeyID int64, unbound bool, in sess.Input) error {
	if !m.put(authKeyID, unbound, in, false) {
		return ErrDataChannelFull
	}
	return nil
}

func (m *Manager) put(authKeyID int64, unbound bool, in sess.Input, owed bool) bool {
	if d, ok := in.(*sess.Data); ok && !unbound && d.AuthKeyID != authKeyID {
		// It must not overtake the sessions of its temp key, which come when
		// what was called before the key was bound is answered.
		if a := m.find(d.AuthKeyID); a != nil && a.leavesTo(authKeyID, d) {
			switch a.put(in, owed) {
			case posted:
				return true
			case full:
				return false
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

// place is put for what may not wait for a handover, or is part of one.
func (m *Manager) place(authKeyID int64, unbound bool, in sess.Input, owed bool) bool {
	for {
		switch a := m.obtain(authKeyID, unbound); a.put(in, owed) {
		case posted:
			return true
		case full:
			return false
		case moved:
			return m.inherit(a.heir, in, owed)
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
	known, taken := m.tell(authKeyID, in, false)
	if known && !taken {
		err = ErrDataChannelFull
	}
	return known, err
}

// Owe is Tell for what the node has answered for already: it is never refused.
func (m *Manager) Owe(authKeyID int64, in sess.Input) (known bool) {
	known, _ = m.tell(authKeyID, in, true)
	return known
}

func (m *Manager) tell(authKeyID int64, in sess.Input, owed bool) (known, taken bool) {
	for {
		a := m.find(authKeyID)
		if a == nil {
			return false, false
		}
		switch a.put(in, owed) {
		case posted:
			return true, true
		case full:
			return true, false
		case moved:
			return true, m.inherit(a.heir, in, owed)
		}
	}
}

// Counted returns how often something happened since it was last asked.
func (m *Manager) Counted(what sess.Counter) int64 { return m.counts[what].Swap(0) }

// Count returns how many keys are in memory.
func (m *Manager) Count() (n int) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.RLock()
		n += len(s.actors)
		s.mu.RUnlock()
	}
	return n
}

// Timers returns how many keys wait on the timing wheel. It looks at all of
// it.
func (m *Manager) Timers() int { return m.wheel.hung() }

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
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actors[key]
	if a == nil {
		a = &actor{m: m, key: key, unbound: unbound, machine: m.o.New(key, unbound)}
		if m.o.Serial != nil {
			a.ring = m.o.Serial()
		}
		a.early = m.o.Unsettled != nil && !unbound && m.o.Unsettled()
		s.actors[key] = a
	}
	return a
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
// it has no answer to. False: the heir's mailbox is full, and nothing is owed.
func (m *Manager) inherit(heir int64, in sess.Input, owed bool) bool {
	d, isData := in.(*sess.Data)
	if !m.o.Owns(heir) {
		if isData && d.HTTP != 0 {
			m.Slots.answer(d.HTTP, nil)
		}
		return true
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
