package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/packets"
	"github.com/tgsession/tgsession/app/interface/session/internal/tracing"
	"github.com/tgsession/tgsession/proto/gateway"
)

const (
	unaryLanes = 64
	minBackoff = 100 * time.Millisecond
	maxBackoff = 2 * time.Second
)

// link is the way to one gateway.
type link struct {
	g      *Gateways
	id     string
	conn   *grpc.ClientConn
	aside  aside
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // capacity 1
	lanes  *lane.Lanes
	unary  atomic.Bool // set by the writer alone

	mu         sync.Mutex
	queue      queue
	unanswered fifo // written to the stream
	answers    bool // this gateway has answered on a stream
	silent     bool // this gateway never answers on its stream
	overdue    int  // answers that come before those to unanswered, if any come: to packets of this stream that were let go
	writing    bool // the writer has a packet for the stream that is not written yet
	noCalls    bool // it knows streams alone, or is to be spoken to by them alone

	downSince time.Time // since when no attempt has reached the gateway; zero: the latest one did
	left      bool      // it has left etcd's list
	used      time.Time
	closed    bool
}

func newLink(g *Gateways, id string, conn *grpc.ClientConn) *link {
	l := &link{
		g: g, id: id, conn: conn, wake: make(chan struct{}, 1), used: time.Now(),
		lanes: lane.New(unaryLanes, g.o.QueueItems),
	}
	l.lanes.Spawn = g.o.Spawn
	l.unary.Store(g.o.Mode == Unary)
	l.noCalls = g.o.Mode == Stream
	l.ctx, l.cancel = context.WithCancel(g.ctx)
	return l
}

// enqueue puts p into the queue; false when that is closed, or full for all or for
// the key of p. What the gateway never answers gives its room back here: a full queue
// gives its writer nothing more to do.
func (l *link) enqueue(p packet) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.judge()
	if l.closed || !l.queue.fits(p, load{l.g.o.QueueItems, l.g.o.QueueBytes}) {
		return false
	}
	l.queue.push(p)
	l.signal()
	return true
}

// gone takes packets off that were on their way.
func (l *link) gone(packets ...packet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range packets {
		l.arrived(p)
	}
	l.used = time.Now()
}

// arrived takes a packet off that was on its way, and has the writer look for what waited
// for it. l.mu is held.
func (l *link) arrived(p packet) {
	if l.queue.arrived(p) {
		l.signal()
	}
}

func (l *link) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take takes all that waits.
func (l *link) take() []packet {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.take()
}

// nextUnary takes the packet whose turn it is. Its lane bounds what is on its way.
func (l *link) nextUnary() (p packet, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok = l.queue.next(false)
	p.sent = time.Now()
	return p, ok
}

// load returns how many bytes are queued, for how long nothing has gone over the link, and
// whether its gateway has left etcd's list. That counts as a use, and a link whose packets
// wait or are on their way is in use.
func (l *link) load(now time.Time) (bytes int, idle time.Duration, left bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.judge()
	if l.queue.items == 0 {
		idle = now.Sub(l.used)
	}
	return l.queue.bytes, idle, l.left
}

// listed notes that the gateway has come to etcd's list or left it. One that has come is
// waited for anew: an attempt that had begun before may still fail.
func (l *link) listed(now bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.used = !now, time.Now()
	if now {
		l.downSince = time.Time{}
	}
}

func (l *link) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.judge()
	return l.queue.items == 0
}

// close ends the link; its writer reports what still waits.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
}

// run is the writer.
func (l *link) run() {
	defer l.g.busy.Done()
	defer l.conn.Close()
	defer l.aside.close()
	defer l.lanes.Wait()
	var s *stream
	defer func() {
		l.cancel()
		if s != nil {
			s.end()
		}
		l.fail(front(l.takeUnanswered(), l.take()))
	}()
	tried := tries{backoff: minBackoff}
	for {
		var broken <-chan struct{}
		if s != nil {
			broken = s.ended
		}
		select {
		case <-l.ctx.Done():
			return
		case <-broken:
			if !l.leave(s, &tried) {
				return
			}
			s = nil
			continue
		case <-l.wake:
		}
		if l.unary.Load() {
			l.sendUnary()
			continue
		}
		if s == nil {
			var err error
			if s, err = l.open(); err != nil {
				if l.mayComeBack(err) {
					l.signal() // for what stays in the queue
				} else {
					l.fail(l.take())
				}
				if !l.pause(tried.next()) {
					return
				}
				continue
			}
			l.reached()
		}
		if !s.write() {
			if !l.leave(s, &tried) {
				return
			}
			s = nil
		}
	}
}

