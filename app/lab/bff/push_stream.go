package bff

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/proto/session"
)

type dataStream = session.RPCSessionStream_SessionDataStreamClient

// pushStream pushes to a node through one stream, opened when it is first needed
// and again after it broke. What the node has not answered by then is pushed once
// more: a push that was written before the end of its stream was known would be
// lost otherwise. All but read is for one goroutine.
type pushStream struct {
	n      *node
	broken chan dataStream // those that have ended; nil: pushes are unary
	open   dataStream      // nil: none is
	last   uint64

	mu      sync.Mutex
	waiting []*session.SessionStreamRequest // not answered, oldest first
}

// push pushes updates. An error says that they, and what waits, are not on their way.
func (s *pushStream) push(u *session.TLSessionPushUpdatesData) error {
	s.last++
	request := &session.SessionStreamRequest{
		RequestId: strconv.FormatUint(s.last, 10),
		Payload:   &session.SessionStreamRequest_PushUpdates{PushUpdates: u},
	}
	s.mu.Lock()
	if len(s.waiting) == maxPushes { // this node answers nothing
		s.waiting = s.waiting[1:]
	}
	s.waiting = append(s.waiting, request)
	s.mu.Unlock()
	if s.open == nil {
		return s.reopen()
	}
	_ = s.open.Send(request) // an error has its reader tell that the stream is broken
	return nil
}

// again pushes what a stream that has ended has not answered.
func (s *pushStream) again(ended dataStream) error {
	if s.open != ended {
		return nil
	}
	s.open = nil
	s.mu.Lock()
	idle := len(s.waiting) == 0
	s.mu.Unlock()
	if idle {
		return nil
	}
	select { // a node that ends each stream at once is not asked without end
	case <-time.After(minRedial):
		return s.reopen()
	case <-s.n.ctx.Done():
		return s.n.ctx.Err()
	}
}

// reopen opens a stream and pushes all that waits.
func (s *pushStream) reopen() error {
	opened, err := session.NewRPCSessionStreamClient(s.n.conn).SessionDataStream(s.n.ctx, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	s.open = opened
	s.n.working.Go(func() { s.read(opened) })
	s.fill(opened)
	return nil
}

// fill pushes all that waits. When the stream breaks, its reader tells, and the rest
// waits for the next one.
func (s *pushStream) fill(stream dataStream) {
	s.mu.Lock()
	waiting := slices.Clone(s.waiting)
	s.mu.Unlock()
	for _, request := range waiting {
		if stream.Send(request) != nil {
			return
		}
	}
}

// read takes the answers of a stream until it ends.
func (s *pushStream) read(stream dataStream) {
	for {
		answer, err := stream.Recv()
		if err != nil {
			break
		}
		s.mu.Lock()
		s.waiting = slices.DeleteFunc(s.waiting, func(r *session.SessionStreamRequest) bool { return r.RequestId == answer.GetRequestId() })
		s.mu.Unlock()
	}
	select {
	case s.broken <- stream:
	case <-s.n.ctx.Done():
	}
}
