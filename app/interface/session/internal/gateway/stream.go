package gateway

import (
	"context"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/packets"
	"github.com/tgsession/tgsession/app/interface/session/internal/tracing"
	"github.com/tgsession/tgsession/proto/gateway"
)

// stream is one life of a gateway's stream. The link's writer writes to it,
// its own goroutine reads the answers.
type stream struct {
	l      *link
	rpc    gateway.RPCGatewayStream_GatewayDataStreamClient
	cancel context.CancelFunc
	opened time.Time
	watch  *time.Timer   // ends a stream whose answers are overdue, or that takes nothing
	late   func() bool   // the stream is cut endTime after the link was closed; this takes the order back
	ended  chan struct{} // closed when the reader is done

	// Of the reader, until ended is closed.
	answered bool  // a packet was
	err      error // why it ended
}

// open opens a stream. It fails at once when the gateway cannot be reached; while the
// connection is being made, it waits for that until the link is closed. An open stream
// outlives the link a little, to end well.
func (l *link) open() (*stream, error) {
	ctx, cancel := context.WithCancel(context.Background())
	abort := context.AfterFunc(l.ctx, cancel)
	rpc, err := gateway.NewRPCGatewayStreamClient(l.conn).GatewayDataStream(ctx, grpc.ForceCodecV2(packets.Codec))
	if !abort() && err == nil {
		err = l.ctx.Err()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	s := &stream{l: l, rpc: rpc, cancel: cancel, opened: time.Now(), ended: make(chan struct{})}
	s.watch = time.AfterFunc(time.Hour, cancel)
	s.watch.Stop()
	s.late = context.AfterFunc(l.ctx, func() { time.AfterFunc(endTime, cancel) })
	go s.read()
	return s, nil
}

const (
	endTime   = 500 * time.Millisecond // how long a gateway may take to see the end of a stream
	writeTime = 5 * time.Second        // how long one that has not answered yet may take to read a packet
)

// end ends the stream of a link that was closed, in a way that is none of an
// accident for the gateway: it reads an end, not an error.
func (s *stream) end() {
	_ = s.rpc.CloseSend()
	<-s.ended
}

// write sends what waits, as it comes; false: the stream broke.
func (s *stream) write() bool {
	var out packets.Out
	for p, byCall, ok := s.l.next(s); ok; p, byCall, ok = s.l.next(s) {
		if byCall {
			s.l.call(p)
			continue
		}
		out = packets.Out{AuthKeyID: p.AuthKeyID, SessionID: p.SessionID, Payload: p.Payload, Tail: p.Tail, Room: p.Room}
		err := s.rpc.SendMsg(&out)
		p.Room.Free()
		if err != nil { // the reason comes to the reader
			s.cancel()
			return false
		}
		metrics.Packets.Inc("stream")
	}
	return true
}

// read takes answers: one for each packet, in order.
func (s *stream) read() {
	defer close(s.ended)
	defer s.cancel()
	defer s.watch.Stop()
	defer s.late()
	var answer packets.Answer
	for {
		if err := s.rpc.RecvMsg(&answer); err != nil {
			s.err = err
			return
		}
		p, ok := s.l.answered(s)
		s.answered = s.answered || ok
		if ok && !answer.Success {
			s.l.g.fail(p)
		} else {
			p.Room.Free()
		}
		tracing.End(p.span, nil)
	}
}

// next takes the packet whose turn it is, and remembers that it is to be answered. One
// key may have so much unanswered only where answers come. The writer holds its room, for
// the answer may come, or be given up, before it is written.
//
// A bulky packet is to go as a call of its own, beside the stream: on it, the packets of
// all others would wait until the gateway has read a megabyte, where HTTP/2 has those of
// several calls take turns. One that was tried goes on the stream.
//
// To a gateway that has not answered yet, each write has writeTime: one that does not read
// would hold the writer for ever.
func (l *link) next(s *stream) (p packet, byCall, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = false
	l.judge()
	if p, ok = l.queue.next(l.answers); !ok {
		if !l.answers || l.unanswered.len() == 0 {
			s.watch.Stop()
		}
		return p, false, false
	}
	p.sent = time.Now()
	if l.answers && !l.noCalls && !p.retried && p.Len() >= bulky {
		return p, true, true
	}
	switch {
	case !l.answers:
		s.watch.Reset(writeTime)
	case l.unanswered.len() == 0:
		s.watch.Reset(l.g.o.AckTimeout)
	}
	l.unanswered.push(p)
	p.Room.Hold()
	l.writing = true
	return p, false, true
}

// judge lets go of what a gateway that never answers leaves unanswered: one
// that took packets for a whole AckTimeout and said nothing, not even that it
// has no streams. One that is still to take a packet may not read at all. If it answers
// after all, its first answers are to what was let go.
func (l *link) judge() {
	if l.unanswered.len() == 0 || l.answers || l.writing {
		return
	}
	l.silent = l.silent || time.Since(l.unanswered.first().sent) > l.g.o.AckTimeout
	if l.silent {
		for _, p := range l.unanswered.take() {
			tracing.End(p.span, nil) // as far as anybody can tell
			p.Room.Free()
			l.arrived(p)
			l.overdue++
		}
	}
}

// answered takes the packet that an answer is for; false: nobody waits for it any more.
func (l *link) answered(s *stream) (p packet, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = true
	l.used = time.Now()
	switch {
	case l.overdue > 0:
		l.overdue--
	case l.unanswered.len() > 0:
		p, ok = l.unanswered.pop(), true
		l.arrived(p)
	default:
		return packet{}, false
	}
	if l.unanswered.len() == 0 {
		s.watch.Stop()
	} else {
		s.watch.Reset(l.g.o.AckTimeout)
	}
	return p, ok
}

// takeUnanswered takes what a stream that has ended left unanswered. The next one owes nothing.
func (l *link) takeUnanswered() []packet {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing, l.overdue = false, 0
	return l.unanswered.take()
}

// requeue puts packets back, before those that came since. It wakes the writer only when
// something waits: for nothing, that would open a stream, and another one when it breaks.
func (l *link) requeue(packets []packet) (due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if due = l.queue.back(packets); due {
		l.signal()
	}
	return due
}

// tries is what the writer knows of attempts to reach a gateway by a stream.
type tries struct {
	backoff time.Duration // the pause before the next one
	vain    time.Time     // since when streams end without an answer while something waits; zero: that is over
}

// next returns how long to wait, and doubles that for the next time.
func (t *tries) next() (pause time.Duration) {
	pause, t.backoff = t.backoff, min(2*t.backoff, maxBackoff)
	return pause
}

// leave ends a stream that broke, and waits until the next one may be opened; false: the
// link is closed.
//
// A stream opens before the gateway has said anything, so it is the first answer that shows
// that there is use in it. Those that bring none are opened less and less often: a gateway
// that ends each at once would get thousands a second. When they have come to nothing for
// Options.Retry, what waits has failed: each takes a few packets, and the others would wait
// for hours. A gateway that never answers is of use when it lets a stream live.
func (l *link) leave(s *stream, t *tries) bool {
	<-s.ended
	due := l.afterBreak(s)
	now := time.Now()
	open := now.Sub(s.opened)
	cut := status.Code(s.err) == codes.Canceled // its answers were overdue
	switch {
	case s.answered, open >= maxBackoff && !cut:
		*t = tries{backoff: minBackoff}
		return true
	case l.unary.Load():
		return true
	}
	if !due {
		t.vain = time.Time{}
	} else if t.vain.IsZero() {
		t.vain = now
	}
	if due && now.Sub(t.vain) >= l.g.o.Retry {
		l.fail(l.take())
	}
	return l.pause(t.next() - open)
}

// afterBreak decides what happens to packets that a stream left unanswered.
// They are sent once more, since a client ignores a message that it has: a
// gateway that restarts its stream should not cost an answer. A gateway that
// has no streams gets them by unary calls. It reports whether any packets wait now.
func (l *link) afterBreak(s *stream) (due bool) {
	unanswered := l.takeUnanswered()
	if status.Code(s.err) == codes.Unimplemented && l.g.o.Mode == Auto {
		logx.Infof("gateway %s has no streams: unary calls from here on", l.id)
		l.unary.Store(true)
		return l.requeue(unanswered)
	}
	if l.ctx.Err() == nil {
		logx.Infof("stream to gateway %s ended: %v", l.id, s.err)
	}
	var again, lost []packet
	for _, p := range unanswered {
		if p.retried || status.Code(s.err) == codes.Unimplemented {
			lost = append(lost, p)
		} else {
			p.retried = true
			again = append(again, p)
		}
	}
	l.fail(lost)
	return l.requeue(again)
}
