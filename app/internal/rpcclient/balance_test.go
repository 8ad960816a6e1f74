package rpcclient

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
)

// peer is a server that counts its calls.
type peer struct {
	grpc_health_v1.UnimplementedHealthServer
	addr  string
	calls atomic.Int64
	check func(ctx context.Context) error
}

func (p *peer) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	p.calls.Add(1)
	if p.check != nil {
		if err := p.check(ctx); err != nil {
			return nil, err
		}
	}
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

func startPeer(t *testing.T) *peer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	p := &peer{addr: listener.Addr().String()}
	grpc_health_v1.RegisterHealthServer(server, p)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return p
}

func TestBalancerOfConfiguration(t *testing.T) {
	for name, want := range map[string]string{"": loneBalancer, "p2c_ewma": loneBalancer, "consistent_hash": "consistent_hash", "round_robin": "round_robin"} {
		require.Equal(t, want, Balancer(name), name)
	}
}

// One address leaves no choice; of several go-zero's balancer picks, also when there
// was one before, or is one again.
func TestOneAddressIsNotWeighed(t *testing.T) {
	a, b := startPeer(t), startPeer(t)
	r := manual.NewBuilderWithScheme("lone")
	addresses := func(peers ...*peer) (s resolver.State) {
		for _, p := range peers {
			s.Addresses = append(s.Addresses, resolver.Address{Addr: p.addr})
		}
		return s
	}
	r.InitialState(addresses(a))
	client, err := zrpc.NewClient(zrpc.RpcClientConf{Target: "lone:///x", NonBlock: true, BalancerName: Balancer("")},
		zrpc.WithDialOption(grpc.WithResolvers(r)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Conn().Close() })
	rpc := grpc_health_v1.NewHealthClient(client.Conn())
	until := func(what string, done func() bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for !done() {
			_, err := rpc.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
			require.NoError(t, err, what)
		}
	}
	until("the first", func() bool { return a.calls.Load() == 100 })
	require.Zero(t, b.calls.Load())
	r.UpdateState(addresses(a, b))
	// An address that was slow once is picked once in a second by go-zero's balancer.
	until("both", func() bool { return b.calls.Load() >= 3 && a.calls.Load() >= 103 })
	r.UpdateState(addresses(b))
	var before int64
	until("the other alone", func() bool {
		if a.calls.Load() != before { // a call that was on its way
			before = a.calls.Load()
			b.calls.Store(0)
		}
		return b.calls.Load() == 100
	})
}

// A peer that comes back at the same address is found again.
func TestTheOneAddressComesBack(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	serve := func(l net.Listener) *grpc.Server {
		s := grpc.NewServer()
		grpc_health_v1.RegisterHealthServer(s, health.NewServer())
		go func() { _ = s.Serve(l) }()
		return s
	}
	server := serve(listener)
	client, err := zrpc.NewClient(zrpc.RpcClientConf{Endpoints: []string{addr}, NonBlock: true, BalancerName: Balancer("")}, zrpc.WithDialOption(Reconnect()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Conn().Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	rpc := grpc_health_v1.NewHealthClient(client.Conn())
	check := func(opts ...grpc.CallOption) error {
		_, err := rpc.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, opts...)
		return err
	}
	require.NoError(t, check(grpc.WaitForReady(true)))
	server.Stop()
	for status.Code(check()) != codes.Unavailable {
		require.NoError(t, ctx.Err())
	}
	for {
		if listener, err = net.Listen("tcp", addr); err == nil {
			break
		}
		require.NoError(t, ctx.Err())
	}
	t.Cleanup(serve(listener).Stop)
	require.NoError(t, check(grpc.WaitForReady(true)))
}

func dialPlain(t *testing.T, addr string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
