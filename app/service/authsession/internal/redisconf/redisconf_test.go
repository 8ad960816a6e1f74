package redisconf

import (
	"testing"

	"github.com/stretchr/testify/require"
	zconf "github.com/zeromicro/go-zero/core/conf"

	"github.com/tgsession/tgsession/app/internal/conf"
)

type file struct{ Cache Nodes }

func load(t *testing.T, text string) Nodes {
	t.Helper()
	var f file
	require.NoError(t, zconf.LoadFromYamlBytes([]byte("Cache: ["+text+"]"), &f))
	return f.Cache
}

func TestStockFormsAreRead(t *testing.T) {
	for text, want := range map[string]Node{
		"{Host: a}":                        {Host: "a", Type: "node", Protocol: 3, Weight: 100},
		"{host: a, pass: p, weight: 5}":    {Host: "a", Type: "node", Pass: "p", Protocol: 3, Weight: 5},
		"{Host: 'a,b', Type: cluster}":     {Host: "a,b", Type: "cluster", Protocol: 3, Weight: 100},
		"{Host: a, User: u, Tls: true}":    {Host: "a", Type: "node", User: "u", Tls: true, Protocol: 3, Weight: 100},
		"{Host: a, Protocol: 2}":           {Host: "a", Type: "node", Protocol: 2, Weight: 100},
		"{Host: a, DisableIdentity: true}": {Host: "a", Type: "node", DisableIdentity: true, Protocol: 3, Weight: 100},
		// What is go-zero's client's own is no error.
		"{Host: a, NonBlock: false, PingTimeout: 3s, MaintNotifications: auto}": {Host: "a", Type: "node", Protocol: 3, Weight: 100},
	} {
		nodes := load(t, text)
		require.Equal(t, Nodes{want}, nodes, text)
		require.NoError(t, nodes.Check("Cache"), text)
		require.Equal(t, want.Host, want.Name())
	}
}

func TestSentinel(t *testing.T) {
	nodes := load(t, "{Host: '10.0.0.1:26379,10.0.0.2:26379', Type: sentinel, MasterName: m, User: u, Pass: p, SentinelUser: su, SentinelPass: sp}")
	require.Equal(t, Nodes{{Host: "10.0.0.1:26379,10.0.0.2:26379", Type: TypeSentinel, MasterName: "m", User: "u", Pass: "p", SentinelUser: "su", SentinelPass: "sp", Protocol: 3, Weight: 100}}, nodes)
	require.NoError(t, nodes.Check("Cache"))
	require.Equal(t, []string{"10.0.0.1:26379", "10.0.0.2:26379"}, nodes[0].Hosts())

	// Keys stay where they are when sentinels come, go, or change places.
	other := nodes[0]
	other.Host = "10.0.0.3:26379,10.0.0.1:26379"
	require.Equal(t, nodes[0].Name(), other.Name())
}

func TestWhatIsWrongIsNamedWithAWayOut(t *testing.T) {
	const sentinels = "Host: '10.0.0.1:26379,10.0.0.2:26379', Type: sentinel"
	for text, want := range map[string]string{
		"":                           "KV has no node: name a Redis",
		"{Host: a, Weight: 0}":       "KV has no node: name a Redis",
		"{Host: ''}":                 "KV[0].Host is empty: name a Redis",
		"{Host: a}, {Host: ''}":      "KV[1].Host is empty: name a Redis",
		"{Host: '', Type: sentinel}": "KV[0].Host is empty: name the sentinels",
		"{Host: a, Type: sentinal, Pass: secret}":             `KV[0].Type is "sentinal": set node, cluster or sentinel`,
		"{" + sentinels + "}":                                 `KV[0].MasterName is missing: set the name after "sentinel monitor"`,
		"{Host: a, MasterName: m}":                            "KV[0].MasterName has no effect with Type: node: set Type: sentinel",
		"{Host: a, SentinelPass: secret}":                     "KV[0].SentinelPass or SentinelUser has no effect with Type: node",
		"{" + sentinels + ", MasterName: m, SentinelUser: u}": "KV[0].SentinelPass is missing: set the password of SentinelUser",
		"{Host: '10.0.0.1:26379, 10.0.0.2:26379', Type: sentinel, MasterName: m}, {Host: a}": "",
		"{Host: '10.0.0.1:26379,', Type: sentinel, MasterName: m}":                           `KV[0].Host has "", which is no address of a sentinel`,
		"{Host: '10.0.0.1', Type: sentinel, MasterName: m}":                                  `KV[0].Host has "10.0.0.1", which is no address of a sentinel`,
		"{Host: ':26379', Type: sentinel, MasterName: m}":                                    `KV[0].Host has ":26379", which is no address of a sentinel`,
		"{" + sentinels + ", MasterName: m}, {" + sentinels + ", MasterName: m}":             `KV[1].MasterName is "m", as another node's`,
		"{" + sentinels + ", MasterName: m}, {" + sentinels + ", MasterName: other}":         "",
	} {
		err := load(t, text).Check("KV")
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		var own *conf.KeyError
		require.ErrorAs(t, err, &own, text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "secret", text)
	}
}
