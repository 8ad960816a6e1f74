// Package gateway brings packets to the gateways that hold the clients'
// connections.
//
// Each gateway has a link: a bounded queue with one writer behind it, so that
// whoever sends never waits and one dead gateway holds up nobody. A writer
// keeps a stream open and writes to it all that is due; a gateway that
// answers Unimplemented gets unary calls instead, side by side for different
// sessions and in order within one. A packet that did not reach a connection
// is reported back (Options.Failed), also one that finds the queue full, or its
// key's share of it.
package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/tracing"
)

// Mode says how gateways are called.
type Mode int

// The modes.
const (
	Auto   Mode = iota // stream, and unary where a gateway answers Unimplemented
	Stream             // stream only
	Unary              // unary only
)

// Options of Gateways.
type Options struct {
	// Dial makes a connection to a gateway; it must not wait for it. A link has one, and
	// another one from its first bulky packet on, which DialAside makes; nil: Dial does, too.
	Dial, DialAside func(serverID string) (*grpc.ClientConn, error)
	// Failed is told of a packet that did not reach a connection. It must not
	// block, and what s points to is not its own.
	Failed func(owner int64, s sess.Send)

	Spawn lane.Spawn // starts unary calls; nil: goroutines

	Mode       Mode
	QueueItems int           // packets waiting for one gateway, of one key an eighth
	QueueBytes int           // their bytes, of one key an eighth
	Timeout    time.Duration // of a unary call
	Retry      time.Duration // how long packets wait for a gateway that etcd lists and that is not reached, or that ends its streams unanswered, and how long one that has left the list keeps its link
	AckTimeout time.Duration // a stream whose answers are overdue this long is given up
}

const (
	maxLinks   = 4096
	idleTime   = 10 * time.Minute // then the link to a gateway that etcd does not list is closed
	maxPayload = 4<<20 - 1<<10    // gRPC refuses more than 4 MiB
)

// Gateways is the links to all gateways. It is safe for concurrent use.
type Gateways struct {
	o      Options
	ctx    context.Context
	cancel context.CancelFunc
	busy   sync.WaitGroup

	mu     sync.RWMutex
	links  map[string]*link
	listed map[string]bool // by etcd
	closed bool
}

// New makes Gateways without links; they come with the first packet.
func New(o Options) *Gateways {
	ctx, cancel := context.WithCancel(context.Background())
	return &Gateways{o: o, ctx: ctx, cancel: cancel, links: map[string]*link{}, listed: map[string]bool{}}
}

// Send queues a packet. It never blocks, and s belongs to Gateways from here on. owner is
// the auth key that the packet counts for in the queue; Failed gets it with a packet
// that did not reach its connection.
func (g *Gateways) Send(owner int64, s sess.Send) {
	p := packet{owner: owner, Send: s}
	if s.Trace != nil {
		p.span = tracing.Answered(s.Trace, s.ServerID)
	}
	l := g.link(s.ServerID)
	if l == nil || s.Len() > maxPayload || !l.enqueue(p) {
		g.fail(p)
	}
}

// Update takes the list of gateways from etcd. Links to gateways that left it are
// closed when nothing has gone over them for Options.Retry: a lease may run out, and
// its gateway be listed again a moment later, while its clients never noticed. Links
// to gateways that have come are tried at once; an empty list changes nothing.
func (g *Gateways) Update(serverIDs []string) {
	if len(serverIDs) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := make(map[string]bool, len(serverIDs))
	for _, id := range serverIDs {
		now[id] = true
	}
	for id := range g.listed {
		if l := g.links[id]; l != nil && !now[id] {
			logx.Infof("gateway %s left", id)
			l.listed(false)
		}
	}
	for id := range now {
		if l := g.links[id]; l != nil && !g.listed[id] {
			l.listed(true)
			l.tryNow()
		}
	}
	g.listed = now
}

// Sweep closes idle links to gateways that etcd does not list, and returns
// how many bytes wait for gateways.
func (g *Gateways) Sweep(now time.Time) (queued int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, l := range g.links {
		bytes, idle, left := l.load(now)
		queued += bytes
		if !g.listed[id] && (idle > idleTime || left && idle > g.o.Retry) {
			l.close()
			delete(g.links, id)
		}
	}
	return queued
}

// Flush waits until everything queued has left, or ctx is done.
func (g *Gateways) Flush(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		g.mu.RLock()
		empty := true
		for _, l := range g.links {
			empty = empty && l.empty()
		}
		g.mu.RUnlock()
		if empty {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Close ends all links. What still waits is lost.
func (g *Gateways) Close() {
	g.mu.Lock()
	g.closed = true
	for _, l := range g.links {
		l.close()
	}
	clear(g.links)
	g.mu.Unlock()
	g.cancel()
	g.busy.Wait()
}

func (g *Gateways) link(serverID string) *link {
	g.mu.RLock()
	l := g.links[serverID]
	g.mu.RUnlock()
	if l != nil || serverID == "" {
		return l
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.links[serverID]; l != nil {
		return l
	}
	if g.closed || len(g.links) >= maxLinks {
		return nil
	}
	conn, err := g.o.Dial(serverID)
	if err != nil {
		logx.Errorf("gateway %s: %v", serverID, err)
		return nil
	}
	l = newLink(g, serverID, conn)
	g.links[serverID] = l
	g.busy.Add(1)
	go l.run()
	return l
}

// lists reports whether etcd lists a gateway.
func (g *Gateways) lists(serverID string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.listed[serverID]
}

func (g *Gateways) fail(packets ...packet) {
	for _, p := range packets {
		tracing.End(p.span, errNotReached)
		metrics.Packets.Inc("failed")
		g.o.Failed(p.owner, p.Send)
		p.Room.Free()
	}
}

// packet is a Send on its way.
type packet struct {
	sess.Send
	owner   int64
	span    trace.Span // nil: nobody collects spans
	sent    time.Time  // when it left the queue
	retried bool       // it was written to a stream that broke, or its call beside the stream failed
}

// errNotReached is what the span of a packet says that failed.
var errNotReached = errors.New("the packet did not reach a connection")

// front puts packets before others.
func front(first, then []packet) []packet { return slices.Concat(first, then) }
