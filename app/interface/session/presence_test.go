package session

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/internal/etcdtest"
	"github.com/tgsession/tgsession/proto/session"
)

// fetch waits until the client is told to fetch the difference.
func (d *device) fetch() {
	d.c.t.Helper()
	d.await("updatesTooLong", func(m message) bool { return m.constructor() == 0xe317af7e })
}

// push pushes an update to a key through a node.
func (n *node) push(t testing.TB, key int64) {
	t.Helper()
	_, err := n.rpc.SessionPushUpdatesData(t.Context(), &session.TLSessionPushUpdatesData{PermAuthKeyId: key, Updates: updateShort})
	require.NoError(t, err)
}

// updateShort is an update as sync has it: updateConfig (PEERS.md, "Objects").
var updateShort = func() []byte {
	inside := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "updateConfig")
	b := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "updateShort")
	b = protowire.AppendVarint(protowire.AppendTag(b, 12, protowire.VarintType), 1)
	return protowire.AppendBytes(protowire.AppendTag(b, 20, protowire.BytesType), inside)
}()

// hears waits until the client gets that update.
func (d *device) hears() {
	d.c.t.Helper()
	d.await("update", func(m message) bool { return m.constructor() == 0x78d4dec1 })
}

// A client was told nothing of what it had missed while its connection was down,
// when it came back into its session.
func TestClientThatComesBackIsToldToFetch(t *testing.T) {
	c := startCluster(t)
	n := c.start(func(conf *Config) { conf.Session.OfflineAfter = 50 * time.Millisecond })
	d := c.login(n, permA, 77)
	eventually(t, "online", func() bool { return c.stat.node(77) == n.Address() })
	_, err := n.rpc.SessionCloseSession(t.Context(), &session.TLSessionCloseSession{Client: &session.SessionClientEvent{
		ServerId: c.addr["gateway"], AuthKeyId: permA, PermAuthKeyId: permA, SessionId: d.session,
	}})
	require.NoError(t, err)
	eventually(t, "offline", func() bool { return c.stat.node(77) == "" })
	d.met = false // a new connection
	n.send(t, d, ping)
	d.fetch()
	require.Equal(t, n.Address(), c.stat.node(77))
}

// After a restart a client that only pinged got no updates: the new process did
// not know its session, and status not the user.
func TestClientThatOnlyPingsHasUpdatesAfterARestart(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	d := c.login(n, permA, 77)
	n.stop()
	n = c.start()
	n.send(t, d, ping)
	d.fetch()
	require.Equal(t, n.Address(), c.stat.node(77))
	n.push(t, permA)
	d.hears()
}

// Status forgot a key, or was told wrong by another node, and nobody noticed for
// three quarters of a minute.
func TestStatusThatForgetsIsToldAgain(t *testing.T) {
	for name, forget := range map[string]func(*cluster){
		"it is flushed": func(c *cluster) { c.stat.flush() },
		"another node goes on announcing the key": func(c *cluster) { c.stat.put(77, permA, "10.0.0.9:20120") },
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t)
			n := c.start()
			d := c.login(n, permA, 77)
			eventually(t, "online", func() bool { return c.stat.node(77) == n.Address() })
			forget(c)
			began := time.Now()
			eventually(t, "online again", func() bool { return c.stat.node(77) == n.Address() })
			require.Less(t, time.Since(began), 12*time.Second)
			d.fetch()
		})
	}
}

// A status that was away for longer than an entry lives left clients without
// updates, and told nobody.
func TestStatusOutageIsTold(t *testing.T) {
	c := startCluster(t)
	n := c.start(func(conf *Config) {
		conf.Session.OnlineEvery, conf.Session.OnlineFor = 300*time.Millisecond, 2*time.Second
	})
	d := c.login(n, permA, 77)
	eventually(t, "online", func() bool { return c.stat.node(77) == n.Address() })
	c.stat.fail(true)
	began := time.Now()
	eventually(t, "the entry has run out", func() bool { return time.Since(began) > 3*time.Second })
	c.stat.flush()
	c.stat.fail(false)
	eventually(t, "online again", func() bool { return c.stat.node(77) == n.Address() })
	d.fetch()
}

