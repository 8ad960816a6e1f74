package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/internal/buffers"
	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/mtproto"
)

func TestMain(m *testing.M) {
	logx.Disable()
	buffers.Watch()                            // who reads what is another's by now reads garbage
	leaktest.Strict(m, goleak.IgnoreCurrent()) // go-zero listens for signals from its init on
}

// peer is a gateway.
type peer struct {
	gateway.UnimplementedRPCGatewayServer
	addr   string
	server *grpc.Server

	mu     sync.Mutex
	unary  []*gateway.TLGatewaySendDataToGateway
	stream []*gateway.TLGatewaySendDataToGateway
	refuse bool          // knows no connection
	hold   chan struct{} // unary calls wait for it
	limit  int           // answers before a stream is cut; 0: never
	ends   []error       // how streams ended

	noCalls bool                                  // it has streams alone
	order   []*gateway.TLGatewaySendDataToGateway // all, as they came
}

type streaming struct {
	gateway.UnimplementedRPCGatewayStreamServer
	p      *peer
	silent bool
}

func (p *peer) GatewaySendDataToGateway(ctx context.Context, in *gateway.TLGatewaySendDataToGateway) (*mtproto.Bool, error) {
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unary, p.order = append(p.unary, in), append(p.order, in)
	if p.refuse {
		return &mtproto.Bool{PredicateName: "boolFalse"}, nil
	}
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

func (s streaming) GatewayDataStream(stream gateway.RPCGatewayStream_GatewayDataStreamServer) error {
	for n := 1; ; n++ {
		in, err := stream.Recv()
		s.p.mu.Lock()
		if err != nil {
			s.p.ends = append(s.p.ends, err)
			s.p.mu.Unlock()
			return err
		}
		s.p.stream, s.p.order = append(s.p.stream, in.GetSendData()), append(s.p.order, in.GetSendData())
		limit, refuse := s.p.limit, s.p.refuse
		s.p.mu.Unlock()
		if limit > 0 && n > limit {
			return status.Error(codes.Unavailable, "cut")
		}
		if s.silent {
			continue
		}
		if err := stream.Send(&gateway.GatewayStreamResponse{RequestId: in.GetRequestId(), Success: !refuse}); err != nil {
			return err
		}
	}
}

func (p *peer) start(t testing.TB, streams func(*peer) gateway.RPCGatewayStreamServer) *peer {
	p.addr = freeport.Address(t) // some come back to it: it must not be another's connection by then
	listener, err := net.Listen("tcp", p.addr)
	require.NoError(t, err)
	p.server = grpc.NewServer()
	if !p.noCalls {
		gateway.RegisterRPCGatewayServer(p.server, p)
	}
	if streams != nil {
		gateway.RegisterRPCGatewayStreamServer(p.server, streams(p))
	}
	go func() { _ = p.server.Serve(listener) }()
	t.Cleanup(p.server.Stop)
	return p
}

func withStreams(p *peer) gateway.RPCGatewayStreamServer   { return streaming{p: p} }
func silentStreams(p *peer) gateway.RPCGatewayStreamServer { return streaming{p: p, silent: true} }

func (p *peer) got() (stream, unary int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.stream), len(p.unary)
}

// failures records what came back.
type failures struct {
	mu  sync.Mutex
	all []sess.Send
}

func (f *failures) add(_ int64, s sess.Send) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, s)
}

func (f *failures) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.all)
}

func newGateways(t testing.TB, change ...func(*Options)) (*Gateways, *failures) {
	f := &failures{}
	o := Options{
		Dial: func(id string) (*grpc.ClientConn, error) {
			return grpc.NewClient(id, grpc.WithTransportCredentials(insecure.NewCredentials()))
		},
		Failed: f.add, QueueItems: 100_000, QueueBytes: 64 << 20, Timeout: time.Minute, AckTimeout: 5 * time.Second,
		Retry: 10 * time.Second,
	}
	for _, c := range change {
		c(&o)
	}
	g := New(o)
	t.Cleanup(g.Close)
	return g, f
}

