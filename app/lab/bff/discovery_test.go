package bff

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/discovery"
	"github.com/tgsession/tgsession/app/lab/embedded"
)

// In a cluster session finds the server in etcd, and the server the session
// nodes, whenever they come.
func TestDiscovery(t *testing.T) {
	etcd, err := embedded.StartEtcd(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, etcd.Close()) })
	disc, err := discovery.Dial(t.Context(), []string{etcd.Addr()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, disc.Close()) })

	w := newWorld(t, Config{Discovery: disc})
	found, err := disc.Values(t.Context(), Key)
	require.NoError(t, err)
	require.Equal(t, []string{w.bff.Addr()}, found)

	node := newFakeSession(t)
	leave, err := disc.Publish(t.Context(), SessionKey, node.addr)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return w.bff.pusher.knows(node.addr) }, time.Minute, time.Millisecond)
	d := w.client(100)
	me := d.logIn(t, "15550001", "Ada")
	w.online.set(d.user, 200, node.addr)
	d.say(t, me, "hello", 1)
	require.Equal(t, int64(200), node.next(t).key)

	leave()
	require.Eventually(t, func() bool { return !w.bff.pusher.knows(node.addr) }, time.Minute, time.Millisecond)

	w.bff.Stop()
	found, err = disc.Values(t.Context(), Key)
	require.NoError(t, err)
	require.Empty(t, found)
}

func (p *pusher) knows(addr string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nodes[addr] != nil
}
