package session

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/internal/etcdtest"
	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/proto/session"
)

// A node that was stopped for longer than its lease in etcd carried out what waited in
// its sockets, though its clients had repeated it to the node that had their keys
// meanwhile: the BFF did it a second time.
func TestANodeThatWasStoppedRepeatsNothing(t *testing.T) {
	hosts, etcd := etcdtest.Hosts(t), etcdtest.Dial(t)
	key := etcd.Key("session")
	c := startCluster(t)
	b := c.start(func(conf *Config) {
		conf.Etcd = discov.EtcdConf{Hosts: hosts, Key: key}
		conf.Session.PeerTimeout = 300 * time.Millisecond // for a node that is stopped
	})
	p := c.startProcess(t, fmt.Sprintf("Etcd: {Hosts: [%s], Key: %s}", strings.Join(hosts, ", "), key))
	both := func() bool { return len(b.svc.Cluster.Ring().Nodes()) == 2 }
	eventually(t, "both nodes on the ring", both)
	a := &node{rpc: p.rpc}
	perm := keyOf(t, b, p.addr)
	c.bff.on(nearestDCPath, func(context.Context) ([]byte, error) {
		return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "nearestDc"), nil
	})
	d := c.login(a, perm, 77)

	goOn := p.stop()
	stopped := time.Now()
	data, call := d.data(getNearestDC)
	packet := &session.TLSessionSendDataToSession{Data: data}
	taken := make(chan error, 1)
	go func() {
		_, err := p.rpc.SessionSendDataToSession(t.Context(), packet)
		taken <- err
	}()

	// Its lease runs out: the other node takes over, and gets the packet again.
	list, err := etcd.Get(t.Context(), key+"/", clientv3.WithPrefix())
	require.NoError(t, err)
	for _, kv := range list.Kvs {
		if string(kv.Value) == p.addr {
			_, err := etcd.Revoke(t.Context(), clientv3.LeaseID(kv.Lease))
			require.NoError(t, err)
		}
	}
	eventually(t, "one node on the ring", func() bool { return len(b.svc.Cluster.Ring().Nodes()) == 1 })
	_, err = b.rpc.SessionSendDataToSession(t.Context(), packet)
	require.NoError(t, err)
	d.result(call)
	require.Equal(t, 1, c.bff.count(nearestDCPath))

	time.Sleep(time.Until(stopped.Add(4 * time.Second))) // by now it is a pause
	goOn()
	if err := <-taken; err != nil { // the other node's, by the ring of that moment
		requireStatus(t, err, 700, "REDIRECT_TO_"+b.Address())
	}
	eventually(t, "both nodes on the ring", both)
	a.send(t, d, ping)
	d.await("pong", func(m message) bool { return m.constructor() == pong })
	require.Equal(t, 1, c.bff.count(nearestDCPath), "how often the call was made")
}

// What waits for etcd after a pause is answered in time: a gateway gives up a node whose
// answers come too late.
func TestAnAnswerAfterAPauseComesInTime(t *testing.T) {
	proxy := tcpproxy.Start(t, etcdtest.Hosts(t)[0])
	c := startCluster(t)
	p := c.startProcess(t, fmt.Sprintf("Etcd: {Hosts: [%s], Key: %s}", proxy.Addr(), etcdtest.Dial(t).Key("session")))
	proxy.CutSeen(t)
	goOn := p.stop()
	time.Sleep(4 * time.Second) // so long that it is a pause
	goOn()
	err := inTime(t, 2*time.Second, func(ctx context.Context) error {
		_, err := p.rpc.SessionPushUpdatesData(ctx, &session.TLSessionPushUpdatesData{PermAuthKeyId: 1})
		return err
	})
	requireStatus(t, err, 500, "INTERNAL_SERVER_ERROR")

	proxy.Restore()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = p.rpc.SessionPushUpdatesData(ctx, &session.TLSessionPushUpdatesData{PermAuthKeyId: 1})
	require.NoError(t, err)
}

// unrenewed is the lease of a node that cannot reach etcd.
type unrenewed struct{ overdue atomic.Bool }

func (l *unrenewed) Confirm(context.Context) (bool, error) { return true, nil }
func (l *unrenewed) Overdue() bool                         { return l.overdue.Load() }

// A node that etcd has let go, and that does not know it, gives its keys to those who do.
// Before, it took them for its own: another node served a key anew, upon which the client
// repeated its call, and the BFF did it a second time.
func TestANodeThatEtcdHasLetGoGivesItsKeysAway(t *testing.T) {
	c := startCluster(t)
	soon := func(conf *Config) { conf.Session.ReleaseAfter = 100 * time.Millisecond }
	lease := new(unrenewed)
	c.lease = lease
	a := c.start(soon)
	c.lease = nil
	b := c.start(soon)
	both := []string{a.Address(), b.Address()}
	a.svc.Cluster.Update(both)
	b.svc.Cluster.Update(both)
	perm := keyOf(t, a, a.Address())
	hold := make(chan struct{})
	c.bff.on(nearestDCPath, func(context.Context) ([]byte, error) {
		<-hold
		return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "nearestDc"), nil
	})
	d := c.login(a, perm, 77)
	call := a.send(t, d, getNearestDC)
	eventually(t, "at the BFF", func() bool { return c.bff.count(nearestDCPath) == 1 })
	before := d.packets()

	lease.overdue.Store(true)
	b.svc.Cluster.Update(both[1:])
	b.send(t, d, ping)
	d.await("pong", func(m message) bool { return m.constructor() == pong })
	close(hold)
	d.result(call)
	require.Empty(t, d.noticed(before))
	data, _ := d.data(ping) // by a gateway that has not heard of it either
	_, err := a.rpc.SessionSendDataToSession(t.Context(), &session.TLSessionSendDataToSession{Data: data})
	require.NoError(t, err)
	eventually(t, "one node has the key", func() bool { return a.svc.Runloop.Count() == 0 && b.svc.Runloop.Count() == 1 })
	eventually(t, "online at b", func() bool { return c.stat.node(77) == b.Address() })

	lease.overdue.Store(false) // it reaches etcd again, and learns of what it has missed
	a.svc.Cluster.Rejoin()
	b.svc.Cluster.Update(both)
	a.send(t, d, ping)
	eventually(t, "the key is back", func() bool { return a.svc.Runloop.Count() == 1 && b.svc.Runloop.Count() == 0 })
	require.Empty(t, d.noticed(before), "the client has not seen a thing")
	require.Equal(t, 1, c.bff.count(nearestDCPath), "how often the call was made")
	require.Equal(t, 1, d.results(call), "how often it was answered")
}
