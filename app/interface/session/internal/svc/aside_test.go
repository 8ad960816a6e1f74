package svc

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/interface/session/internal/gateway"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	gatewaypb "github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// counting counts the connections that it accepts.
type counting struct {
	net.Listener
	n atomic.Int64
}

func (c *counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.n.Add(1)
	}
	return conn, err
}

type taking struct {
	gatewaypb.UnimplementedRPCGatewayServer
}

func (taking) GatewaySendDataToGateway(context.Context, *gatewaypb.TLGatewaySendDataToGateway) (*mtproto.Bool, error) {
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

// The connection for bulky packets had another one beside it, for short calls, that no call
// ever used.
func TestBulkyPacketsHaveOneConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	connections := &counting{Listener: listener}
	server := grpc.NewServer()
	gatewaypb.RegisterRPCGatewayServer(server, taking{})
	go func() { _ = server.Serve(connections) }()
	t.Cleanup(server.Stop)

	var c zrpc.RpcClientConf
	g := gateway.New(gateway.Options{
		Dial:      func(id string) (*grpc.ClientConn, error) { return dialGateway(c, id) },
		DialAside: func(id string) (*grpc.ClientConn, error) { return dialTo(c, id) },
		Failed:    func(int64, sess.Send) { t.Error("a packet failed") },
		Mode:      gateway.Unary, QueueItems: 1000, QueueBytes: 64 << 20, Timeout: time.Minute,
	})
	defer g.Close()
	send := func(size int) {
		g.Send(1, sess.Send{ServerID: listener.Addr().String(), SessionID: 1, Payload: make([]byte, size)})
		require.NoError(t, g.Flush(t.Context()))
	}
	for range 50 {
		send(1 << 20)
	}
	require.Eventually(t, func() bool { return connections.n.Load() >= 2 }, time.Minute, time.Millisecond, "each is made when it suits it")
	require.EqualValues(t, 2, connections.n.Load(), "theirs, and that of all others")
	for deadline := time.Now().Add(time.Minute); connections.n.Load() < 3; send(100) {
		require.True(t, time.Now().Before(deadline), "short calls have one")
	}
}
