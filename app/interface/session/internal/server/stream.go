package server

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"sync"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/proto/session"
)

const (
	maxAnswers     = 1 << 16 // answers waiting for one stream's peer to read them
	streamKeyCalls = 64      // key queries of one stream under way at once
)

// Stream is the streaming service. Requests are answered as they are done,
// each exactly once: a slow key holds up no other, while packets of one key
// keep their order.
type Stream struct {
	session.UnimplementedRPCSessionStreamServer
	unary  *Server
	ctx    context.Context
	cancel context.CancelFunc
}

// NewStream serves a node by streams.
func NewStream(unary *Server) *Stream {
	ctx, cancel := context.WithCancel(context.Background())
	return &Stream{unary: unary, ctx: ctx, cancel: cancel}
}

// End ends all streams, present and future, with the answers that are there.
func (s *Stream) End() { s.cancel() }

// SessionDataStream serves one stream.
func (s *Stream) SessionDataStream(stream session.RPCSessionStream_SessionDataStreamServer) error {
	a := &answers{ready: make(chan struct{}, 1)}
	calls := lane.NewPool(streamKeyCalls, maxAnswers, nil)
	received := make(chan error, 1)
	go func() { received <- s.receive(stream, a, calls) }()
	ended := false
	for {
		for _, out := range a.take() {
			if err := stream.Send(out); err != nil {
				return err
			}
		}
		if ended && a.settled() {
			return nil
		}
		select {
		case <-a.ready:
		case err := <-received:
			if err != nil {
				return err
			}
			received, ended = nil, true // the peer sends nothing more; what it has sent is still answered
		case <-s.ctx.Done():
			for _, out := range a.take() {
				_ = stream.Send(out) // the node leaves: send the answers that are ready, and no others
			}
			return nil
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// receive takes requests until the peer has no more (nil), or reads no
// answers.
func (s *Stream) receive(stream session.RPCSessionStream_SessionDataStreamServer, a *answers, calls *lane.Pool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			logx.Errorf("stream: panic: %v\n%s", r, debug.Stack())
			err = errInternal
		}
	}()
	for {
		in, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case !a.expect():
			return errFull
		}
		if err := s.unary.svc.Cluster.Await(stream.Context()); err != nil {
			return err
		}
		s.handle(stream.Context(), in, a, calls)
	}
}

// handle serves one request.
func (s *Stream) handle(ctx context.Context, in *session.SessionStreamRequest, a *answers, calls *lane.Pool) {
	id := in.GetRequestId()
	done := func(err error) { a.put(acknowledge(id, err)) }
	switch r := in.GetPayload().(type) {
	case *session.SessionStreamRequest_SendData:
		s.unary.sendData(r.SendData, cluster.Direct, done)
	case *session.SessionStreamRequest_CreateSession:
		s.unary.createSession(r.CreateSession, cluster.Direct, false, done)
	case *session.SessionStreamRequest_CloseSession:
		s.unary.closeSession(r.CloseSession, cluster.Direct, done)
	case *session.SessionStreamRequest_PushUpdates:
		s.unary.pushUpdates(r.PushUpdates, cluster.Direct, done)
	case *session.SessionStreamRequest_PushSessionUpdates:
		s.unary.pushSessionUpdates(r.PushSessionUpdates, cluster.Direct, done)
	case *session.SessionStreamRequest_PushRpcResult:
		s.unary.pushRPCResult(r.PushRpcResult, cluster.Direct, done)
	case *session.SessionStreamRequest_QueryAuthKey:
		s.later(calls, done, func() {
			key, err := s.unary.SessionQueryAuthKey(ctx, r.QueryAuthKey)
			if err != nil {
				done(err)
				return
			}
			a.put(&session.SessionStreamResponse{RequestId: id, Payload: &session.SessionStreamResponse_AuthKey{AuthKey: key}})
		})
	case *session.SessionStreamRequest_SetAuthKey:
		s.later(calls, done, func() {
			stored, err := s.unary.SessionSetAuthKey(ctx, r.SetAuthKey)
			if err == nil && stored.GetPredicateName() != boolTrue.GetPredicateName() {
				err = errInternal // an ack says success only
			}
			done(err)
		})
	default:
		done(status.Error(400, "unknown payload type"))
	}
}

func (s *Stream) later(calls *lane.Pool, done func(error), f func()) {
	if !calls.Go(f) {
		done(errFull)
	}
}

func acknowledge(id string, err error) *session.SessionStreamResponse {
	if err == nil {
		return &session.SessionStreamResponse{RequestId: id, Payload: &session.SessionStreamResponse_Ack{Ack: &session.SessionStreamAck{Success: true}}}
	}
	s := status.Convert(err)
	return &session.SessionStreamResponse{RequestId: id, Payload: &session.SessionStreamResponse_Error{
		Error: &session.SessionStreamError{Code: int32(s.Code()), Message: s.Message()},
	}}
}

// answers waits to be sent. Whoever completes a request never waits for the
// peer to read.
type answers struct {
	ready chan struct{} // capacity 1

	mu       sync.Mutex
	queue    []*session.SessionStreamResponse
	expected int // requests without an answer in the queue yet
}

// expect notes a request. False: the peer does not read its answers.
func (a *answers) expect() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expected++
	return len(a.queue) < maxAnswers
}

func (a *answers) put(out *session.SessionStreamResponse) {
	a.mu.Lock()
	a.expected--
	a.queue = append(a.queue, out)
	a.mu.Unlock()
	select {
	case a.ready <- struct{}{}:
	default:
	}
}

func (a *answers) take() []*session.SessionStreamResponse {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.queue
	a.queue = nil
	return q
}

// settled reports whether every request has been answered.
func (a *answers) settled() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.expected == 0 && len(a.queue) == 0
}
