package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/conf"
)

func TestMain(m *testing.M) {
	logx.Disable()
	m.Run()
}

// The keys of a stock file, with its spelling and its Cache.
const stock = `Name: interface.session
ListenOn: 0.0.0.0:20120
Etcd:
  Hosts:
    - etcd:2379
  Key: interface.session
Log:
  ServiceName: interface.session
  Level: debug
Prometheus:
  Host: 0.0.0.0
  Port: 20121
  Path: /metrics
Telemetry:
  Name: interface.session
  Endpoint: jaeger:4317
  Sampler: 1.0
  Batcher: otlpgrpc
Cache:
  - Host: redis:6379
AuthSession:
  Etcd:
    Hosts:
      - etcd:2379
    Key: service.authsession
StatusClient:
  Etcd:
    Hosts:
      - etcd:2379
    Key: service.status
GatewayClient:
  Etcd:
    Hosts:
      - etcd:2379
    Key: interface.gateway
BFFProxyClients:
  Clients:
    - Etcd:
        Hosts:
          - etcd:2379
        Key: bff.bff
      Timeout: 0
  IDMap:
    "/mtproto.RPCTos": "bff.bff"
`

func load(t *testing.T, text string) (Config, []string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "session.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	var c Config
	warnings, err := conf.Load(path, &c)
	return c, warnings, err
}

func TestStockFileLoads(t *testing.T) {
	c, warnings, err := load(t, stock)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Nil(t, c.UseStreamGateway)
	require.True(t, c.FakeResults)
	require.Equal(t, "0.223.1", c.Schema)
	require.Equal(t, 4096, c.Session.DataChannel)
	require.Equal(t, 16384, c.Session.Calls)
	require.Equal(t, 5*time.Second, c.Session.CallTimeout)
	require.Equal(t, time.Minute, c.Session.MediaCallTimeout)
	require.Equal(t, map[string]string{"/mtproto.RPCTos": "bff.bff"}, c.BFFProxyClients.IDMap)
	require.Zero(t, c.BFFProxyClients.Clients[0].Timeout)
	require.Equal(t, "bff.bff", c.ClientName(&c.BFFProxyClients.Clients[0]))
}

// A stock file starts without a line of level error: its keys are known.
func TestStockKeysThatAreNotNeeded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.yaml")
	require.NoError(t, os.WriteFile(path, []byte(stock), 0o600))
	require.Equal(t, []string{"config key Cache is not needed: session keeps nothing in Redis"}, conf.Notes(path, new(Config)))
}

func TestEverythingElse(t *testing.T) {
	c, warnings, err := load(t, stock+`
UseStreamGateway: false
FakeResults: false
Schema: 0.222.3
NoLogin:
  Allow: [help.getTimezonesList]
  Deny: [help.getConfig]
Session:
  DataChannel: 16
  MaxSessions: 8
  OnlineFor: 90s
DrainTime: 3s
AllowPeers: [10.0.0.0/8, 127.0.0.1]
`)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.False(t, *c.UseStreamGateway)
	require.False(t, c.FakeResults)
	require.Equal(t, "0.222.3", c.Schema)
	require.Equal(t, 16, c.Session.DataChannel)
	require.Equal(t, 3*time.Second, c.DrainTime)
	require.Equal(t, []string{"10.0.0.0/8", "127.0.0.1"}, c.AllowPeers)
	s := c.Sess()
	require.Equal(t, 8, s.MaxSessions)
	require.Equal(t, 90*time.Second, s.OnlineFor)
	require.Equal(t, []string{"help.getTimezonesList"}, s.NoLoginAllow)
	require.Equal(t, []string{"help.getConfig"}, s.NoLoginDeny)
}

const withAuth = "Auth: true\nStrictControl: true\nRedis:\n  Host: redis:6379\n  Key: apps\n"