func packetFor(addr string, session int64, n uint64) sess.Send {
	return sess.Send{ServerID: addr, AuthKeyID: 7, SessionID: session, Payload: binary.LittleEndian.AppendUint64(nil, n)}
}

func number(in *gateway.TLGatewaySendDataToGateway) uint64 {
	return binary.LittleEndian.Uint64(in.Payload)
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestStreamKeepsOrder(t *testing.T) {
	p := (&peer{}).start(t, withStreams)
	g, f := newGateways(t)
	for n := range uint64(2000) {
		g.Send(1, packetFor(p.addr, 1, n))
	}
	require.NoError(t, g.Flush(t.Context()))
	stream, unary := p.got()
	require.Equal(t, 2000, stream)
	require.Zero(t, unary)
	for i, in := range p.stream {
		require.EqualValues(t, i, number(in))
		require.EqualValues(t, 7, in.AuthKeyId)
	}
	require.Zero(t, f.count())
}

func TestFallsBackToUnaryInOrderOfEachSession(t *testing.T) {
	p := (&peer{}).start(t, nil)
	g, f := newGateways(t)
	for n := range uint64(1000) {
		for session := range int64(4) {
			g.Send(1, packetFor(p.addr, session, n))
		}
	}
	require.NoError(t, g.Flush(t.Context()))
	_, unary := p.got()
	require.Equal(t, 4000, unary)
	next := map[int64]uint64{}
	for _, in := range p.unary {
		require.Equal(t, next[in.SessionId], number(in))
		next[in.SessionId]++
	}
	require.Zero(t, f.count())
}

func TestModes(t *testing.T) {
	both := (&peer{}).start(t, withStreams)
	g, _ := newGateways(t, func(o *Options) { o.Mode = Unary })
	g.Send(1, packetFor(both.addr, 1, 1))
	require.NoError(t, g.Flush(t.Context()))
	stream, unary := both.got()
	require.Equal(t, 0, stream)
	require.Equal(t, 1, unary)

	unaryOnly := (&peer{}).start(t, nil)
	g, f := newGateways(t, func(o *Options) { o.Mode = Stream })
	g.Send(1, packetFor(unaryOnly.addr, 1, 1))
	eventually(t, "the failure", func() bool { return f.count() == 1 })
	_, unary = unaryOnly.got()
	require.Zero(t, unary)
}

func TestNoConnectionIsReported(t *testing.T) {
	for name, streams := range map[string]func(*peer) gateway.RPCGatewayStreamServer{"stream": withStreams, "unary": nil} {
		t.Run(name, func(t *testing.T) {
			p := (&peer{refuse: true}).start(t, streams)
			g, f := newGateways(t)
			g.Send(1, packetFor(p.addr, 5, 1))
			eventually(t, "the failure", func() bool { return f.count() == 1 })
			require.EqualValues(t, 5, f.all[0].SessionID)
		})
	}
}

// Packets that a broken stream left unanswered are sent once more; nothing is
// lost while the gateway is there.
func TestBrokenStreamIsOpenedAgain(t *testing.T) {
	p := (&peer{limit: 10}).start(t, withStreams)
	g, f := newGateways(t)
	for n := range uint64(15) {
		g.Send(1, packetFor(p.addr, 1, n))
	}
	require.NoError(t, g.Flush(t.Context()))
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := map[uint64]bool{}
	for _, in := range p.stream {
		seen[number(in)] = true
	}
	require.Len(t, seen, 15)
	require.Zero(t, f.count())
}

// Weakness 54: a dead gateway froze everybody who sent to it, for two seconds
// each time.
func TestWeakness54DeadGatewayHoldsUpNobody(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	require.NoError(t, err)
	defer dead.Close()
	p := (&peer{}).start(t, withStreams)
	g, f := newGateways(t, func(o *Options) { o.QueueItems = 100 })
	start := time.Now()
	for n := range uint64(1000) {
		g.Send(int64(n), packetFor(dead.Addr().String(), 1, n))
		if n < 50 {
			g.Send(int64(n), packetFor(p.addr, 1, n))
		}
	}
	require.Less(t, time.Since(start), writeTime-time.Second)
	eventually(t, "the living gateway has all", func() bool { n, _ := p.got(); return n == 50 })
	require.GreaterOrEqual(t, f.count(), 900, "what the queue does not hold is reported")
}

func TestUnreachableGatewayIsReported(t *testing.T) {
	g, f := newGateways(t)
	g.Send(1, packetFor("127.0.0.1:1", 1, 1))
	g.Send(1, packetFor("", 1, 1))
	eventually(t, "the failures", func() bool { return f.count() == 2 })
}

func TestBounds(t *testing.T) {
	p := (&peer{hold: make(chan struct{})}).start(t, nil)
	g, f := newGateways(t, func(o *Options) { o.Mode, o.QueueBytes = Unary, 1000 })
	for owner := range int64(5) {
		g.Send(owner, sess.Send{ServerID: p.addr, Payload: make([]byte, 400)})
	}
	require.Equal(t, 3, f.count(), "two fit")
	require.Equal(t, 800, g.Sweep(time.Now()))
	close(p.hold)
	require.NoError(t, g.Flush(t.Context()))
	require.Zero(t, g.Sweep(time.Now()))
	g.Send(1, sess.Send{ServerID: p.addr, Payload: make([]byte, 5<<20)})
	require.Equal(t, 4, f.count(), "gRPC would refuse it")
}

// One key filled the queue of a gateway, and the packets of all others were refused.
func TestOneKeyTakesAShareOfAQueue(t *testing.T) {
	p := (&peer{hold: make(chan struct{})}).start(t, nil)
	for name, c := range map[string]struct{ size, fits int }{
		"bytes":        {1000, 8},
		"packets":      {1, 12},
		"too large":    {20_000, 1}, // one always fits
		"half a share": {4500, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g, f := newGateways(t, func(o *Options) { o.Mode, o.QueueItems, o.QueueBytes = Unary, 100, 64_000 })
			send := func(owner int64, size int) (taken bool) {
				before := f.count()
				g.Send(owner, sess.Send{ServerID: p.addr, SessionID: owner, Payload: make([]byte, size)})
				return f.count() == before
			}
			for i := range 50 {
				require.Equal(t, i < c.fits, send(1, c.size), "packet %d", i)
			}
			for other := range int64(20) {
				require.True(t, send(2+other, 1000), "key %d", other)
			}
		})
	}
	close(p.hold)
}

