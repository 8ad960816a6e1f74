package doctor

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/zrpc"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tgsession/tgsession/app/internal/etcdtest"
	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/status"
)

func TestMain(m *testing.M) {
	logx.Disable()
	m.Run()
}

// serve serves something for as long as the test runs.
func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := grpc.NewServer()
	register(g)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	return l.Addr().String()
}

func serveGateway(g *grpc.Server) {
	gateway.RegisterRPCGatewayServer(g, gateway.UnimplementedRPCGatewayServer{})
}

// peer is a gateway that etcd lists under key.
func peer(t *testing.T, key string) Peer {
	return Peer{
		Name: "gateway", Path: "GatewayClient", Client: zrpc.RpcClientConf{Etcd: discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key}},
		Absent: Fault, Start: "start a gateway", Ask: AskWhether(gateway.RPCGateway_ServiceDesc.ServiceName),
	}
}

// findings are those of the peer's checks, and what is said where nothing is wrong.
func findings(t *testing.T, p Peer) (list []Line) {
	t.Helper()
	return Run(t.Context(), "none.yaml", append(Etcds([]Peer{p}), p.Checks()...), func(Line) {}).Checks
}

func worst(list []Line) Line {
	for _, grade := range []Grade{Fault, Warn} {
		for _, l := range list {
			if l.Grade == grade {
				return l
			}
		}
	}
	return Line{}
}

func TestNodesThatAreThere(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("gateway")
	one, two := serve(t, serveGateway), serve(t, serveGateway)
	etcd.Set(key+"/1", one)
	etcd.Set(key+"/2", two)
	var listed []string
	p := peer(t, key)
	p.Listed = func(addresses []string) { listed = addresses }
	list := findings(t, p)
	require.Empty(t, worst(list))
	require.Len(t, list, 4)
	require.Equal(t, "1 of 1 hosts answer, of one cluster", list[0].Text)
	require.Contains(t, list[1].Text, "2 under "+key)
	require.ElementsMatch(t, []string{one, two}, listed)

	list = findings(t, Peer{Name: "gateway", Client: zrpc.RpcClientConf{Endpoints: []string{one}}, Ask: p.Ask})
	require.Empty(t, worst(list))
	require.Len(t, list, 2, "no etcd is asked")
}

// What is said of each way in which a list of nodes may be wrong.
func TestNodesThatAreNot(t *testing.T) {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("gateway")
	dead := func() string { return freeport.Address(t) }
	lease := func(seconds int64) clientv3.LeaseID {
		granted, err := etcd.Grant(t.Context(), seconds)
		require.NoError(t, err)
		return granted.ID
	}
	listed := func(address string, id clientv3.LeaseID) {
		_, err := etcd.Put(t.Context(), fmt.Sprintf("%s/%d", key, id), address, clientv3.WithLease(id))
		require.NoError(t, err)
	}
	for _, tc := range []struct {
		name    string
		prepare func(p *Peer)
		grade   Grade
		text    string
		key     string
		fix     string
	}{
		{"nobody is registered", func(*Peer) {}, Fault, "nobody is registered under " + key, "GatewayClient.Etcd.Key", "start a gateway"},
		{"another key is meant", func(p *Peer) {
			etcd.Set(key+"/1", dead())
			p.Client.Etcd.Key = key + "x"
		}, Fault, "nobody is registered under " + key + "x", "GatewayClient.Etcd.Key", "or set " + key + ", which is registered"},
		{"etcd is away", func(p *Peer) { p.Client.Etcd.Hosts = []string{dead()} }, Fault, "does not answer", "GatewayClient.Etcd.Hosts[0]", "start etcd there"},
		{"one of two hosts of etcd is away", func(p *Peer) {
			etcd.Set(key+"/1", serve(t, serveGateway))
			p.Client.Etcd.Hosts = append([]string{dead()}, p.Client.Etcd.Hosts...)
		}, Warn, "does not answer", "GatewayClient.Etcd.Hosts[0]", "start etcd there"},
		{"a dead node without a lease", func(*Peer) { etcd.Set(key+"/1", dead()) }, Fault, "is registered without a lease", "", "etcdctl del " + key + "/1"},
		{"a node that has crashed", func(*Peer) { listed(dead(), lease(10)) }, Warn, "nobody renews its registration", "", ""},
		{"one that stays listed for long", func(*Peer) { listed(dead(), lease(600)) }, Fault, "nobody renews its registration", "", "etcdctl lease revoke "},
		{"one that is gone while it is watched", func(*Peer) {
			id := lease(600)
			listed(dead(), id)
			time.AfterFunc(4*time.Second, func() { _, _ = etcd.Revoke(context.Background(), id) })
		}, Warn, "etcd has dropped it meanwhile", "", ""},
		{"a node that lives where nobody can reach it", func(*Peer) {
			id := lease(10)
			listed(dead(), id)
			_, err := etcd.KeepAlive(t.Context(), id)
			require.NoError(t, err)
		}, Fault, "renews its lease and does not answer", "", "see whether it hangs"},
		{"a node that hangs", func(*Peer) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { l.Close() })
			etcd.Set(key+"/1", l.Addr().String())
		}, Fault, "is registered without a lease", "", ""},
		{"no address at all", func(*Peer) { etcd.Set(key+"/1", "fd00::1:20450") }, Fault, "is no address that can be dialled", "", "POD_IP"},
		{"another service", func(*Peer) {
			etcd.Set(key+"/1", serve(t, func(g *grpc.Server) { status.RegisterRPCStatusServer(g, status.UnimplementedRPCStatusServer{}) }))
		}, Fault, "does not serve gateway.RPCGateway", "", "see what is registered there"},
		{"a node that goes down", func(*Peer) {
			h := health.NewServer()
			etcd.Set(key+"/1", serve(t, func(g *grpc.Server) { serveGateway(g); grpc_health_v1.RegisterHealthServer(g, h) }))
			h.Shutdown()
		}, Warn, "is going down", "", ""},
		{"an endpoint that nobody serves", func(p *Peer) { p.Client.Endpoints = []string{dead()} }, Fault, "does not answer", "GatewayClient.Endpoints", "start it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := etcd.Delete(t.Context(), key+"/", clientv3.WithPrefix())
			require.NoError(t, err)
			p := peer(t, key)
			tc.prepare(&p)
			found := worst(findings(t, p))
			require.Equal(t, tc.grade, found.Grade, "%+v", found)
			require.Contains(t, found.Text, tc.text)
			require.Equal(t, tc.key, found.Key)
			require.Contains(t, found.Fix, tc.fix)
		})
	}
}
