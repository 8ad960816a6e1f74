package svc

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/zrpc"
)

// What gRPC alone does is left to it.
func TestWhoseCallsAreShort(t *testing.T) {
	traced := zrpc.RpcClientConf{}
	traced.Middlewares.Trace = true
	for name, want := range map[string]struct {
		client zrpc.RpcClientConf
		proxy  string
		short  bool
	}{
		"as it is":               {short: true},
		"go-zero's balancer":     {client: zrpc.RpcClientConf{BalancerName: "p2c_ewma"}, short: true},
		"another balancer":       {client: zrpc.RpcClientConf{BalancerName: "consistent_hash"}},
		"spans":                  {client: traced},
		"credentials":            {client: zrpc.RpcClientConf{App: "session", Token: "x"}},
		"a proxy in between":     {proxy: "proxy:3128"},
		"an empty proxy is none": {proxy: "", short: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HTTPS_PROXY", want.proxy)
			t.Setenv("https_proxy", "")
			require.Equal(t, want.short, short(want.client))
		})
	}
}
