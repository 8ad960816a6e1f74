package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/interface/session/internal/clock"
	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// Cluster is the other nodes as one node sees them: who owns a key, how a request
// gets there, and what becomes of a key that moves. It is safe for concurrent use.
type Cluster struct {
	*Members

	// Lease is set before Join; nil: the node stays on the ring of all others.
	Lease Lease

	// Set by Join.
	Nodes  *Nodes
	Parked *Parking

	o       Options
	keys    Keys
	fetches *lane.Pool // keys on their way here that somebody waits for
	offers  *lane.Pool // and keys that were offered
	moving  lane.Busy
	pauses  pauses
	lost    losses      // of this node's keys
	untold  losses      // of other nodes' keys
	tells   atomic.Bool // tellOwners is due

	converged atomic.Uint32 // the last epoch that has lasted for ReleaseAfter

	mu       sync.Mutex
	cancel   func() // of what is due when the ring has converged
	timers   map[*due]struct{}
	closed   bool              // nothing is scheduled any more
	attempts map[int64]attempt // to get keys, by the perm key; lostKeys at most
	silent   map[string]int64  // until when nodes are not asked that did not answer, Unix nanoseconds

	converging sync.Mutex
	busy       sync.WaitGroup
}

// Options of a cluster.
type Options struct {
	// ReleaseAfter is how long the ring must not change until a node lets go of
	// the keys that it does not own any more: nodes hear of a change within that
	// time, and a node that comes and goes at once costs nobody's state.
	ReleaseAfter time.Duration
	// PeerTimeout bounds a call to another node.
	PeerTimeout time.Duration
	// App and Token are what other nodes show. No Token: nodes are known by their
	// addresses (Hop).
	App, Token string
	// Dial makes a connection to a node and does not wait.
	Dial func(addr string) (Conn, error)
	// Spawn starts what sends requests on; nil: goroutines.
	Spawn lane.Spawn
	// Later runs what is due in a while; nil: timers.
	Later Later
	// Now is the time by which Later waits, Unix nanoseconds; nil: package clock.
	Now func() int64
	// Sleep waits; nil: by a timer.
	Sleep func(time.Duration)
	// Rand names what must not be taken for something else; nil: crypto/rand.
	Rand io.Reader
}

// Keys are the keys that a node has in memory: runloop.Manager.
type Keys interface {
	// Release lets go of keys, and says how many of them were there.
	Release(keys []int64) int
	// Converged is called when the nodes agree about who owns a key.
	Converged()
	// Owe gives an input to a key, if it is in memory. It is never refused.
	Owe(authKeyID int64, in sess.Input) (known bool)
	// Expect asks other nodes for a key that is not here. It reports whether there is
	// something to give inputs to.
	Expect(authKeyID int64) bool
	// Foreign are the keys in memory that are not owned.
	Foreign(owned func(authKeyID int64) bool) []int64
	// Arrive begins with a key that another node has offered.
	Arrive(authKeyID int64, from string, fetch func() (st *session.KeyState, err error))
	// NodesGone says that nodes have left the ring.
	NodesGone(nodes []string)
	// Missed says that the others have not seen this node for a time.
	Missed()
}

const (
	fetchers   = 64      // keys that are fetched at a time
	maxFetches = 1 << 20 // and that wait for it
)

// New makes the cluster of one node, whose published host:port is self.
func New(self string) *Cluster {
	return &Cluster{Members: NewMembers(self), pauses: pauses{now: clock.Now}, timers: map[*due]struct{}{}, attempts: map[int64]attempt{}, silent: map[string]int64{}}
}

