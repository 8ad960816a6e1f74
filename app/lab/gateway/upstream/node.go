package upstream

import (
	"context"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tgsession/tgsession/proto/session"
)

// node is one session server.
type node struct {
	addr     string
	conn     *grpc.ClientConn
	rpc      session.RPCSessionClient
	link     *link
	failures atomic.Int32   // in a row
	calls    sync.WaitGroup // in flight; added to under Pool.mu, while the node is listed
}

func newNode(addr string, p *Pool) (*node, error) {
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	n := &node{addr: addr, conn: conn, rpc: session.NewRPCSessionClient(conn)}
	n.link = newLink(session.NewRPCSessionStreamClient(conn), addr, p)
	return n, nil
}

func (n *node) close() {
	n.link.close()
	_ = n.conn.Close()
}

// retire closes a node that is not listed any more, when what is in flight to
// it has been answered or ctx has ended: a session node that stops leaves etcd
// first and then answers what it has, also requests over HTTP that it holds.
func (n *node) retire(ctx context.Context) {
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		n.calls.Wait()
		n.link.drain(ctx)
	}()
	select {
	case <-idle:
		n.close()
	case <-ctx.Done():
		n.close() // ends the calls
		<-idle
	}
}

// forward sends a request that another node refused to the node it named.
func (p *Pool) forward(to string, q *session.SessionStreamRequest, gone func()) error {
	n, known := p.node(to)
	if !known {
		return ErrNoNode
	}
	defer n.calls.Done()
	return n.link.send(pending{request: q, moved: true, gone: gone})
}
