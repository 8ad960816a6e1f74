package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/etcdtest"
	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/proto/session"
)

// Two nodes find each other in etcd, share the keys, and take over from one
// that leaves; packets never go round in circles.
func TestNodesFindEachOtherInEtcd(t *testing.T) {
	hosts, key := etcdtest.Hosts(t), etcdtest.Dial(t).Key("session")
	c := startCluster(t)
	withEtcd := func(conf *Config) { conf.Etcd = discov.EtcdConf{Hosts: hosts, Key: key} }
	a := c.start(withEtcd)
	require.Equal(t, []string{a.Address()}, a.svc.Cluster.Ring().Nodes())
	b := c.start(withEtcd)
	for _, n := range []*node{a, b} {
		eventually(t, "both nodes on the ring", func() bool { return len(n.svc.Cluster.Ring().Nodes()) == 2 })
	}

	foreign := keyOf(t, a, b.Address())
	d := c.login(b, foreign, 77)
	data, _ := d.data(ping)
	_, err := a.rpc.SessionSendDataToSession(t.Context(), &session.TLSessionSendDataToSession{Data: data})
	requireStatus(t, err, 700, "REDIRECT_TO_"+b.Address())

	b.stop()
	eventually(t, "a owns all keys", func() bool {
		data, _ := d.data(ping)
		_, err := a.rpc.SessionSendDataToSession(t.Context(), &session.TLSessionSendDataToSession{Data: data})
		if err != nil {
			require.EqualValues(t, 700, status.Code(err))
		}
		return err == nil
	})
	d.await("pong of the other node", func(m message) bool { return m.constructor() == pong })
}

// The connection to etcd breaks, and breaks again before a node has caught up:
// it follows its peers all the same, finds its services, and stops in time.
func TestNodeSurvivesAnEtcdThatBreaksTwice(t *testing.T) {
	etcd := etcdtest.Dial(t)
	proxy := tcpproxy.Start(t, etcdtest.Hosts(t)[0])
	find := func(name string) discov.EtcdConf {
		return discov.EtcdConf{Hosts: []string{proxy.Addr()}, Key: etcd.Key(name)}
	}
	c := startCluster(t)
	nodes, auths, gateways := find("session"), find("authsession"), find("gateway")
	etcd.Set(gateways.Key+"/1", c.addr["gateway"])
	n := c.start(func(conf *Config) {
		conf.Etcd = nodes
		conf.AuthSession.Etcd, conf.AuthSession.Endpoints = auths, nil
		conf.GatewayClient.Etcd, conf.GatewayClient.Endpoints = gateways, nil
	})
	defer func() {
		stopped := make(chan struct{})
		go func() { n.stop(); close(stopped) }()
		select {
		case <-stopped:
		case <-time.After(10 * time.Second):
			t.Fatal("the node does not stop")
		}
		require.NotContains(t, etcd.Values(nodes.Key), n.Address())
	}()

	proxy.CutSeen(t)
	proxy.Silence(t, 6) // of those who follow services, and of who keeps the node registered
	proxy.CutSeen(t)
	proxy.Restore()
	etcd.Set(nodes.Key+"/1", "127.0.0.1:1")
	etcd.Set(auths.Key+"/1", c.addr["authsession"])
	eventually(t, "the other node on the ring", func() bool { return n.svc.Cluster.Ring().Has("127.0.0.1:1") })
	c.auth.add(permA, 0, 0)
	eventually(t, "authsession found", func() bool {
		_, err := n.rpc.SessionQueryAuthKey(t.Context(), &session.TLSessionQueryAuthKey{AuthKeyId: permA})
		return err == nil
	})
}