// Whatever becomes of a packet, its key gets its share back.
func TestSharesAreGivenBack(t *testing.T) {
	good, silent, none := (&peer{}).start(t, withStreams), (&peer{}).start(t, silentStreams), (&peer{}).start(t, nil)
	g, _ := newGateways(t, func(o *Options) { o.QueueItems, o.AckTimeout = 80, 20*time.Millisecond })
	for _, addr := range []string{good.addr, silent.addr, none.addr, "127.0.0.1:1"} {
		for round := range uint64(3) {
			for n := range uint64(15) { // more than a share
				g.Send(int64(n%2), packetFor(addr, 1, round<<8|n))
			}
			require.NoError(t, g.Flush(t.Context()))
			l := g.link(addr)
			eventually(t, "no key has anything", func() bool {
				l.mu.Lock()
				defer l.mu.Unlock()
				return l.queue.load == load{} && len(l.queue.keys) == 0
			})
		}
	}
}

// Weakness 55: gateways that left were never let go.
func TestWeakness55GatewaysThatLeaveAreClosed(t *testing.T) {
	p := (&peer{}).start(t, withStreams)
	g, f := newGateways(t)
	g.Update([]string{p.addr, "10.0.0.9:1"})
	g.Send(1, packetFor(p.addr, 1, 1))
	require.NoError(t, g.Flush(t.Context()))
	g.Update(nil) // an etcd that lost its data
	require.Len(t, g.links, 1)
	g.Update([]string{"10.0.0.9:1"})
	g.Sweep(time.Now())
	require.Len(t, g.links, 1, "it may be listed again in a moment")
	g.Sweep(time.Now().Add(11 * time.Second))
	require.Empty(t, g.links)
	require.Zero(t, f.count())

	g.Send(1, packetFor(p.addr, 1, 1)) // not listed, but it sends us packets
	require.NoError(t, g.Flush(t.Context()))
	g.Sweep(time.Now())
	require.Len(t, g.links, 1)
	g.Sweep(time.Now().Add(idleTime + time.Minute))
	require.Empty(t, g.links)
}