// Join readies the node for other nodes, and for keys that move from now on. It is
// called once, before Follow and Update.
func (c *Cluster) Join(keys Keys, o Options) {
	if o.Later == nil {
		o.Later = c.later
	}
	if o.Now != nil {
		c.Members.now, c.hosts.now = o.Now, o.Now
	}
	if o.Sleep == nil {
		o.Sleep = func(d time.Duration) { <-time.After(d) }
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	c.keys, c.o = keys, o
	c.fetches = lane.NewPool(fetchers, maxFetches, &c.moving)
	c.offers = lane.NewPool(fetchers, maxFetches, &c.moving)
	c.fetches.Spawn, c.offers.Spawn = o.Spawn, o.Spawn
	c.Nodes = NewNodes(o.Dial, o.Spawn)
	c.Parked = NewParking(c.Owner, o.ReleaseAfter, o.Later)
	c.OnChange(c.changed)
}

// changed is called after each change of the ring.
func (c *Cluster) changed(ring *Ring) {
	epoch := c.Epoch()
	c.mu.Lock()
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	cancel = c.schedule(c.o.ReleaseAfter, func() { c.converge(epoch) })
	c.mu.Lock()
	c.cancel = cancel
	c.mu.Unlock()
	// A node that has left drains, and is asked for its keys. The nodes of this moment's ring
	// are left alone by the timers of earlier changes, too, since each looks at its own time.
	c.schedule(farewell, func() { c.Nodes.Keep(c.hasHad) })
	c.Nodes.Renew(ring.Nodes()) // before anything is sent to one that has just come
	c.Parked.Reroute()
	if gone := slices.DeleteFunc(c.before(), ring.Has); len(gone) > 0 {
		c.keys.NodesGone(gone)
	}
}

// due is something that is due in a while.
type due struct{ cancel func() }

// schedule is Options.Later for what is called off when the node stops. The timer is made
// and noted under one lock: StopMoves would not know of one that is made beside it, and
// wait for all of its time.
func (c *Cluster) schedule(d time.Duration, f func()) (cancel func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return func() {}
	}
	t := new(due)
	end := func() {
		c.mu.Lock()
		delete(c.timers, t)
		c.mu.Unlock()
	}
	stop := c.o.Later(d, func() {
		end()
		f()
	})
	t.cancel = func() {
		end()
		stop()
	}
	c.timers[t] = struct{}{}
	return t.cancel
}

// later runs f in d, unless it is called off before.
func (c *Cluster) later(d time.Duration, f func()) (cancel func()) {
	c.busy.Add(1)
	t := time.AfterFunc(d, func() {
		defer c.busy.Done()
		f()
	})
	return func() {
		if t.Stop() {
			c.busy.Done()
		}
	}
}

// converge offers the keys that other nodes own to them, a while after the last
// change. Until then such a key gets nothing new here, and status hears nothing
// of it.
func (c *Cluster) converge(epoch uint32) {
	c.converging.Lock()
	defer c.converging.Unlock()
	c.release()
	c.lostElsewhere()
	c.converged.Store(epoch) // before the keys are told: one that comes meanwhile came late enough
	if !c.Left() {
		c.keys.Converged()
	}
}

// Converging reports whether nodes may disagree about who owns a key, because the
// ring has changed a moment ago.
func (c *Cluster) Converging() bool { return c.converged.Load() != c.Epoch() }

// release offers the keys that the ring of this moment gives to other nodes to them.
func (c *Cluster) release() {
	ring, self := c.Ring(), c.Self()
	keys := c.keys.Foreign(func(key int64) bool { return ring.Owner(key) == self })
	if len(keys) == 0 {
		return
	}
	metrics.Released.Add(float64(len(keys)))
	logx.Infof("%d keys move to other nodes", len(keys))
	c.offer(keys)
}

