package cluster

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/protobuf/encoding/protowire"

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

	// Set by Join.
	Nodes  *Nodes
	Parked *Parking

	o    Options
	keys Keys

	converged atomic.Uint32 // the last epoch that has lasted for ReleaseAfter

	mu     sync.Mutex
	cancel func()

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
}

// Keys are the keys that a node has in memory: runloop.Manager.
type Keys interface {
	// Release lets go of the keys that are not owned, and says how many they were.
	Release(owned func(authKeyID int64) bool) int
	// Converged is called when the nodes agree about who owns a key.
	Converged()
	// Owe gives an input to a key, if it is in memory. It is never refused.
	Owe(authKeyID int64, in sess.Input) (known bool)
}

// New makes the cluster of one node, whose published host:port is self.
func New(self string) *Cluster { return &Cluster{Members: NewMembers(self)} }

// Join readies the node for other nodes, and for keys that move from now on. It is
// called once, before Follow and Update.
func (c *Cluster) Join(keys Keys, o Options) {
	if o.Later == nil {
		o.Later = c.later
	}
	if o.Now != nil {
		c.hosts.now = o.Now
	}
	c.keys, c.o = keys, o
	c.Nodes = NewNodes(o.Dial, o.Spawn)
	c.Parked = NewParking(c.Owner, o.ReleaseAfter, o.Later)
	c.OnChange(c.changed)
}

// changed is called after each change of the ring.
func (c *Cluster) changed(now *Ring) {
	c.Nodes.Keep(now.Has)
	epoch := c.Epoch()
	c.mu.Lock()
	if c.cancel != nil {
		c.cancel()
	}
	c.cancel = c.o.Later(c.o.ReleaseAfter, func() { c.converge(epoch) })
	c.mu.Unlock()
	c.Parked.Reroute()
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

// converge lets go of the keys that other nodes own, a while after the last
// change. Until then such a key gets nothing new here, and status hears nothing
// of it.
func (c *Cluster) converge(epoch uint32) {
	c.converging.Lock()
	defer c.converging.Unlock()
	c.release()
	c.converged.Store(epoch) // before the keys are told: one that comes meanwhile came late enough
	if !c.Left() {
		c.keys.Converged()
	}
}

// Converging reports whether nodes may disagree about who owns a key, because the
// ring has changed a moment ago.
func (c *Cluster) Converging() bool { return c.converged.Load() != c.Epoch() }

// release lets go of the keys that the ring of this moment gives to other nodes. A
// node that has left the ring releases nothing: it drains.
func (c *Cluster) release() {
	ring, self := c.Ring(), c.Self()
	if c.Left() {
		return
	}
	if released := c.keys.Release(func(key int64) bool { return ring.Owner(key) == self }); released > 0 {
		metrics.Released.Add(float64(released))
		logx.Infof("%d keys moved to other nodes", released)
	}
}

// Owns reports whether this node owns a perm key.
func (c *Cluster) Owns(permAuthKeyID int64) bool {
	_, mine := c.Owner(permAuthKeyID)
	return mine
}

// SendOn makes a request of size bytes on another node, in the order of the
// key's requests, and calls done once, then or later.
func (c *Cluster) SendOn(permAuthKeyID int64, size int, owner string, done func(error),
	call func(context.Context, session.RPCSessionClient) error,
) {
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
	in := &session.TLSessionPushUpdatesData{PermAuthKeyId: permAuthKeyID, Updates: updatesTooLong}
	c.Parked.Keep(Push{
		Key: permAuthKeyID, Size: len(updatesTooLong),
		Deliver: func() bool { return c.keys.Owe(permAuthKeyID, &sess.PushUpdates{Updates: updatesTooLong}) },
		SendOn: func(owner string, done func(error)) {
			c.SendOn(permAuthKeyID, len(updatesTooLong), owner, done, func(ctx context.Context, node session.RPCSessionClient) error {
				_, err := node.SessionPushUpdatesData(ctx, in)
				return err
			})
		},
	})
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
		p := &sessions[i]
		in := &session.TLSessionCreateSession{Client: &session.SessionClientEvent{
			PredicateName: "sessionClientEvent", ServerId: p.ServerID, AuthKeyId: p.AuthKeyID, KeyType: int32(p.KeyType),
			PermAuthKeyId: permAuthKeyID, SessionId: p.SessionID, ClientIp: p.ClientIP,
		}}
		c.Nodes.Beside(owner, func(node session.RPCSessionClient) {
			ctx, cancel := context.WithTimeout(Introducing(SendForwarded(context.Background())), c.o.PeerTimeout)
			defer cancel()
			_, _ = node.SessionCreateSession(ctx, in)
		})
	}
}

// LeaveRing takes a node that stops off its ring: what still comes, and what
// it kept for keys that are not here, is for the others.
func (c *Cluster) LeaveRing() {
	c.release()
	c.Leave()
	c.Parked.Reroute()
}

// StopMoves forgets what is still to be done about keys that moved.
func (c *Cluster) StopMoves() {
	c.Members.Close()
	c.mu.Lock()
	if c.cancel != nil {
		c.cancel()
	}
	c.mu.Unlock()
	if c.Parked != nil {
		c.Parked.Close()
	}
	c.busy.Wait()
}

// Close closes the connections to other nodes.
func (c *Cluster) Close() {
	if c.Nodes != nil {
		c.Nodes.Close()
	}
}
