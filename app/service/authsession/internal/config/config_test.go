package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	zconf "github.com/zeromicro/go-zero/core/conf"
)

const file = `
Name: service.authsession
ListenOn: 127.0.0.1:1
Etcd: {Hosts: ["10.0.0.1:2379"], Key: service.authsession, User: u, Pass: p}
Mysql: {DSN: "root@tcp(127.0.0.1:3306)/teamgram"}
Cache: [{Host: a}]
KV: [{Host: a}]
`

func TestSessionNodesDefaultToTheOwnEtcd(t *testing.T) {
	for name, tc := range map[string]struct {
		block     string
		hosts     []string
		key, user string
		endpoints []string
	}{
		"absent":       {"", []string{"10.0.0.1:2379"}, "interface.session", "u", nil},
		"without etcd": {"Session: {Token: x}", []string{"10.0.0.1:2379"}, "interface.session", "u", nil},
		"other key":    {`Session: {Etcd: {Key: other}}`, []string{"10.0.0.1:2379"}, "other", "u", nil},
		"other etcd":   {`Session: {Etcd: {Hosts: ["10.0.0.2:2379"], User: v}}`, []string{"10.0.0.2:2379"}, "interface.session", "v", nil},
		"endpoints":    {`Session: {Endpoints: ["10.0.0.3:20120"]}`, nil, "", "", []string{"10.0.0.3:20120"}},
	} {
		t.Run(name, func(t *testing.T) {
			var c Config
			require.NoError(t, zconf.LoadFromYamlBytes([]byte(file+tc.block), &c))
			nodes := c.SessionNodes()
			require.Equal(t, []any{tc.hosts, tc.key, tc.user, tc.endpoints},
				[]any{nodes.Etcd.Hosts, nodes.Etcd.Key, nodes.Etcd.User, nodes.Endpoints})
		})
	}
	require.Empty(t, (&Config{}).SessionNodes().Etcd.Hosts)
	require.ErrorContains(t, zconf.LoadFromYamlBytes([]byte(file+"Session: {Target: 'dns:///x'}"), new(Config)), "Session.Target")
}

func TestSweepIsOnByDefault(t *testing.T) {
	var c Config
	require.NoError(t, zconf.LoadFromYamlBytes([]byte(file), &c))
	require.Equal(t, Sweep{Enabled: true, Period: 10 * time.Minute, Batch: 500, Pause: 200 * time.Millisecond, Grace: time.Hour}, c.Sweep)
	require.NoError(t, zconf.LoadFromYamlBytes([]byte(file+"Sweep: {Enabled: false, Batch: 0}"), new(Config)))
	for _, block := range []string{"Batch: 0", "Batch: 5001", "Period: 0s", "Pause: 31s", "Grace: -1s"} {
		require.ErrorContains(t, zconf.LoadFromYamlBytes([]byte(file+"Sweep: {"+block+"}"), new(Config)), "Sweep has a value out of bounds", block)
	}
}
