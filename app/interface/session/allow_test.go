package session

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/session"
)

// callFrom connects to a node from an address of this host.
func callFrom(t testing.TB, n *node, ip string) *grpc.ClientConn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := grpc.NewClient(n.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) }))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// The port asks nobody who he is; AllowPeers says who may call it at all.
func TestAllowPeers(t *testing.T) {
	for name, tc := range map[string]struct {
		allowed []string
		served  bool
	}{
		"none":              {nil, true},
		"its address":       {[]string{"10.0.0.0/8", "127.0.0.2"}, true},
		"its network":       {[]string{"127.0.0.0/8"}, true},
		"another's address": {[]string{"127.0.0.1", "10.0.0.0/8"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t)
			n := c.start(func(conf *Config) { conf.AllowPeers = tc.allowed })
			key := c.auth.add(permA, 0, 0)
			conn := callFrom(t, n, "127.0.0.2")
			_, err := session.NewRPCSessionClient(conn).SessionQueryAuthKey(t.Context(), &session.TLSessionQueryAuthKey{AuthKeyId: key})
			stream, openErr := session.NewRPCSessionStreamClient(conn).SessionDataStream(t.Context())
			require.NoError(t, openErr)
			_ = stream.Send(&session.SessionStreamRequest{RequestId: "1", Payload: &session.SessionStreamRequest_QueryAuthKey{
				QueryAuthKey: &session.TLSessionQueryAuthKey{AuthKeyId: key},
			}})
			_, streamErr := stream.Recv()
			if tc.served {
				require.NoError(t, err)
				require.NoError(t, streamErr)
				return
			}
			requireStatus(t, err, codes.PermissionDenied, "PEER_NOT_ALLOWED")
			requireStatus(t, streamErr, codes.PermissionDenied, "PEER_NOT_ALLOWED")
			_, err = grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
			require.NotEqual(t, codes.PermissionDenied, status.Code(err), "orchestrators may come from anywhere")
		})
	}
}
