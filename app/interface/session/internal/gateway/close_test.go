package gateway

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/tgsession/tgsession/proto/gateway"
)

// mute listens, takes connections, and says nothing on them.
func mute(t *testing.T) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// Close waited for a connection that was being made, five seconds where the gateway took it
// and said nothing.
func TestCloseDoesNotWaitForAConnection(t *testing.T) {
	for name, c := range map[string]struct {
		mode  Mode
		aside bool // the first connection is there, the one for bulky packets is not
	}{
		"a stream":                {mode: Stream},
		"calls":                   {mode: Unary},
		"a bulky packet's":        {mode: Auto, aside: true},
		"a bulky packet's, calls": {mode: Unary, aside: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, nobody := (&peer{}).start(t, withStreams), mute(t)
			var dialled []*grpc.ClientConn
			g, f := newGateways(t, impatient(time.Hour), func(o *Options) {
				o.Mode, o.Timeout = c.mode, time.Hour
				dial := o.Dial
				o.Dial = func(id string) (*grpc.ClientConn, error) {
					if len(dialled) > 0 || !c.aside {
						id = nobody
					}
					conn, err := dial(id)
					dialled = append(dialled, conn)
					return conn, err
				}
			})
			g.Update([]string{p.addr})
			if c.aside {
				g.Send(1, packetFor(p.addr, 1, 0))
				require.NoError(t, g.Flush(t.Context()))
			}
			s := packetFor(p.addr, 1, 1)
			s.Tail = make([]byte, bulky)
			g.Send(1, s)
			l := g.links[p.addr]
			eventually(t, "the connection is being made", func() bool {
				conn := l.conn
				if c.aside || c.mode == Unary {
					conn = l.aside.conn.Load()
				}
				return conn != nil && conn.GetState() == connectivity.Connecting
			})
			began := time.Now()
			g.Close()
			require.Less(t, time.Since(began), 4*time.Second)
			require.Equal(t, 1, f.count())
		})
	}
}

// A link to a gateway that etcd had let go of, and that had been idle, was closed under the next
// packet, though the gateway was there: its client counted as gone.
func TestALinkIsNotClosedUnderAPacket(t *testing.T) {
	for name, mode := range map[string]Mode{"a stream": Stream, "calls": Unary} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, f := newGateways(t, inMemory(t, func(s *grpc.Server) {
					gateway.RegisterRPCGatewayServer(s, slow{})
					gateway.RegisterRPCGatewayStreamServer(s, slow{})
				}), func(o *Options) { o.Mode = mode })
				const moment = 50 * time.Millisecond
				g.Update([]string{"gateway", "another"})
				g.Send(1, packetFor("gateway", 1, 0))
				require.NoError(t, g.Flush(t.Context()))
				g.Update([]string{"another"})
				time.Sleep(g.o.Retry - moment)
				g.Send(1, packetFor("gateway", 1, 1))
				time.Sleep(2 * moment)
				require.NotZero(t, g.Sweep(time.Now()), "it is on its way")
				time.Sleep(time.Second)
				require.Zero(t, f.count())

				time.Sleep(g.o.Retry - 3*moment) // the answer came two moments ago
				g.Sweep(time.Now())
				require.Len(t, g.links, 1, "it was used a moment ago")
				time.Sleep(2 * moment)
				g.Sweep(time.Now())
				require.Empty(t, g.links)
			})
		})
	}
}
