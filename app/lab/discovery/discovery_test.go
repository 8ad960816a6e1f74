package discovery_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/discovery"
	"github.com/tgsession/tgsession/app/lab/embedded"
)

func TestMain(m *testing.M) { leaktest.Strict(m) }

// start returns a client of an etcd of the test's own, and etcd's address.
func start(t *testing.T) (*discovery.Client, string) {
	t.Helper()
	e, err := embedded.StartEtcd(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Close() })
	c, err := discovery.Dial(t.Context(), []string{e.Addr()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c, e.Addr()
}

func raw(t *testing.T, addr string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{addr}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func next(t *testing.T, seen <-chan []string) []string {
	t.Helper()
	select {
	case v := <-seen:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("no change seen")
		return nil
	}
}

func TestWatchSeesPublishedValues(t *testing.T) {
	c, _ := start(t)
	ctx := t.Context()
	seen := make(chan []string, 16)
	require.NoError(t, c.Watch(ctx, "a.service", func(v []string) { seen <- v }))
	require.Empty(t, next(t, seen))

	one, err := c.Publish(ctx, "a.service", "10.0.0.1:1")
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.1:1"}, next(t, seen))
	two, err := c.Publish(ctx, "a.service", "10.0.0.2:1")
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.1:1", "10.0.0.2:1"}, next(t, seen))
	_, err = c.Publish(ctx, "a.service2", "10.0.0.3:1")
	require.NoError(t, err, "a key that only begins alike is another service")
	one()
	one()
	require.Equal(t, []string{"10.0.0.2:1"}, next(t, seen))
	two()
	require.Empty(t, next(t, seen))

	got, err := c.Values(ctx, "a.service2")
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.3:1"}, got)
}

// The key ends in the lease's id, as go-zero's do.
func TestKeyFormat(t *testing.T) {
	c, addr := start(t)
	_, err := c.Publish(t.Context(), "a.service", "10.0.0.1:1")
	require.NoError(t, err)
	got, err := raw(t, addr).Get(t.Context(), "a.service", clientv3.WithPrefix())
	require.NoError(t, err)
	require.Len(t, got.Kvs, 1)
	require.Equal(t, "a.service/"+strconv.FormatInt(got.Kvs[0].Lease, 10), string(got.Kvs[0].Key))
}

// A lease that is lost, to a long pause for example, is replaced.
func TestLostLeaseIsReplaced(t *testing.T) {
	c, addr := start(t)
	ctx := t.Context()
	seen := make(chan []string, 16)
	withdraw, err := c.Publish(ctx, "a.service", "10.0.0.1:1")
	require.NoError(t, err)
	require.NoError(t, c.Watch(ctx, "a.service", func(v []string) { seen <- v }))
	require.Len(t, next(t, seen), 1)

	etcd := raw(t, addr)
	got, err := etcd.Get(ctx, "a.service", clientv3.WithPrefix())
	require.NoError(t, err)
	_, err = etcd.Revoke(ctx, clientv3.LeaseID(got.Kvs[0].Lease))
	require.NoError(t, err)
	require.Empty(t, next(t, seen))
	require.Equal(t, []string{"10.0.0.1:1"}, next(t, seen))
	withdraw()
	require.Empty(t, next(t, seen))
}

func TestCloseWithdraws(t *testing.T) {
	c, addr := start(t)
	_, err := c.Publish(t.Context(), "a.service", "10.0.0.1:1")
	require.NoError(t, err)
	require.NoError(t, c.Close())
	got, err := raw(t, addr).Get(t.Context(), "a.service", clientv3.WithPrefix())
	require.NoError(t, err)
	require.Empty(t, got.Kvs)
}

func TestUnreachable(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := discovery.Dial(ctx, []string{"127.0.0.1:1"})
	require.Error(t, err)
	require.True(t, strings.HasPrefix(err.Error(), "discovery: "), err.Error())
}
