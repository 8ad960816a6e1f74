package gateway

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tgsession/tgsession/proto/gateway"
)

// inMemory starts a gateway, and has links reach it, in a bubble: what register registers is
// all that it knows. Its time is the bubble's.
func inMemory(t *testing.T, register func(*grpc.Server)) func(*Options) {
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return func(o *Options) {
		o.Dial = func(string) (*grpc.ClientConn, error) {
			return grpc.NewClient("passthrough:///gateway", grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
		}
	}
}

// ending ends each stream with code: at once, or after an answer when it is well.
type ending struct {
	gateway.UnimplementedRPCGatewayStreamServer
	code    codes.Code
	well    atomic.Bool
	streams atomic.Int64
}

// tooMany streams end nothing: a link that opens them without a pause would never let the
// bubble's time pass.
const tooMany = 1000

func (e *ending) GatewayDataStream(stream gateway.RPCGatewayStream_GatewayDataStreamServer) error {
	if e.streams.Add(1) > tooMany {
		<-stream.Context().Done()
	}
	if e.well.Load() {
		in, err := stream.Recv()
		if err != nil {
			return err
		}
		if err = stream.Send(&gateway.GatewayStreamResponse{RequestId: in.GetRequestId(), Success: true}); err != nil {
			return err
		}
	}
	return status.Error(e.code, "not for you")
}

// A gateway that ended each stream at once had its link open ten thousand a second, with
// nothing to send, for ever.
func TestStreamsThatEndAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		code codes.Code
		mode Mode
	}{
		"a token is refused":  {codes.Unauthenticated, Auto},
		"it fails":            {codes.Internal, Auto},
		"it says no more":     {codes.OK, Auto},
		"it goes away":        {codes.Unavailable, Auto},
		"streams are refused": {codes.Unimplemented, Stream},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &ending{code: c.code}
				g, f := newGateways(t, inMemory(t, func(s *grpc.Server) { gateway.RegisterRPCGatewayStreamServer(s, e) }),
					func(o *Options) { o.Mode = c.mode })
				g.Send(1, packetFor("gateway", 1, 0))
				time.Sleep(time.Hour)
				require.LessOrEqual(t, e.streams.Load(), int64(2), "nothing waits")
				require.Equal(t, 1, f.count())
				g.Send(1, packetFor("gateway", 1, 0))
				time.Sleep(minBackoff / 2)
				require.Equal(t, c.code != codes.Unimplemented, f.count() == 1, "it is tried once more, as the first one")
				time.Sleep(time.Hour)
				require.Equal(t, 2, f.count())

				before := e.streams.Load()
				const minute, packets = time.Minute, 6000
				for n := range uint64(packets) {
					g.Send(int64(n), packetFor("gateway", 1, n))
					time.Sleep(minute / packets)
				}
				time.Sleep(g.o.Retry + 2*maxBackoff) // a stream may take a few packets alone: what waits fails after Retry at the latest
				require.Equal(t, 2+packets, f.count())
				require.LessOrEqual(t, e.streams.Load()-before, int64(minute/maxBackoff)+10)

				e.well.Store(true)
				for n := range uint64(20) {
					g.Send(1, packetFor("gateway", 1, n))
					at := time.Now()
					require.NoError(t, g.Flush(t.Context()))
					if n > 0 { // one pause was under way
						require.Less(t, time.Since(at), minBackoff, "after an answer it is trusted")
					}
				}
				require.Equal(t, 2+packets, f.count())
				e.well.Store(false)
				at, streams := time.Now(), e.streams.Load()
				g.Send(1, packetFor("gateway", 1, 0))
				eventually(t, "the failure", func() bool { return f.count() == 3+packets || e.streams.Load() > streams+2 })
				require.Equal(t, 3+packets, f.count())
				require.LessOrEqual(t, time.Since(at), 3*minBackoff, "pauses begin anew")
			})
		})
	}
}
