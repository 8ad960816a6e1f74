package server

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"sync"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/packets"
	"github.com/tgsession/tgsession/app/interface/session/internal/tracing"
	"github.com/tgsession/tgsession/proto/session"
)

const (
	maxAnswers     = 1 << 16 // answers waiting for one stream's peer to read them
	keptAnswers    = 1 << 10 // up to so many the room for them is kept
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
	var out packets.Reply
	for {
		for _, out = range a.take() {
			if err := stream.SendMsg(&out); err != nil {
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
			for _, out = range a.take() {
				_ = stream.SendMsg(&out) // the node leaves: send the answers that are ready, and no others
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
	var in packets.In
	for {
		err := stream.RecvMsg(&in)
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
		s.handle(stream.Context(), &in, a, calls)
	}
}

// handle serves one request. in is another one afterwards.
func (s *Stream) handle(ctx context.Context, in *packets.In, a *answers, calls *lane.Pool) {
	id := in.RequestID
	done := func(err error) { a.put(packets.Reply{RequestID: id, Err: err}) }
	switch {
	case in.Data != nil:
		s.sendData(ctx, in.Data, done)
		return
	case in.Push != nil:
		s.unary.pushUpdates(in.Push, cluster.Direct, done)
		return
	}
	switch r := in.Other.GetPayload().(type) {
	case *session.SessionStreamRequest_SendData:
		s.sendData(ctx, r.SendData, done)
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
			a.put(packets.Reply{RequestID: id, Key: key})
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
		done(errInput)
	}
}

// sendData takes a packet of a client.
func (s *Stream) sendData(ctx context.Context, in *session.TLSessionSendDataToSession, done func(error)) {
	if !s.unary.svc.Config.Middlewares.Trace {
		s.unary.sendData(in, cluster.Direct, nil, done)
		return
	}
	at, end := tracing.Packet(ctx)
	s.unary.sendData(in, cluster.Direct, at, func(err error) {
		end(err)
		done(err)
	})
}

func (s *Stream) later(calls *lane.Pool, done func(error), f func()) {
	if !calls.Go(f) {
		done(errFull)
	}
}

// answers waits to be sent. Whoever completes a request never waits for the
// peer to read.
type answers struct {
	ready chan struct{} // capacity 1

	mu       sync.Mutex
	queue    []packets.Reply
	taken    []packets.Reply // the room of the next queue
	expected int             // requests without an answer in the queue yet
}

// expect notes a request. False: the peer does not read its answers.
func (a *answers) expect() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expected++
	return len(a.queue) < maxAnswers
}

func (a *answers) put(out packets.Reply) {
	a.mu.Lock()
	a.expected--
	a.queue = append(a.queue, out)
	a.mu.Unlock()
	select {
	case a.ready <- struct{}{}:
	default:
	}
}

// take returns what is to be sent. It is valid until the next take.
func (a *answers) take() []packets.Reply {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.queue
	clear(a.taken)
	if a.queue = a.taken[:0]; cap(q) > keptAnswers {
		a.taken = nil
	} else {
		a.taken = q
	}
	return q
}

// settled reports whether every request has been answered.
func (a *answers) settled() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.expected == 0 && len(a.queue) == 0
}
