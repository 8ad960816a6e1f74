package bff

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/session"
)

const (
	pushTimeout = 2 * time.Second // zrpc's default, which sync keeps
	// A restarted node is found again soon, whatever gRPC's own backoff says.
	minRedial = 100 * time.Millisecond
	maxRedial = time.Second
)

// node pushes to one session node, one after the other.
type node struct {
	addr    string
	log     *zap.Logger
	conn    *grpc.ClientConn
	queue   chan *session.TLSessionPushUpdatesData
	ctx     context.Context
	cancel  context.CancelFunc
	working sync.WaitGroup
}

func newNode(addr string, stream bool, log *zap.Logger) (*node, error) {
	conn, err := grpc.NewClient(addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: minRedial, Multiplier: 2, MaxDelay: maxRedial},
			MinConnectTimeout: pushTimeout,
		}),
	)
	if err != nil {
		return nil, err
	}
	n := &node{addr: addr, log: log, conn: conn, queue: make(chan *session.TLSessionPushUpdatesData, maxPushes)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	send, s := n.unary, &pushStream{n: n}
	if stream {
		send, s.broken = s.push, make(chan dataStream)
	}
	n.working.Go(func() { n.run(send, s) })
	return n, nil
}

// close drops what has not been sent.
func (n *node) close() {
	n.cancel()
	n.working.Wait()
	_ = n.conn.Close()
}

// enqueue reports false when the queue is full: the node is down or slow, and
// clients catch up by fetching the difference.
func (n *node) enqueue(u *session.TLSessionPushUpdatesData) bool {
	select {
	case n.queue <- u:
		return true
	default:
		return false
	}
}

func (n *node) run(send func(*session.TLSessionPushUpdatesData) error, s *pushStream) {
	for {
		select {
		case <-n.ctx.Done():
			return
		case ended := <-s.broken:
			if err := s.again(ended); err != nil && n.ctx.Err() == nil {
				n.log.Warn("bff: pushes failed", zap.String("node", n.addr), zap.Error(err))
			}
		case u := <-n.queue:
			if err := send(u); err != nil && n.ctx.Err() == nil {
				n.log.Warn("bff: push failed", zap.String("node", n.addr), zap.Int64("key", u.GetPermAuthKeyId()), zap.Error(err))
			}
		}
	}
}

// unary pushes by a call, and by another one where the connection broke under it.
func (n *node) unary(u *session.TLSessionPushUpdatesData) (err error) {
	ctx, cancel := context.WithTimeout(n.ctx, pushTimeout)
	defer cancel()
	for range 2 {
		_, err = session.NewRPCSessionClient(n.conn).SessionPushUpdatesData(ctx, u, grpc.WaitForReady(true))
		if status.Code(err) != codes.Unavailable {
			break
		}
	}
	return err
}
