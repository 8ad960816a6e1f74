package gateway

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tgsession/tgsession/proto/gateway"
)

// A gateway that etcd listed again was not looked for before the link's time
// to try again had come, up to two minutes later: until then all that was for
// it failed.
func TestAGatewayThatIsListedAgainIsConnectedToAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := bufconn.Listen(1 << 20)
		p := &peer{server: grpc.NewServer()}
		gateway.RegisterRPCGatewayStreamServer(p.server, withStreams(p))
		go func() { _ = p.server.Serve(listener) }()
		defer p.server.Stop()

		var attempts atomic.Int64
		var up atomic.Bool
		g, f := newGateways(t, func(o *Options) {
			o.Dial = func(string) (*grpc.ClientConn, error) {
				return grpc.NewClient("passthrough:///gateway", grpc.WithTransportCredentials(insecure.NewCredentials()),
					grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
						if attempts.Add(1); !up.Load() {
							return nil, errors.New("nobody is there")
						}
						return listener.DialContext(ctx)
					}))
			}
		})
		defer g.Close()
		g.Update([]string{"another"}) // its lease has run out
		g.Send(1, packetFor("gateway", 1, 0))
		time.Sleep(10 * time.Minute)
		for before := attempts.Load(); attempts.Load() == before; { // the next would be as late as can be
			g.Send(1, packetFor("gateway", 1, 0))
			time.Sleep(time.Second)
		}
		up.Store(true)
		failed, at := f.count(), time.Now()
		g.Update([]string{"another", "gateway"})
		synctest.Wait()
		g.Send(1, packetFor("gateway", 1, 1))
		require.NoError(t, g.Flush(t.Context()))
		require.Equal(t, failed, f.count())
		stream, _ := p.got()
		require.NotZero(t, stream)
		require.LessOrEqual(t, time.Since(at), 2*maxBackoff, "an attempt may begin while the connection is being made")
	})
}
