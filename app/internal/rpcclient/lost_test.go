//go:build linux

package rpcclient

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// tcpUserTimeout is TCP_USER_TIMEOUT, which package syscall does not have.
const tcpUserTimeout = 0x12

// A host that vanishes is what the kernel is told to look for: without, calls to it
// failed for a quarter of an hour.
func TestAVanishedHostIsNoticed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	for name, ping := range map[string]time.Duration{"as it is": 0, "with KeepaliveTime": time.Minute} {
		t.Run(name, func(t *testing.T) {
			dialled := make(chan net.Conn, 1)
			conn, err := grpc.NewClient(listener.Addr().String(), NoticeLoss(ping), grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
					c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
					dialled <- c
					return c, err
				}))
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			_, _ = grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}) // it is connected then
			raw, err := (<-dialled).(*net.TCPConn).SyscallConn()
			require.NoError(t, err)
			limit := 0
			require.NoError(t, raw.Control(func(fd uintptr) {
				limit, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout)
			}))
			require.NoError(t, err)
			require.Equal(t, 10_000, limit, "milliseconds")
		})
	}
}
