package bff

import (
	"context"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

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
	send := n.unary
	if stream {
		send = n.streamed()
	}
	n.working.Go(func() { n.run(send) })
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

func (n *node) run(send func(*session.TLSessionPushUpdatesData) error) {
	for {
		select {
		case <-n.ctx.Done():
			return
		case u := <-n.queue:
			if err := send(u); err != nil && n.ctx.Err() == nil {
				n.log.Warn("bff: push failed", zap.String("node", n.addr), zap.Int64("key", u.GetPermAuthKeyId()), zap.Error(err))
			}
		}
	}
}

func (n *node) unary(u *session.TLSessionPushUpdatesData) error {
	ctx, cancel := context.WithTimeout(n.ctx, pushTimeout)
	defer cancel()
	_, err := session.NewRPCSessionClient(n.conn).SessionPushUpdatesData(ctx, u, grpc.WaitForReady(true))
	return err
}

// streamed returns a function that pushes through one stream, opened when it
// is first needed and again after it broke. Like sync it ignores the answers.
func (n *node) streamed() func(*session.TLSessionPushUpdatesData) error {
	var (
		stream session.RPCSessionStream_SessionDataStreamClient
		last   uint64
	)
	open := func() error {
		opened, err := session.NewRPCSessionStreamClient(n.conn).SessionDataStream(n.ctx, grpc.WaitForReady(true))
		if err != nil {
			return err
		}
		stream = opened
		n.working.Go(func() {
			for {
				if _, err := opened.Recv(); err != nil {
					return
				}
			}
		})
		return nil
	}
	return func(u *session.TLSessionPushUpdatesData) (err error) {
		last++
		request := &session.SessionStreamRequest{
			RequestId: strconv.FormatUint(last, 10),
			Payload:   &session.SessionStreamRequest_PushUpdates{PushUpdates: u},
		}
		// A stream that has broken is known by the next send: that goes out once
		// more, or the first push after each end of a node would be lost.
		for try := 0; try < 2; try++ {
			if stream == nil {
				if err = open(); err != nil {
					return err
				}
			}
			if err = stream.Send(request); err == nil {
				return nil
			}
			stream = nil
		}
		return err
	}
}
