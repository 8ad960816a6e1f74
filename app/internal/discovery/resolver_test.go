package discovery

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/etcdtest"
	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

// serve runs a server that answers health checks.
func serve(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(g, health.NewServer())
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	return l.Addr().String()
}

// client is a zrpc client of a service that etcd lists.
func client(t *testing.T, r *Resolver, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options := []zrpc.ClientOption{zrpc.WithDialOption(grpc.WithResolvers(r))}
	for _, o := range opts {
		options = append(options, zrpc.WithDialOption(o))
	}
	c, err := zrpc.NewClient(zrpc.RpcClientConf{Target: r.Target(), NonBlock: true}, options...)
	require.NoError(t, err)
	t.Cleanup(func() { c.Conn().Close() })
	return c.Conn()
}

// who answers a call.
func who(conn *grpc.ClientConn) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	var p peer.Peer
	_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, new(grpc_health_v1.HealthCheckRequest), grpc.Peer(&p))
	if err != nil {
		return "", err
	}
	return p.Addr.String(), nil
}

func awaitAnswer(t *testing.T, conn *grpc.ClientConn, addr string) {
	t.Helper()
	require.Eventually(t, func() bool { from, _ := who(conn); return from == addr }, soon, 5*time.Millisecond)
}

func TestCallsGoWhereEtcdSays(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("resolved")
	r, err := NewResolver(t.Context(), discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key}, soon)
	require.NoError(t, err)
	defer r.Close()
	conn := client(t, r)
	require.Equal(t, "etcd:///"+key, conn.Target())
	began := time.Now()
	_, err = who(conn)
	require.Equal(t, codes.Unavailable, status.Code(err), "nobody is there: %v", err)
	require.Less(t, time.Since(began), soon/2)

	a, b := serve(t), serve(t)
	etcd.Set(key+"/1", a)
	awaitAnswer(t, conn, a)
	etcd.Set(key+"/2", b)
	etcd.Unset(key + "/1")
	awaitAnswer(t, conn, b)
	etcd.Unset(key + "/2")
	etcd.Set(key+"/3", a)
	awaitAnswer(t, conn, a)
}

// An etcd that is gone, or has lost its data, costs no address; nor does it
// hold up the end of a connection.
func TestAddressesOutliveEtcd(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("outlive")
	a := serve(t)
	etcd.Set(key+"/1", a)
	proxy := tcpproxy.Start(t, etcdtest.Hosts(t)[0])
	r, err := NewResolver(t.Context(), discov.EtcdConf{Hosts: []string{proxy.Addr()}, Key: key}, soon)
	require.NoError(t, err)
	defer r.Close()
	conn := client(t, r, grpc.WithIdleTimeout(50*time.Millisecond))
	awaitAnswer(t, conn, a)

	etcd.Unset(key + "/1")
	for _, stage := range []func(){func() {}, func() { proxy.CutSeen(t) }, func() { proxy.Silence(t, 1) }} {
		stage()
		require.Eventually(t, func() bool { return conn.GetState() == connectivity.Idle }, soon, 5*time.Millisecond)
		from, err := who(conn) // builds the resolver anew
		require.NoError(t, err)
		require.Equal(t, a, from)
	}
	promptly(t, "Close", func() { conn.Close() })
	promptly(t, "Close", r.Close)
}

type toldConn struct {
	resolver.ClientConn
	addrs map[string]bool
}

func (c *toldConn) UpdateState(s resolver.State) error {
	c.addrs = map[string]bool{}
	for _, a := range s.Addresses {
		c.addrs[a.Addr] = true
	}
	return nil
}

// A client of a large service connects to some of its nodes, and stays with
// them as others come and go.
func TestALargeServiceIsUsedInPart(t *testing.T) {
	etcd := etcdtest.Dial(t)
	r, err := NewResolver(t.Context(), discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: etcd.Key("large")}, soon)
	require.NoError(t, err)
	defer r.Close()
	conn := new(toldConn)
	built, err := r.Build(resolver.Target{}, conn, resolver.BuildOptions{})
	require.NoError(t, err)
	defer built.Close()
	var nodes []string
	for i := range 100 {
		nodes = append(nodes, fmt.Sprintf("10.0.0.%d:1", i))
	}
	r.update(nodes[:99])
	require.Len(t, conn.addrs, subset)
	before := conn.addrs
	r.update(nodes)
	require.Len(t, conn.addrs, subset)
	for a := range before {
		if !conn.addrs[a] {
			delete(before, a)
		}
	}
	require.GreaterOrEqual(t, len(before), subset-1, "one gave way at most")
}
