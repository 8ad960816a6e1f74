package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/zrpc"
)

// Settings of a BFF's client that go-zero takes and does not keep are told of.
func TestAdviceOnBFFClients(t *testing.T) {
	for name, tc := range map[string]struct {
		client zrpc.RpcClientConf
		want   string
	}{
		"as it is":               {client: zrpc.RpcClientConf{BalancerName: "p2c_ewma", Endpoints: make([]string, 40)}},
		"hashed, few":            {client: zrpc.RpcClientConf{BalancerName: "consistent_hash", Endpoints: make([]string, 32)}},
		"hashed, many":           {client: zrpc.RpcClientConf{BalancerName: "consistent_hash", Endpoints: make([]string, 33)}, want: "BFFProxyClients.Clients[0].BalancerName is consistent_hash and there are 33 endpoints"},
		"pings every 10 seconds": {client: zrpc.RpcClientConf{KeepaliveTime: 10 * time.Second}, want: "BFFProxyClients.Clients[0].KeepaliveTime is 10s"},
		"pings every 5 minutes":  {client: zrpc.RpcClientConf{KeepaliveTime: 5 * time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			var c Config
			c.BFFProxyClients.Clients = []zrpc.RpcClientConf{tc.client}
			list := c.Advice()
			if tc.want == "" {
				require.Empty(t, list)
				return
			}
			require.Len(t, list, 1)
			require.Contains(t, list[0], tc.want)
		})
	}
}