// HandOverAll waits until all keys have gone to the nodes that own them, when this
// node has left the ring, or until ctx is done.
func (c *Cluster) HandOverAll(ctx context.Context) {
	const least = 20 * time.Millisecond
	for c.Left() {
		began := time.Now()
		if len(c.keys.Foreign(c.Owns)) == 0 {
			return
		}
		pause := time.NewTimer(max(least, 4*time.Since(began))) // of a million keys a look takes a while
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// Owns reports whether this node owns a perm key.
func (c *Cluster) Owns(permAuthKeyID int64) bool {
	_, mine := c.Owner(permAuthKeyID)
	return mine
}

// Keeps reports whether this node owns a key and is sure of it. Where the others may have
// been told that it is gone, they know more of the ring than it does: its own stays as it
// was while it cannot reach etcd. Then it gives a key to the node that asks for it.
func (c *Cluster) Keeps(permAuthKeyID int64) bool {
	return c.Owns(permAuthKeyID) && (c.Lease == nil || !c.Lease.Overdue())
}

// Successor is the owner of a key, once this node has left the ring: it begins with no key
// any more. Else it is empty.
func (c *Cluster) Successor(permAuthKeyID int64) string {
	if !c.Left() {
		return ""
	}
	owner, _ := c.Owner(permAuthKeyID)
	return owner
}

// SendOn makes a request of size bytes on another node, in the order of the
// key's requests, and calls done once, then or later.
func (c *Cluster) SendOn(permAuthKeyID int64, size int, owner string, done func(error), call Call) {
	err := c.Nodes.InOrder(owner, permAuthKeyID, size, func(node session.RPCSessionClient) {
		ctx, cancel := context.WithTimeout(SendForwarded(context.Background()), c.o.PeerTimeout)
		defer cancel()
		done(call(ctx, node))
	})
	if errors.Is(err, ErrFull) {
		err = runloop.ErrDataChannelFull
	}
	if err != nil {
		done(err)
	}
}

// updatesTooLong is an mtproto.Updates by its predicate_name (PEERS.md, "Objects").
var updatesTooLong = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "updatesTooLong")

// OnGap has the client of a key that was let go told to fetch updates, by the
// node that has it now: this one took some for it before it heard of that
// node, and they may not have arrived.
func (c *Cluster) OnGap(permAuthKeyID int64) {
	c.Park(permAuthKeyID, &sess.PushUpdates{Updates: updatesTooLong})
}

// Introduce tells the node that takes a key over of the sessions that updates of
// the key go to. It announces the key, and reaches the client, before that says
// anything; else an idle one would hear of nothing until its next ping. Where
// it fails, the client is told when it comes.
func (c *Cluster) Introduce(permAuthKeyID int64, sessions []sess.ConnNew) {
	owner, mine := c.Owner(permAuthKeyID)
	if mine {
		return
	}
	for i := range sessions {
		call, _ := Request(permAuthKeyID, &sessions[i])
		c.Nodes.Beside(owner, func(node session.RPCSessionClient) {
			ctx, cancel := context.WithTimeout(Introducing(SendForwarded(context.Background())), c.o.PeerTimeout)
			defer cancel()
			_ = call(ctx, node)
		})
	}
}

// LeaveRing takes a node that stops off its ring: what still comes, and what
// it kept for keys that are not here, is for the others.
func (c *Cluster) LeaveRing() {
	c.Leave()
	if c.Left() {
		c.release()
	}
	c.Parked.Reroute()
	c.lostElsewhere()
	c.tell(lostKeys)
}

// SendLast sends what waits for other nodes once more, when this node is about to end: pushes
// that did not arrive, and word of updates that were let go.
func (c *Cluster) SendLast() {
	c.Parked.Reroute()
	c.tell(lostKeys)
}

// StopMoves forgets what is still to be done about keys that moved.
func (c *Cluster) StopMoves() {
	c.pauses.close()
	c.Members.Close()
	c.mu.Lock()
	c.closed = true
	timers := slices.Collect(maps.Keys(c.timers))
	c.mu.Unlock()
	for _, t := range timers {
		t.cancel()
	}
	if c.Parked != nil {
		c.Parked.Close()
	}
	c.busy.Wait()
}

// Rejoin is for when the others have not seen this node for a time, and do now or will in
// a moment: for that time its keys were theirs.
func (c *Cluster) Rejoin() {
	c.rejoin()
	c.keys.Missed()
}

// Close closes the connections to other nodes.
func (c *Cluster) Close() {
	if c.Nodes != nil {
		c.Nodes.Close()
		c.moving.Wait()
	}
}
