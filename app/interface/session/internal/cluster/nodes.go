package cluster

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/proto/session"
)

const (
	forwardLanes = 256      // of each node
	forwardQueue = 1024     // requests waiting in one lane
	forwardBytes = 64 << 20 // that wait for all nodes
	nodeBytes    = 16 << 20 // that wait for one; one request always fits
	forwardExtra = 512      // bytes that a request counts beside its own, which bounds their number
	besideCalls  = 64       // under way that nobody waits for
	besideQueue  = 1 << 20  // waiting
)

// What InOrder answers beside the errors of dialling.
var (
	ErrFull   = errors.New("cluster: too much waits for a session node")
	errClosed = errors.New("cluster: the session nodes are closed")
)

// Nodes calls the other session nodes. What waits for one holds up no other.
// It is safe for concurrent use.
type Nodes struct {
	dial  func(addr string) (Conn, error)
	spawn lane.Spawn
	room  *lane.Room // for the bytes that wait for all
	aside *lane.Pool // for what nobody waits for
	busy  lane.Busy  // counts what waits or is under way

	mu     sync.Mutex
	nodes  map[string]*node
	closed bool
}

// node is the way to one node.
type node struct {
	conn  Conn
	lanes *lane.Lanes
	room  *lane.Room
}

// Conn is a connection to a node: a *grpc.ClientConn.
type Conn interface {
	grpc.ClientConnInterface
	Close() error
}

// NewNodes makes Nodes that are dialled when they are first called; dial must
// not wait. spawn starts what sends requests on; nil: goroutines.
func NewNodes(dial func(addr string) (Conn, error), spawn lane.Spawn) *Nodes {
	n := &Nodes{dial: dial, spawn: spawn, room: lane.NewRoom(forwardBytes), nodes: map[string]*node{}}
	n.aside = lane.NewPool(besideCalls, besideQueue, &n.busy)
	n.aside.Spawn = spawn
	return n
}

// Client is the session service of a node.
func (n *Nodes) Client(addr string) (session.RPCSessionClient, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	to, err := n.node(addr)
	if err != nil {
		return nil, err
	}
	return session.NewRPCSessionClient(to.conn), nil
}

// Peer is what nodes alone ask of a node.
func (n *Nodes) Peer(addr string) (session.SessionNodesClient, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	to, err := n.node(addr)
	if err != nil {
		return nil, err
	}
	return session.NewSessionNodesClient(to.conn), nil
}

// Aside runs f beside all else and in no order, without waiting for it. Where too
// much waits, it does not run.
func (n *Nodes) Aside(f func()) { n.aside.Go(f) }

// InOrder runs f with the session service of a node, after what was given for
// the same node and key before, without waiting for it. f holds on to size
// bytes until then. After an error it does not run: ErrFull when too much
// waits.
func (n *Nodes) InOrder(addr string, authKeyID int64, size int, f func(session.RPCSessionClient)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	to, err := n.node(addr)
	if err != nil {
		return err
	}
	size += forwardExtra
	if !to.room.Take(size) {
		return ErrFull
	}
	if !n.room.Take(size) {
		to.room.Leave(size)
		return ErrFull
	}
	n.busy.Add()
	done := func() {
		to.room.Leave(size)
		n.room.Leave(size)
		n.busy.Done()
	}
	queued := to.lanes.Go(authKeyID, func() {
		defer done()
		f(session.NewRPCSessionClient(to.conn))
	})
	if !queued {
		done()
		return ErrFull
	}
	return nil
}

// Beside runs f with the session service of a node, beside all else and in no
// order, without waiting for it. Where too much waits, or the node cannot be
// dialled, it does not run.
func (n *Nodes) Beside(addr string, f func(session.RPCSessionClient)) {
	n.aside.Go(func() {
		if client, err := n.Client(addr); err == nil {
			f(client)
		}
	})
}

// node finds a node or dials it. n.mu is held.
func (n *Nodes) node(addr string) (*node, error) {
	if n.closed {
		return nil, errClosed
	}
	to := n.nodes[addr]
	if to == nil {
		conn, err := n.dial(addr)
		if err != nil {
			return nil, err
		}
		to = &node{conn: conn, lanes: lane.New(forwardLanes, forwardQueue), room: lane.NewRoom(nodeBytes)}
		to.lanes.Spawn = n.spawn
		n.nodes[addr] = to
	}
	return to, nil
}

// Renew closes the connections to nodes that gRPC did not reach when it last tried. For nodes
// that were away and that etcd lists again: the next call makes a new connection, and waits for
// it. On the old one each call would fail until gRPC's pause is over and it tries again, and a
// push that fails waits for seconds (Parking).
func (n *Nodes) Renew(addrs []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, addr := range addrs {
		to := n.nodes[addr]
		if to == nil {
			continue
		}
		if conn, ok := to.conn.(*grpc.ClientConn); ok && conn.GetState() == connectivity.TransientFailure {
			_ = conn.Close()
			delete(n.nodes, addr)
		}
	}
}

// Waiting is how many bytes wait to be sent on.
func (n *Nodes) Waiting() int { return n.room.Held() }

// Keep closes the connections to nodes that has does not know. What waits for
// them fails at once.
func (n *Nodes) Keep(has func(addr string) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for addr, to := range n.nodes {
		if !has(addr) {
			_ = to.conn.Close()
			delete(n.nodes, addr)
		}
	}
}

// Wait returns at a moment when nothing waits or is under way, or when ctx is
// done.
func (n *Nodes) Wait(ctx context.Context) error { return lane.Await(ctx, n.busy.Wait) }

// Close closes all connections and waits for what it ended. No node can be
// called any more.
func (n *Nodes) Close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.Keep(func(string) bool { return false })
	n.busy.Wait()
}
