package tcpproxy_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

// A silent server's client is connected, and what it asks is not answered, until
// everything passes again.
func TestSilence(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(ln) }()
	defer server.Stop()
	p := tcpproxy.Start(t, ln.Addr().String())
	conn, err := grpc.NewClient(p.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	call := func(ctx context.Context) error {
		_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
		return err
	}
	connected := func(want bool) {
		for s := conn.GetState(); (s == connectivity.Ready) != want; s = conn.GetState() {
			require.True(t, conn.WaitForStateChange(t.Context(), s))
		}
	}

	for _, calls := range []int{1, 3} {
		require.NoError(t, call(t.Context()), "everything passes")
		connected(true)
		ctx, give := context.WithCancel(t.Context())
		errs := make(chan error, calls)
		silent := make(chan struct{})
		go func() { defer close(silent); p.Silence(t, int64(calls)) }()
		connected(false)
		for range calls {
			go func() { errs <- call(ctx) }()
		}
		<-silent
		connected(true)
		give()
		for range calls {
			require.Equal(t, codes.Canceled, status.Code(<-errs))
		}
		p.Restore()
		connected(false)
	}
}
