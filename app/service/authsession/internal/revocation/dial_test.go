package revocation

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc/metadata"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/proto/session"
)

// A node that was away was looked for ever less often, and not told meanwhile
// though it was back.
func TestANodeThatIsAwayIsLookedForSteadily(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var attempts atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			attempts.Add(1)
			conn.Close()
		}
	}()
	defer func() {
		listener.Close()
		<-done
	}()
	n := notifier(t, listener.Addr().String())
	n.Tell(t.Context(), 777, []int64{1})
	// The sixth attempt came after 12 s at the earliest.
	require.Eventually(t, func() bool { return attempts.Load() >= 6 }, 8*time.Second, 10*time.Millisecond)
}

// Session nodes with Auth ask who calls.
func TestNodesAreToldWithCredentials(t *testing.T) {
	node := testenv.NewSessionNode(t)
	var md metadata.MD
	node.Answer = func(ctx context.Context, _ *session.TLSessionPushUpdatesData) error {
		md, _ = metadata.FromIncomingContext(ctx)
		return nil
	}
	n, err := New(zrpc.RpcClientConf{Endpoints: []string{node.Address}, App: "authsession", Token: "secret"})
	require.NoError(t, err)
	defer n.Close()
	n.wait = time.Minute // a busy machine takes longer than patience
	n.Tell(t.Context(), 777, []int64{5})
	require.Equal(t, ended(777, 5), node.Told())
	require.Equal(t, []string{"authsession"}, md.Get("app"))
	require.Equal(t, []string{"secret"}, md.Get("token"))
}
