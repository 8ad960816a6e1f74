package session

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/session"
)

// An answer in flight when the node is told to stop reaches its client, and
// status hears who is offline.
func TestStopDeliversAnswersInFlight(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	d := c.login(n, permA, 77)
	eventually(t, "online", func() bool { return c.stat.node(77) != "" })
	openStream(t, n) // a gateway's stream does not hold up the end
	hold, asked := make(chan struct{}), make(chan struct{})
	c.bff.on("/mtproto.RPCUsers/users_getUsers", func(context.Context) ([]byte, error) {
		close(asked)
		<-hold
		return nil, nil
	})
	id := n.send(t, d, getUsers)
	<-asked
	stopped := make(chan struct{})
	go func() {
		n.stop()
		close(stopped)
	}()
	select {
	case <-stopped:
		t.Fatal("ended with a call in flight")
	case <-time.After(100 * time.Millisecond):
	}
	close(hold)
	d.result(id)
	<-stopped
	require.Empty(t, c.stat.node(77))
}

// Weakness 49: one status call after the other made the end unbounded.
func TestWeakness49ManyUsersGoOfflineTogether(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	const users = 100
	for user := range int64(users) {
		c.login(n, 1000+user, 77+user)
	}
	eventually(t, "all online", func() bool {
		c.stat.mu.Lock()
		defer c.stat.mu.Unlock()
		return len(c.stat.online) == users
	})
	c.stat.mu.Lock()
	c.stat.delay = 50 * time.Millisecond
	c.stat.mu.Unlock()
	openStream(t, n)
	start := time.Now()
	n.stop()
	require.Less(t, time.Since(start), 4*time.Second, "5 s one by one, beside all else")
	require.Equal(t, users, c.stat.offline)
	require.Empty(t, c.stat.online)
}

// Weakness 49: a node that was about to stop, and off etcd, still made wrappers.
func TestWeakness49NothingNewOnANodeThatStops(t *testing.T) {
	c := startCluster(t)
	a, b := c.start(), c.start()
	for _, n := range []*node{a, b} {
		n.svc.Cluster.Update([]string{a.Address(), b.Address()})
	}
	key := keyOf(t, a, a.Address())
	d := c.login(a, key, 77)
	hold := make(chan struct{})
	c.bff.on("/mtproto.RPCUsers/users_getUsers", func(context.Context) ([]byte, error) { <-hold; return nil, nil })
	a.send(t, d, getUsers)
	eventually(t, "asked", func() bool { return c.bff.count("/mtproto.RPCUsers/users_getUsers") == 1 })
	stopped := make(chan struct{})
	go func() { a.stop(); close(stopped) }()
	defer func() { close(hold); <-stopped }()
	eventually(t, "sent on", func() bool {
		for key++; ; key++ {
			if owner, _ := b.svc.Cluster.Owner(key); owner == a.Address() {
				break
			}
		}
		c.auth.add(key, 0, 0)
		data, _ := c.device(key, 0, key).data(ping)
		_, err := a.rpc.SessionSendDataToSession(t.Context(), &session.TLSessionSendDataToSession{Data: data})
		return status.Convert(err).Message() == "REDIRECT_TO_"+b.Address()
	})
}

func TestStopIsBounded(t *testing.T) {
	c := startCluster(t)
	n := c.start(func(conf *Config) { conf.DrainTime = 200 * time.Millisecond })
	d := c.login(n, permA, 77)
	c.bff.on("/mtproto.RPCUsers/users_getUsers", func(ctx context.Context) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	n.send(t, d, getUsers)
	eventually(t, "asked", func() bool { return c.bff.count("/mtproto.RPCUsers/users_getUsers") == 1 })
	start := time.Now()
	n.stop()
	require.Less(t, time.Since(start), 4*time.Second)
}