func TestGatewayThatNeverAnswers(t *testing.T) {
	p := (&peer{}).start(t, silentStreams)
	g, f := newGateways(t, func(o *Options) { o.AckTimeout = 20 * time.Millisecond })
	const packets = 3000
	for n := range uint64(packets) {
		g.Send(1, packetFor(p.addr, 1, n))
	}
	eventually(t, "all packets", func() bool { n, _ := p.got(); return n == packets })
	require.NoError(t, g.Flush(t.Context()))
	require.Zero(t, g.links[p.addr].unanswered.len())
	require.Zero(t, f.count())
}

func TestCloseReportsWhatWaits(t *testing.T) {
	p := (&peer{hold: make(chan struct{})}).start(t, nil)
	defer close(p.hold)
	g, f := newGateways(t, func(o *Options) { o.Mode = Unary })
	for n := range uint64(5) {
		g.Send(1, packetFor(p.addr, 1, n))
	}
	g.Close()
	require.Equal(t, 5, f.count())
	g.Send(1, packetFor(p.addr, 1, 1))
	require.Equal(t, 6, f.count())
}

func BenchmarkStream(b *testing.B) {
	p := (&peer{}).start(b, withStreams)
	g, _ := newGateways(b, func(o *Options) { o.QueueItems = 1 << 30; o.QueueBytes = 1 << 40 })
	payload := make([]byte, 256)
	b.ReportAllocs()
	for range b.N {
		g.Send(1, sess.Send{ServerID: p.addr, AuthKeyID: 1, SessionID: 2, Payload: payload})
	}
	if err := g.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// stubborn reads a stream and never ends it.
type stubborn struct {
	gateway.UnimplementedRPCGatewayStreamServer
	hold chan struct{}
}

func (s stubborn) GatewayDataStream(gateway.RPCGatewayStream_GatewayDataStreamServer) error {
	<-s.hold
	return nil
}

// A gateway logged an error for each stream whose node had stopped.
func TestStreamsEndWithoutAnError(t *testing.T) {
	for ended, tries := false, 1; !ended; tries++ {
		p := (&peer{}).start(t, withStreams)
		g, f := newGateways(t)
		g.Send(1, packetFor(p.addr, 1, 1))
		require.NoError(t, g.Flush(t.Context()))
		began := time.Now()
		g.Close()
		took := time.Since(began)
		eventually(t, "the end of the stream", func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.ends) == 1
		})
		require.Zero(t, f.count())
		end := p.ends[0]
		if ended = errors.Is(end, io.EOF); !ended { // a machine that has much to do may hold up the peer for longer than it is waited for
			require.GreaterOrEqual(t, took, endTime, "it was not waited for: %v", end)
			require.Less(t, tries, 10, "%v", end)
		}
	}

	hold := make(chan struct{})
	defer close(hold)
	q := (&peer{}).start(t, func(*peer) gateway.RPCGatewayStreamServer { return stubborn{hold: hold} })
	g, _ := newGateways(t)
	g.Send(1, packetFor(q.addr, 1, 1))
	l := g.links[q.addr]
	eventually(t, "a stream", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.unanswered.len() == 1
	})
	began := time.Now()
	g.Close()
	require.Less(t, time.Since(began), writeTime-time.Second, "nor does it wait for one that does not end")
}
