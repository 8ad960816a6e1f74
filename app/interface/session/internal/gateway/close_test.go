package gateway

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
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
