package session

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/session"
)

// Two nodes find each other in etcd, share the keys, and take over from one
// that leaves; packets never go round in circles.
func TestNodesFindEachOtherInEtcd(t *testing.T) {
	endpoints := os.Getenv("TEST_ETCD_ENDPOINTS")
	if endpoints == "" {
		require.Empty(t, os.Getenv("TEST_REQUIRE_SERVERS"), "TEST_ETCD_ENDPOINTS is not set")
		t.Skip("TEST_ETCD_ENDPOINTS is not set: make test sets it")
	}
	hosts := strings.Split(endpoints, ",")
	key := fmt.Sprintf("test.session.%d", time.Now().UnixNano())
	c := startCluster(t)
	withEtcd := func(conf *Config) { conf.Etcd = discov.EtcdConf{Hosts: hosts, Key: key} }
	a := c.start(withEtcd)
	require.Equal(t, []string{a.Address()}, a.svc.Shard.Ring().Nodes())
	b := c.start(withEtcd)
	for _, n := range []*node{a, b} {
		eventually(t, "both nodes on the ring", func() bool { return len(n.svc.Shard.Ring().Nodes()) == 2 })
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