// fail reports packets that will not be tried again.
func (l *link) fail(packets []packet) {
	l.gone(packets...)
	l.g.fail(packets...)
}

func (l *link) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-l.ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// sendUnary hands packets to the lanes: those of one session stay in order.
func (l *link) sendUnary() {
	for p, ok := l.nextUnary(); ok; p, ok = l.nextUnary() {
		l.call(p)
	}
}

// call hands a packet to the lane of its session.
func (l *link) call(p packet) {
	if !l.lanes.Go(p.AuthKeyID^p.SessionID, func() { l.callUnary(p) }) {
		l.fail([]packet{p})
	}
}

// callUnary calls the gateway for a packet, again and again while it may come back. A call may
// fail that way while those of others go well, as when the gateway has trouble with one
// client: what has come to nothing for Options.Retry since it left the queue has failed then,
// too. Otherwise it would be tried for ever, and its lane wait. Those behind it have waited
// already: they get what is left of the time, but one attempt at least.
func (l *link) callUnary(p packet) {
	for backoff := minBackoff; ; backoff = min(2*backoff, maxBackoff) {
		taken, err := l.send(p)
		if err != nil && !l.unary.Load() && l.byStream(p, err) {
			return
		}
		if err != nil && l.mayComeBack(err) && time.Since(p.sent) < l.g.o.Retry && l.pause(backoff) {
			continue
		}
		if err == nil {
			l.reached()
		}
		if err != nil || !taken {
			l.fail([]packet{p})
			return
		}
		tracing.End(p.span, nil)
		p.Room.Free()
		l.gone(p)
		metrics.Packets.Inc("unary")
		return
	}
}

// byStream has a packet go on the stream whose call beside it failed; false: the link is
// closed, and its writer looks at nothing any more. Calls compete for the way to a gateway,
// each with its own time limit: where the way is slow, to call again would use it for what
// comes to nothing once more. A stream lets them wait.
func (l *link) byStream(p packet, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if status.Code(err) == codes.Unimplemented {
		l.noCalls = true
	} else {
		p.retried = true
	}
	l.queue.back([]packet{p})
	l.signal()
	return true
}

// asPacket is how a packet is encoded that goes as a call of its own.
var asPacket = []grpc.CallOption{grpc.StaticMethod(), grpc.ForceCodecV2(packets.Codec)}

func (l *link) send(p packet) (taken bool, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.g.o.Timeout)
	defer cancel()
	if p.span != nil {
		ctx = trace.ContextWithSpan(ctx, p.span)
	}
	conn := l.conn
	if p.Len() >= bulky {
		conn = l.connAside()
	}
	var answer packets.Bool
	err = conn.Invoke(ctx, gateway.RPCGateway_GatewaySendDataToGateway_FullMethodName,
		&packets.Request{AuthKeyID: p.AuthKeyID, SessionID: p.SessionID, Payload: p.Payload, Tail: p.Tail, Room: p.Room}, &answer, asPacket...)
	return answer.True, err
}

// unlistedWait is how long a gateway is waited for that etcd does not list. One that is started
// again serves clients before it is listed, and before this node, which goes by the list, has
// tried to reach it anew.
const unlistedWait = 3 * time.Second

// mayComeBack reports whether a gateway that was not reached is worth waiting for: it
// has not been away for longer than Options.Retry, or unlistedWait where it is not in
// etcd's list. Its clients still have their connections, so what is for them waits. Were
// it reported as lost at once, each of them would count as offline until it says
// something, up to a minute later, and miss the updates of that time.
func (l *link) mayComeBack(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
	default:
		return false
	}
	if l.ctx.Err() != nil {
		return false
	}
	wait := l.g.o.Retry
	if !l.g.lists(l.id) {
		wait = min(wait, unlistedWait)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.downSince.IsZero() {
		l.downSince = time.Now()
	}
	return time.Since(l.downSince) < wait
}

// reached notes that the gateway is there.
func (l *link) reached() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.downSince = time.Time{}
}
