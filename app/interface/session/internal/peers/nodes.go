package peers

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/proto/session"
)

// forwardedHeader marks a request that another session node sent here: it is
// not sent on. Only a push whose key is not here may be, once more (package
// stray).
const (
	forwardedHeader = "x-session-forwarded"
	forwarded       = "1"
	strayed         = "2" // by a node that kept it, or did not have its key either
)

const (
	forwardLanes = 256
	forwardQueue = 1024     // requests waiting in one lane
	forwardBytes = 64 << 20 // that wait in all lanes; one request always fits
)

// Nodes calls the other session nodes. It is safe for concurrent use.
type Nodes struct {
	dial  func(addr string) (Conn, error)
	lanes *lane.Lanes
	room  *lane.Room // for the bytes that wait

	mu    sync.Mutex
	conns map[string]Conn
}

// Conn is a connection to a node: a *grpc.ClientConn.
type Conn interface {
	grpc.ClientConnInterface
	Close() error
}

// NewNodes makes Nodes that are dialled when they are first called; dial must
// not wait. spawn starts what sends requests on; nil: goroutines.
func NewNodes(dial func(addr string) (Conn, error), spawn lane.Spawn) *Nodes {
	n := &Nodes{dial: dial, lanes: lane.New(forwardLanes, forwardQueue), room: lane.NewRoom(forwardBytes), conns: map[string]Conn{}}
	n.lanes.Spawn = spawn
	return n
}

// Client is the session service of a node.
func (n *Nodes) Client(addr string) (session.RPCSessionClient, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	conn := n.conns[addr]
	if conn == nil {
		var err error
		if conn, err = n.dial(addr); err != nil {
			return nil, err
		}
		n.conns[addr] = conn
	}
	return session.NewRPCSessionClient(conn), nil
}

// InOrder runs f after what was given for the same key before, without
// waiting for it. f holds on to size bytes until then. False: too much waits.
func (n *Nodes) InOrder(authKeyID int64, size int, f func()) bool {
	if !n.room.Take(size) {
		return false
	}
	queued := n.lanes.Go(authKeyID, func() {
		defer n.room.Leave(size)
		f()
	})
	if !queued {
		n.room.Leave(size)
	}
	return queued
}

// Waiting is how many bytes wait to be sent on.
func (n *Nodes) Waiting() int { return n.room.Held() }

// Keep closes the connections to nodes that has does not know.
func (n *Nodes) Keep(has func(addr string) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for addr, conn := range n.conns {
		if !has(addr) {
			_ = conn.Close()
			delete(n.conns, addr)
		}
	}
}

// Close waits for what is on its way and closes all connections.
func (n *Nodes) Close() {
	n.lanes.Wait()
	n.Keep(func(string) bool { return false })
}

// Forwarded marks the requests made with the returned context.
func Forwarded(ctx context.Context) context.Context {
	return metadata.NewOutgoingContext(ctx, metadata.Pairs(forwardedHeader, forwarded))
}

// Strayed is Forwarded for what is not to be sent on in any case.
func Strayed(ctx context.Context) context.Context {
	return metadata.NewOutgoingContext(ctx, metadata.Pairs(forwardedHeader, strayed))
}

// WasForwarded reports whether a request came from another session node.
func WasForwarded(ctx context.Context) bool {
	return len(metadata.ValueFromIncomingContext(ctx, forwardedHeader)) > 0
}

// WasStrayed reports whether a request that came from another session node is
// not to be sent on in any case.
func WasStrayed(ctx context.Context) bool {
	return slices.Contains(metadata.ValueFromIncomingContext(ctx, forwardedHeader), strayed)
}
