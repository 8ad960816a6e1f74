package gateway

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tgsession/tgsession/proto/gateway"
)

// Small packets of everybody waited in the connection that megabytes of others were in: over
// a network of 100 MB/s for four milliseconds more (BenchmarkBesideBulkyPackets).
func TestBulkyPacketsHaveAConnectionOfTheirOwn(t *testing.T) {
	for name, c := range map[string]struct {
		streams func(*peer) gateway.RPCGatewayStreamServer
		mode    Mode
		fails   bool // the second time
		want    int
	}{
		"beside a stream":                    {streams: withStreams, want: 2},
		"beside calls":                       {mode: Unary, want: 2},
		"a gateway that is to have streams":  {streams: withStreams, mode: Stream, want: 1},
		"one that cannot be dialled another": {streams: withStreams, fails: true, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := (&peer{}).start(t, c.streams)
			var mu sync.Mutex
			var made []*grpc.ClientConn
			g, f := newGateways(t, func(o *Options) {
				o.Mode = c.mode
				o.Dial = func(id string) (*grpc.ClientConn, error) {
					mu.Lock()
					defer mu.Unlock()
					if c.fails && len(made) > 0 {
						return nil, errors.New("no")
					}
					conn, err := grpc.NewClient(id, grpc.WithTransportCredentials(insecure.NewCredentials()))
					made = append(made, conn)
					return conn, err
				}
			})
			for n := range uint64(10) {
				g.Send(1, packetFor(p.addr, 1, n))
			}
			require.NoError(t, g.Flush(t.Context()))
			require.Len(t, made, 1, "most gateways need no other")
			for n := range uint64(10) {
				large := packetFor(p.addr, int64(n), 10+n)
				large.Tail = make([]byte, bulky)
				g.Send(int64(n), large)
			}
			require.NoError(t, g.Flush(t.Context()))
			require.Len(t, made, c.want)
			stream, unary := p.got()
			require.Equal(t, 20, stream+unary)
			require.Zero(t, f.count())
			g.Close()
			for _, conn := range made {
				require.Equal(t, connectivity.Shutdown, conn.GetState())
			}
		})
	}
}