// A node that stops beside another left its entries in status behind, and one
// that gave keys to another took their clients out of it: pushes went nowhere
// until each client had sent something to its new node.
func TestPresenceGoesToTheNewOwner(t *testing.T) {
	for name, move := range map[string]func(a, b *node, both []string){
		"of a node that stops": func(a, b *node, both []string) {
			b.svc.Cluster.Update(both[1:])
			a.stop()
		},
		"of a node that has another beside it now": func(a, b *node, both []string) {
			b.svc.Cluster.Update(both)
			a.svc.Cluster.Update(both)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t)
			soon := func(conf *Config) { conf.Session.ReleaseAfter = 50 * time.Millisecond }
			a, b := c.start(soon), c.start(soon)
			both := []string{a.Address(), b.Address()}
			a.svc.Cluster.Update(both)
			key := keyOf(t, a, b.Address())
			if name == "of a node that stops" {
				key = keyOf(t, a, a.Address())
			} else {
				a.svc.Cluster.Update(both[:1])
			}
			d := c.login(a, key, 77)
			eventually(t, "online at a", func() bool { return c.stat.node(77) == a.Address() })
			move(a, b, both)
			eventually(t, "online at b", func() bool { return c.stat.node(77) == b.Address() })
			b.push(t, key)
			d.hears() // and is told of no gap before
		})
	}
}

// A node that stops takes back what status still says of it, where the node that
// has its keys does not announce them: a stock one does so when a client asks it
// for the state of updates, and till then sync logs a stale gateway a push.
func TestStoppingNodeTakesBackItsEntries(t *testing.T) {
	c := startCluster(t)
	a := c.start()
	const stock = "127.0.0.1:1"
	a.svc.Cluster.Update([]string{a.Address(), stock})
	mine := keyOf(t, a, a.Address())
	other := mine + 1
	for a.svc.Cluster.Ring().Owner(other) != a.Address() {
		other++
	}
	c.login(a, mine, 77)
	c.login(a, other, 78)
	eventually(t, "online at a", func() bool { return c.stat.node(77) == a.Address() && c.stat.node(78) != "" })
	c.stat.put(78, other, stock)
	a.stop()
	require.Empty(t, c.stat.node(77))
	require.Equal(t, stock, c.stat.node(78), "not what is another's")
}

// A node that stopped was gone at once: a push that sync had begun was lost, and
// sync never used the address again.
//
// A node goes when it was not called for a second. A machine that has much to do may keep the
// test from calling for so long: then it is begun anew.
func TestStoppingNodeTakesTheLastPushes(t *testing.T) {
	for range 5 {
		if lastPushesAreTaken(t) {
			return
		}
	}
	t.Fatal("the test was held up each time")
}

// lastPushesAreTaken fails when a node that stops does not take pushes; false: none was
// made for so long that the node may have gone.
func lastPushesAreTaken(t *testing.T) bool {
	etcd := etcdtest.Dial(t)
	key := etcd.Key("session")
	c := startCluster(t)
	n := c.start(func(conf *Config) { conf.Etcd = discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: key} })
	c.login(n, permA, 77)
	// Sync as it is: it holds the address, and calls while it thinks the node
	// there, which is a second longer than etcd does.
	conn, err := grpc.NewClient(n.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	sync := session.NewRPCSessionClient(conn)
	call := func() error {
		_, err := sync.SessionPushUpdatesData(t.Context(), &session.TLSessionPushUpdatesData{PermAuthKeyId: permA, Updates: updateShort})
		return err
	}
	require.NoError(t, call())
	stopped := make(chan struct{})
	last := time.Now()
	go func() { n.stop(); close(stopped) }()
	eventually(t, "gone from etcd", func() bool { return len(etcd.Values(key)) == 0 })
	for left := time.Now(); time.Since(left) < time.Second; time.Sleep(100 * time.Millisecond) {
		err := call()
		if err != nil && time.Since(last) > 900*time.Millisecond {
			return false
		}
		require.NoError(t, err)
		last = time.Now()
	}
	select {
	case <-stopped:
	case <-time.After(6 * time.Second): // one that is called for ever goes after eight
		t.Fatal("a node that nobody calls any more does not stop")
	}
	require.Equal(t, codes.Unavailable, status.Code(call()))
	return true
}

// Sync that never lets go does not keep a node for ever.
func TestStopIsBoundedThoughPushesCome(t *testing.T) {
	etcd := etcdtest.Dial(t)
	c := startCluster(t)
	n := c.start(func(conf *Config) {
		conf.Etcd = discov.EtcdConf{Hosts: etcdtest.Hosts(t), Key: etcd.Key("session")}
	})
	var ended atomic.Bool
	go func() {
		for !ended.Load() {
			_, _ = n.rpc.SessionPushUpdatesData(context.Background(), &session.TLSessionPushUpdatesData{PermAuthKeyId: permA})
			time.Sleep(10 * time.Millisecond)
		}
	}()
	defer ended.Store(true)
	began := time.Now()
	n.stop()
	require.Less(t, time.Since(began), 10*time.Second)
}

// A gateway's stream ends without an error when the node stops.
func TestStreamsEndCleanly(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	s := openStream(t, n)
	require.NotNil(t, s.ask(&session.SessionStreamRequest{RequestId: "a"}).GetError())
	n.stop()
	_, err := s.rpc.Recv()
	require.ErrorIs(t, err, io.EOF)
}
