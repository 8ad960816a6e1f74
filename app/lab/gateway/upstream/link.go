package upstream

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// maxPending bounds the requests of one stream that wait for their answer.
const maxPending = 8192

type (
	streamClient = grpc.BidiStreamingClient[session.SessionStreamRequest, session.SessionStreamResponse]

	// link is the stream to one node, opened when it is first needed and
	// again after it broke.
	link struct {
		client session.RPCSessionStreamClient
		addr   string
		pool   *Pool
		ctx    context.Context
		cancel context.CancelFunc
		wg     sync.WaitGroup

		// sending orders the sends and is held while one blocks; mu is
		// held for moments only, so that answers are always taken.
		// sending is locked first.
		sending sync.Mutex
		last    uint64
		closed  bool

		mu      sync.Mutex
		stream  streamClient
		pending map[string]pending
		drained chan struct{} // closed when nothing is pending any more; nil: nobody waits
	}

	// pending is a request that has no answer yet.
	pending struct {
		request *session.SessionStreamRequest
		answer  chan answer // nil: nobody waits
		gone    func()      // called when the key is unknown; nil: nobody cares
		moved   bool        // it has been redirected already
	}

	answer struct {
		resp *session.SessionStreamResponse
		err  error
	}
)

func newLink(client session.RPCSessionStreamClient, addr string, p *Pool) *link {
	l := &link{client: client, addr: addr, pool: p}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

func (l *link) close() {
	l.cancel()
	l.sending.Lock()
	l.closed = true
	l.sending.Unlock()
	l.wg.Wait()
}

// drain waits until every request has its answer, or ctx ends.
func (l *link) drain(ctx context.Context) {
	l.mu.Lock()
	if len(l.pending) == 0 {
		l.mu.Unlock()
		return
	}
	l.drained = make(chan struct{})
	drained := l.drained
	l.mu.Unlock()
	select {
	case <-drained:
	case <-ctx.Done():
	}
}

// settled tells drain when there is nothing to wait for. mu is held.
func (l *link) settled() {
	if l.drained != nil && len(l.pending) == 0 {
		close(l.drained)
		l.drained = nil
	}
}

// query sends and waits.
func (l *link) query(ctx context.Context, q *session.TLSessionQueryAuthKey) (*mtproto.AuthKeyInfo, error) {
	ch := make(chan answer, 1)
	err := l.send(pending{
		request: &session.SessionStreamRequest{Payload: &session.SessionStreamRequest_QueryAuthKey{QueryAuthKey: q}},
		answer:  ch,
	})
	if err != nil {
		return nil, err
	}
	select {
	case a := <-ch:
		return a.resp.GetAuthKey(), a.err
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// post sends and does not wait; what comes back is logged, or followed when it
// is a redirect. gone is called when it says that the key is unknown.
func (l *link) post(q *session.SessionStreamRequest, gone func()) error {
	return l.send(pending{request: q, gone: gone})
}

func (l *link) send(p pending) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	stream, err := l.open()
	if err != nil {
		return err
	}
	l.last++
	id := strconv.FormatUint(l.last, 10)
	p.request.RequestId = id
	l.mu.Lock()
	if len(l.pending) >= maxPending {
		l.mu.Unlock()
		return status.Error(codes.ResourceExhausted, "upstream: too many requests without an answer")
	}
	if l.stream == stream {
		l.pending[id] = p
	}
	l.mu.Unlock()
	if err := stream.Send(p.request); err != nil {
		l.mu.Lock()
		delete(l.pending, id)
		l.settled()
		l.mu.Unlock()
		return errBroken
	}
	return nil
}

var errBroken = status.Error(codes.Unavailable, "upstream: stream broken")

// open returns the stream, a new one when there is none. Sending is held.
func (l *link) open() (streamClient, error) {
	l.mu.Lock()
	stream := l.stream
	l.mu.Unlock()
	if stream != nil {
		return stream, nil
	}
	if l.closed {
		return nil, errBroken
	}
	stream, err := l.client.SessionDataStream(l.ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.stream, l.pending = stream, map[string]pending{}
	l.mu.Unlock()
	l.wg.Go(func() { l.receive(stream) })
	return stream, nil
}

// receive matches answers to requests until the stream ends.
func (l *link) receive(stream streamClient) {
	for {
		resp, err := stream.Recv()
		if err != nil {
			l.broken(stream, err)
			return
		}
		l.mu.Lock()
		p, ok := l.pending[resp.GetRequestId()]
		delete(l.pending, resp.GetRequestId())
		l.settled()
		l.mu.Unlock()
		if ok {
			l.settle(p, answer{resp, streamError(resp.GetError())})
		}
	}
}

func (l *link) settle(p pending, a answer) {
	if p.answer != nil {
		p.answer <- a
		return
	}
	if a.err == nil {
		return
	}
	if p.gone != nil && isUnknownKey(a.err) {
		p.gone()
		return
	}
	if to, ok := redirect(a.err); ok && !p.moved {
		l.wg.Go(func() {
			if err := l.pool.forward(to, proto.CloneOf(p.request), p.gone); err != nil {
				l.pool.cfg.Log.Warn("packet lost at a redirect", "node", l.addr, "to", to, "err", err)
			}
		})
		return
	}
	l.pool.cfg.Log.Warn("session refused a packet", "node", l.addr, "err", a.err)
}

// broken fails what waits and lets the next send open a stream anew.
func (l *link) broken(stream streamClient, cause error) {
	l.mu.Lock()
	lost := l.pending
	if l.stream == stream {
		l.stream, l.pending = nil, nil
		l.settled()
	}
	l.mu.Unlock()
	for _, p := range lost {
		if p.answer != nil {
			p.answer <- answer{err: errBroken}
		}
	}
	if len(lost) > 0 && l.ctx.Err() == nil {
		l.pool.cfg.Log.Warn("stream to session broken", "node", l.addr, "unanswered", len(lost), "err", cause)
	}
}

// streamError turns the error of a stream into the status a unary call would
// have ended with. A stock node wraps it as text under code 500.
func streamError(e *session.SessionStreamError) error {
	if e == nil {
		return nil
	}
	code, msg := codes.Code(e.GetCode()), e.GetMessage()
	if strings.HasSuffix(msg, "code = Code(401) desc = "+keyUnregistered) {
		code, msg = codeUnauthorized, keyUnregistered
	}
	return status.Error(code, msg)
}
