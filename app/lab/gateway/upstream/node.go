package upstream

import (
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
	failures atomic.Int32 // in a row
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

// forward sends a request that another node refused to the node it named.
func (p *Pool) forward(to string, q *session.SessionStreamRequest, gone func()) error {
	n, known := p.node(to)
	if !known {
		return ErrNoNode
	}
	return n.link.send(pending{request: q, moved: true, gone: gone})
}
