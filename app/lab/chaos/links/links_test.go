package links_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/tgsession/tgsession/app/lab/chaos/links"
	"github.com/tgsession/tgsession/app/lab/embedded"
)

const peer = "127.0.0.1:9" // nobody is there

func dial(t *testing.T, addr string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{addr}, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func limited(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// start is an etcd and a node's way to it.
func start(t *testing.T) (*links.Node, *clientv3.Client, *clientv3.Client) {
	t.Helper()
	e, err := embedded.StartEtcd(limited(t, time.Minute), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Close() })
	n := links.NewNode()
	t.Cleanup(n.Close)
	require.NoError(t, n.Add("peer", peer))
	require.NoError(t, n.AddEtcd("etcd", e.Addr()))
	require.NotEqual(t, e.Addr(), n.Via(e.Addr()))
	return n, dial(t, e.Addr()), dial(t, n.Via(e.Addr()))
}

func TestANodeFindsItsProxies(t *testing.T) {
	n, etcd, view := start(t)
	ctx := limited(t, 30*time.Second)
	watch := view.Watch(ctx, "a.service/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	require.True(t, (<-watch).Created)

	_, err := etcd.Put(ctx, "a.service/1", peer)
	require.NoError(t, err)
	_, err = view.Put(ctx, "a.service/2", "127.0.0.1:99")
	require.NoError(t, err)
	got := map[string]string{}
	for len(got) < 2 {
		for _, e := range (<-watch).Events {
			got[string(e.Kv.Key)] = string(e.Kv.Value)
		}
	}
	want := map[string]string{"a.service/1": n.Via(peer), "a.service/2": "127.0.0.1:99"}
	require.Equal(t, want, got, "what is watched")

	list, err := view.Get(ctx, "a.service/", clientv3.WithPrefix())
	require.NoError(t, err)
	clear(got)
	for _, kv := range list.Kvs {
		got[string(kv.Key)] = string(kv.Value)
	}
	require.Equal(t, want, got, "what is listed")
	require.NotEqual(t, peer, n.Via(peer))

	there, err := etcd.Get(ctx, "a.service/1")
	require.NoError(t, err)
	require.Equal(t, peer, string(there.Kvs[0].Value), "etcd itself knows the peer")
}

// A client that asks where etcd is stays on the node's way.
func TestMembersAreBehindTheirProxies(t *testing.T) {
	_, _, view := start(t)
	before := view.Endpoints()
	require.NoError(t, view.Sync(limited(t, 30*time.Second)))
	require.Len(t, view.Endpoints(), 1)
	require.Equal(t, before[0], strings.TrimPrefix(view.Endpoints()[0], "http://"))
}

func TestFaultsAndHealing(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault func(*links.Node, string) func() error
	}{
		{"hole", func(n *links.Node, _ string) func() error { return n.Hole("etcd") }},
		{"cut", func(n *links.Node, _ string) func() error { return n.Cut("etcd") }},
		{"delay", func(n *links.Node, _ string) func() error { return n.Slow("etcd", 400*time.Millisecond) }},
		{"a member is gone", func(n *links.Node, etcd string) func() error { return n.MemberGone(etcd) }},
		{"a member stands still", func(n *links.Node, etcd string) func() error { return n.MemberStill(etcd) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, etcd, view := start(t)
			_, err := view.Get(limited(t, 30*time.Second), "x")
			require.NoError(t, err)
			heal := tc.fault(n, etcd.Endpoints()[0])
			_, err = view.Get(limited(t, 300*time.Millisecond), "x")
			require.Error(t, err)
			_, err = etcd.Get(limited(t, 30*time.Second), "x")
			require.NoError(t, err, "others reach it")
			require.NoError(t, heal())
			_, err = view.Get(limited(t, 30*time.Second), "x")
			require.NoError(t, err)
		})
	}
}

func TestAPeerThatWasNotAdded(t *testing.T) {
	n := links.NewNode()
	defer n.Close()
	require.Equal(t, []string{"127.0.0.1:1"}, n.All([]string{"127.0.0.1:1"}))
	require.NoError(t, n.Cut("nobody")())
	require.NoError(t, n.MemberGone("127.0.0.1:1")())
	_, _, err := net.SplitHostPort(n.Via("127.0.0.1:1"))
	require.NoError(t, err)
}
