package integration

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/mtproto"
	statuspb "github.com/tgsession/tgsession/proto/status"
)

func boolean(v bool) *mtproto.Bool {
	if v {
		return &mtproto.Bool{PredicateName: "boolTrue", Constructor: mtproto.TLConstructor_CRC32_boolTrue}
	}
	return &mtproto.Bool{PredicateName: "boolFalse", Constructor: mtproto.TLConstructor_CRC32_boolFalse}
}

// peer is a peer of the services that a test plays.
type peer struct {
	addr   string
	server *grpc.Server
	leave  func() // takes it out of etcd
}

// serve runs a gRPC server on loopback and registers it in etcd under key,
// as a stock peer does.
func (s *stores) serve(t testing.TB, key string, register func(*grpc.Server), opts ...grpc.ServerOption) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &peer{addr: l.Addr().String(), server: grpc.NewServer(opts...)}
	register(p.server)
	go func() { _ = p.server.Serve(l) }()
	t.Cleanup(p.server.Stop)
	lease, err := s.Disc.Grant(t.Context(), 600)
	require.NoError(t, err)
	_, err = s.Disc.Put(t.Context(), key+"/"+strconv.FormatInt(int64(lease.ID), 10), p.addr, clientv3.WithLease(lease.ID))
	require.NoError(t, err)
	p.leave = func() { _, _ = s.Disc.Revoke(context.Background(), lease.ID) }
	t.Cleanup(p.leave)
	return p
}

// connKey is what a gateway looks connections up by.
type connKey struct{ authKeyID, sessionID int64 }

// gatewayRole is a gateway: it keeps what session sends to the connections
// that the test opened.
type gatewayRole struct {
	gateway.UnimplementedRPCGatewayServer
	*peer
	streams atomic.Int32 // that session holds open

	mu    sync.Mutex
	conns map[connKey]chan []byte
	block chan struct{} // while set, every delivery waits for it
}

func (s *stores) playGateway(t testing.TB, stream bool) *gatewayRole {
	g := &gatewayRole{conns: map[connKey]chan []byte{}}
	g.peer = s.serve(t, "interface.gateway", func(server *grpc.Server) {
		gateway.RegisterRPCGatewayServer(server, g)
		if stream {
			gateway.RegisterRPCGatewayStreamServer(server, &gatewayStreamRole{g: g})
		}
	})
	return g
}

func (g *gatewayRole) open(k connKey) chan []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns[k] == nil {
		g.conns[k] = make(chan []byte, 1<<12)
	}
	return g.conns[k]
}

func (g *gatewayRole) close(k connKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, k)
}

// hold makes every delivery wait until the returned function is called.
func (g *gatewayRole) hold() (release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	block := make(chan struct{})
	g.block = block
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.block = nil
		close(block)
	}
}

func (g *gatewayRole) deliver(ctx context.Context, in *gateway.TLGatewaySendDataToGateway) bool {
	g.mu.Lock()
	block := g.block
	conn := g.conns[connKey{in.AuthKeyId, in.SessionId}]
	g.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return false
		}
	}
	if conn == nil {
		return false
	}
	select {
	case conn <- in.Payload:
		return true
	default:
		return false
	}
}

func (g *gatewayRole) GatewaySendDataToGateway(ctx context.Context, in *gateway.TLGatewaySendDataToGateway) (*mtproto.Bool, error) {
	return boolean(g.deliver(ctx, in)), nil
}

// gatewayStreamRole is the streaming form of a gateway.
type gatewayStreamRole struct {
	gateway.UnimplementedRPCGatewayStreamServer
	g *gatewayRole
}

func (s *gatewayStreamRole) GatewayDataStream(stream gateway.RPCGatewayStream_GatewayDataStreamServer) error {
	s.g.streams.Add(1)
	defer s.g.streams.Add(-1)
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.g.deliver(stream.Context(), in.GetSendData())
		if err := stream.Send(&gateway.GatewayStreamResponse{RequestId: in.RequestId, Success: true}); err != nil {
			return err
		}
	}
}

// statusRole is a status service that remembers who was told online.
type statusRole struct {
	statuspb.UnimplementedRPCStatusServer

	mu     sync.Mutex
	online map[int64]*statuspb.SessionEntry // by perm key
	gone   map[int64]int                    // how often a key was reported offline
}

func (s *stores) playStatus(t testing.TB) *statusRole {
	r := &statusRole{online: map[int64]*statuspb.SessionEntry{}, gone: map[int64]int{}}
	s.serve(t, "service.status", func(server *grpc.Server) { statuspb.RegisterRPCStatusServer(server, r) })
	return r
}

func (r *statusRole) StatusSetSessionOnline(_ context.Context, in *statuspb.TLStatusSetSessionOnline) (*mtproto.Bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.online[in.Session.AuthKeyId] = in.Session
	return boolean(true), nil
}

func (r *statusRole) StatusSetSessionOffline(_ context.Context, in *statuspb.TLStatusSetSessionOffline) (*mtproto.Bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.online, in.AuthKeyId)
	r.gone[in.AuthKeyId]++
	return boolean(true), nil
}

func (r *statusRole) entry(permKey int64) *statuspb.SessionEntry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.online[permKey]
}