// Nodes that ask who calls have to tell each other who they are.
func TestAuthNeedsCredentialsForOtherNodes(t *testing.T) {
	_, _, err := load(t, stock+withAuth)
	require.ErrorContains(t, err, `Nodes.App is missing, and with Auth session nodes refuse each other's calls without it: `+
		`set Nodes.App and Nodes.Token to an app and its token, which Auth finds in the hash "apps" of Redis`)

	c, _, err := load(t, stock+withAuth+"Nodes:\n  App: session\n  Token: secret\n")
	require.NoError(t, err)
	require.Equal(t, Credentials{App: "session", Token: "secret"}, c.Nodes)

	_, _, err = load(t, strings.Replace(stock, "Etcd:\n  Hosts:\n    - etcd:2379\n  Key: interface.session\n", "", 1)+withAuth)
	require.NoError(t, err, "a node without etcd is alone")
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, from, to, key string }{
		{"no ListenOn", "ListenOn: 0.0.0.0:20120\n", "", "ListenOn"},
		{"bad ListenOn", "ListenOn: 0.0.0.0:20120", "ListenOn: nowhere", "ListenOn"},
		{"no AuthSession", "AuthSession:\n  Etcd:\n    Hosts:\n      - etcd:2379\n    Key: service.authsession\n", "", "AuthSession.Etcd"},
		{"AuthSession that would be ourselves", "AuthSession:\n  Etcd:\n    Hosts:\n      - etcd:2379\n    Key: service.authsession\n", "AuthSession:\n  Timeout: 1000\n", "AuthSession.Etcd"},
		{"schema", "Cache:", "Schema: 0.1.0\nCache:", "Schema"},
		{"schema of nobody", "Cache:", "Schema: Auto\nCache:", "Schema"},
		{"timeout", "Cache:", "Timeout: soon\nCache:", "Timeout"},
		{"Auth without own credentials", "Cache:", withAuth + "Cache:", "Nodes.App"},
		{"credentials without a token", "Cache:", withAuth + "Nodes:\n  App: session\nCache:", "Nodes.Token"},
		{"credentials without an app", "Cache:", "Nodes:\n  Token: secret\nCache:", "Nodes.App"},
		{"peers by name", "Cache:", "AllowPeers: [10.0.0.0/8, gateway]\nCache:", "AllowPeers"},
		{"limit of a key", "Cache:", "Session:\n  Window: 3\nCache:", "Session.Window"},
		{"limit of the node", "Cache:", "Session:\n  CallTimeout: 1ns\nCache:", "Session.CallTimeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Contains(t, stock, c.from)
			_, _, err := load(t, strings.Replace(stock, c.from, c.to, 1))
			var key *conf.KeyError
			require.ErrorAs(t, err, &key)
			require.Equal(t, c.key, key.Key)
			require.NotEmpty(t, key.Fix)
		})
	}
}

// A DrainTime that takes all the time of a stop left none for what comes after it:
// packets for gateways, and word to status of who is offline.
func TestDrainTimeFitsIntoAStop(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want time.Duration // 0: refused
	}{
		"none":                          {"", 20 * time.Second},
		"as it is in a stop of 25 s":    {"DrainTime: 19s\n", 19 * time.Second},
		"too much for 25 s":             {"DrainTime: 21s\n", 0},
		"all of it":                     {"DrainTime: 40s\nShutdown: {WaitTime: 40s}\n", 0},
		"more, with more time to stop":  {"DrainTime: 40s\nShutdown: {WaitTime: 45s}\n", 40 * time.Second},
		"none, and a short stop":        {"Shutdown: {WaitTime: 10s}\n", 5 * time.Second},
		"none, and a very short stop":   {"Shutdown: {WaitTime: 4s}\n", 2 * time.Second},
		"half of a very short stop":     {"DrainTime: 2s\nShutdown: {WaitTime: 4s}\n", 2 * time.Second},
		"go-zero's WaitTime says 5.5 s": {"DrainTime: 20s\nShutdown: {WaitTime: 5500ms}\n", 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, err := load(t, stock+tc.text)
			if tc.want == 0 {
				var key *conf.KeyError
				require.ErrorAs(t, err, &key)
				require.Equal(t, "DrainTime", key.Key)
				require.Contains(t, key.Fix, "Shutdown.WaitTime")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, c.DrainTime)
		})
	}
}

func TestUnknownKeyHasANearestName(t *testing.T) {
	_, warnings, err := load(t, stock+"UseStreamGatway: true\n")
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "UseStreamGateway")
}

func TestClientsByEndpoints(t *testing.T) {
	c, _, err := load(t, strings.Replace(stock, `    - Etcd:
        Hosts:
          - etcd:2379
        Key: bff.bff
`, "    - Endpoints: [127.0.0.1:1, 127.0.0.1:2]\n", 1))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1,127.0.0.1:2", c.ClientName(&c.BFFProxyClients.Clients[0]))
}

func TestSpansThatNobodyCollectsAreNotMade(t *testing.T) {
	tracing := func(c *Config) (on int) {
		for _, client := range c.clients() {
			if client.Middlewares.Trace {
				on++
			}
		}
		if c.Middlewares.Trace {
			on++
		}
		return on
	}
	c, _, err := load(t, stock)
	require.NoError(t, err)
	c.DropSpans()
	all := len(c.clients()) + 1
	require.Equal(t, all, tracing(&c), "Telemetry has an endpoint")

	c.Telemetry.Endpoint = ""
	dropped := c
	dropped.DropSpans()
	require.Zero(t, tracing(&dropped))
	require.True(t, c.BFFProxyClients.Clients[0].Middlewares.Trace, "the caller's configuration is not touched")
}

// auto is no release, and needs a BFF that can be asked.
func TestSchemaAuto(t *testing.T) {
	c, warnings, err := load(t, stock+"Schema: auto\n")
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, SchemaAuto, c.Schema)
	c.BFFProxyClients.Clients = nil
	require.ErrorContains(t, c.Validate(), "Schema is auto, and BFFProxyClients.Clients has no BFF to ask")
}
