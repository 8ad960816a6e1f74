package gateway

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tgsession/tgsession/app/internal/rpcclient"
	"github.com/tgsession/tgsession/proto/gateway"
)

// away has a peer stop its server, and start it again at the same address when the
// function that is returned is called. Its clients would not notice.
func (p *peer) away(t *testing.T, streams bool) (back func()) {
	p.server.Stop()
	return func() {
		listener, err := net.Listen("tcp", p.addr)
		require.NoError(t, err)
		p.server = grpc.NewServer()
		gateway.RegisterRPCGatewayServer(p.server, p)
		if streams {
			gateway.RegisterRPCGatewayStreamServer(p.server, withStreams(p))
		}
		go func() { _ = p.server.Serve(listener) }()
		t.Cleanup(p.server.Stop)
	}
}

// impatient makes a link retry soon, as those of a node do.
func impatient(retry time.Duration) func(*Options) {
	return func(o *Options) {
		dial := o.Dial
		o.Retry = retry
		o.Dial = func(id string) (*grpc.ClientConn, error) {
			if conn, err := dial(id); err != nil || conn.Close() != nil {
				return nil, err
			}
			return grpc.NewClient(id, grpc.WithTransportCredentials(insecure.NewCredentials()), rpcclient.Reconnect())
		}
	}
}

// A gateway that could not be reached for a moment, while etcd listed it and its
// clients kept their connections, had all that was for it reported as lost at once:
// its clients counted as offline until they said something.
func TestGatewayThatIsAwayForAMoment(t *testing.T) {
	for name, c := range map[string]struct {
		streams bool
		listed  bool
		retry   time.Duration
		back    bool // the gateway comes back
		lost    int  // packets that are reported as lost
	}{
		"stream":                     {true, true, time.Minute, true, 0},
		"unary":                      {false, true, time.Minute, true, 0},
		"stream, not listed":         {true, false, time.Minute, false, 20},
		"unary, not listed":          {false, false, time.Minute, false, 20},
		"stream, away for too long":  {true, true, 50 * time.Millisecond, false, 20},
		"unary, away for too long":   {false, true, 50 * time.Millisecond, false, 20},
		"stream, as long as allowed": {true, true, time.Minute, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streams := map[bool]func(*peer) gateway.RPCGatewayStreamServer{true: withStreams}[c.streams]
			p := (&peer{}).start(t, streams)
			g, f := newGateways(t, impatient(c.retry))
			if c.listed {
				g.Update([]string{p.addr})
			}
			g.Send(1, packetFor(p.addr, 1, 0))
			require.NoError(t, g.Flush(t.Context()))

			back := p.away(t, c.streams)
			for n := range uint64(20) {
				g.Send(1, packetFor(p.addr, 1, 1+n))
			}
			if !c.back {
				eventually(t, "the failures", func() bool { return f.count() == c.lost })
				return
			}
			l := g.links[p.addr]
			eventually(t, "the link notices", func() bool {
				l.mu.Lock()
				defer l.mu.Unlock()
				return !l.downSince.IsZero()
			})
			back()
			require.NoError(t, g.Flush(t.Context()))
			require.Zero(t, f.count())
			stream, unary := p.got()
			require.Equal(t, 21, stream+unary)
			for i, in := range append(p.stream, p.unary...) {
				require.EqualValues(t, i, number(in), "in order")
			}
		})
	}
}

// What waits for a gateway that is away ends with the links.
func TestCloseDoesNotWaitForAGatewayThatIsAway(t *testing.T) {
	for name, mode := range map[string]Mode{"stream": Stream, "unary": Unary} {
		t.Run(name, func(t *testing.T) {
			g, f := newGateways(t, impatient(time.Hour), func(o *Options) { o.Mode = mode })
			g.Update([]string{"127.0.0.1:1"})
			g.Send(1, packetFor("127.0.0.1:1", 1, 1))
			eventually(t, "the link notices", func() bool {
				l := g.links["127.0.0.1:1"]
				l.mu.Lock()
				defer l.mu.Unlock()
				return !l.downSince.IsZero()
			})
			require.Zero(t, f.count())
			g.Close()
			require.Equal(t, 1, f.count())
		})
	}
}

// A gateway whose lease in etcd ran out for a moment lost all that was on its way,
// and its clients their updates.
func TestGatewayThatIsNotListedForAMoment(t *testing.T) {
	p := (&peer{}).start(t, withStreams)
	g, f := newGateways(t)
	g.Update([]string{p.addr, "another"})
	for n := range uint64(3000) {
		if n == 1000 {
			g.Update([]string{"another"})
		}
		if n == 2000 {
			g.Update([]string{p.addr, "another"})
		}
		g.Send(1, packetFor(p.addr, 1, n))
	}
	require.NoError(t, g.Flush(t.Context()))
	require.Zero(t, f.count())
	stream, _ := p.got()
	require.Equal(t, 3000, stream)
}
