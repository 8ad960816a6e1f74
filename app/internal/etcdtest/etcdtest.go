// Package etcdtest is for tests that need an etcd.
package etcdtest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Hosts are those of TEST_ETCD_ENDPOINTS; without them the test is skipped,
// and fails where servers are required.
func Hosts(t testing.TB) []string {
	t.Helper()
	endpoints := os.Getenv("TEST_ETCD_ENDPOINTS")
	if endpoints == "" {
		require.Empty(t, os.Getenv("TEST_REQUIRE_SERVERS"), "TEST_ETCD_ENDPOINTS is not set")
		t.Skip("TEST_ETCD_ENDPOINTS is not set: make test sets it")
	}
	return strings.Split(endpoints, ",")
}

// Etcd is the way to etcd that nothing disturbs.
type Etcd struct {
	*clientv3.Client
	t testing.TB
}

// Dial connects to the etcd of the tests.
func Dial(t testing.TB) *Etcd {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: Hosts(t), DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return &Etcd{Client: c, t: t}
}

// Key is an Etcd.Key that no other test has; it is empty in the end, too.
func (e *Etcd) Key(name string) string {
	key := fmt.Sprintf("test.%s.%d", name, time.Now().UnixNano())
	e.t.Cleanup(func() { _, _ = e.Client.Delete(context.Background(), key+"/", clientv3.WithPrefix()) })
	return key
}

// Set puts a value, as a node that is registered.
func (e *Etcd) Set(key, value string) {
	e.t.Helper()
	_, err := e.Put(e.t.Context(), key, value)
	require.NoError(e.t, err)
}

// Unset deletes a key.
func (e *Etcd) Unset(key string) {
	e.t.Helper()
	_, err := e.Client.Delete(e.t.Context(), key)
	require.NoError(e.t, err)
}

// Values lists what is registered under a service's key.
func (e *Etcd) Values(key string) (values []string) {
	e.t.Helper()
	list, err := e.Get(e.t.Context(), key+"/", clientv3.WithPrefix())
	require.NoError(e.t, err)
	for _, kv := range list.Kvs {
		values = append(values, string(kv.Value))
	}
	return values
}

// Compact makes some revisions, as the life of a cluster does, and forgets all
// but the newest.
func (e *Etcd) Compact() {
	e.t.Helper()
	var newest int64
	for range 20 {
		put, err := e.Put(e.t.Context(), "test.compact", "")
		require.NoError(e.t, err)
		newest = put.Header.Revision
	}
	_, err := e.Client.Compact(e.t.Context(), newest)
	require.NoError(e.t, err)
}
