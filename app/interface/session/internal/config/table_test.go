package config

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	zconf "github.com/zeromicro/go-zero/core/conf"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/keytable"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

const page = "../../../../../docs/configuration.md"

// Each key has a row and each row is a key, and the page for operators is what the
// table says.
func TestTableAndPage(t *testing.T) {
	require.Empty(t, table.Problems(&Config{}))
	content, stale, err := keytable.Section(page, "session.yaml", table.Page(&Config{}))
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(content), 0o644))
		return
	}
	require.False(t, stale, "docs/configuration.md is stale: go test ./app/interface/session/internal/config -update")
}

// The defaults that go-zero's tags give lie in the ranges of the table.
func TestDefaultsAreAllowed(t *testing.T) {
	var c Config
	require.NoError(t, zconf.LoadFromYamlBytes([]byte(stock), &c))
	require.NoError(t, conf.Check(table, &c, nil))
}

// A value beyond its range is told with the range.
func TestRanges(t *testing.T) {
	for text, want := range map[string]string{
		"Session: {CallTimeout: 1ns}":                        "Session.CallTimeout is 1ns: give 10ms to 1h",
		"Session: {Window: 3}":                               "Session.Window is 3: give 16 to 65536",
		"Session: {IdleClose: 25h}":                          "Session.IdleClose is 25h: give 1ms to 24h",
		"Session: {DataChannel: -1}":                         "Session.DataChannel is -1: give 1 to 1048576",
		"DrainTime: 2h":                                      "DrainTime is 2h: give 0s to 1h",
		"Session: {OutboxBytes: 1048576, AnswerBytes: 2048}": "Session.AnswerBytes is 2048, too little for OutboxBytes (1048576): give 1048576 or more",
	} {
		_, _, err := load(t, stock+text+"\n")
		require.ErrorContains(t, err, want, text)
	}
}

// What is printed reads back to the same configuration, and shows no secret.
func TestPrintedReadsBack(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "session.yaml")
	token := filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(token, []byte("from a file\n"), 0o600))
	for name, text := range map[string]string{
		"stock": stock,
		"all": stock + withAuth + `
UseStreamGateway: false
FakeResults: false
NoLogin: {Allow: [a.b]}
Session: {Window: 500, AllowSeqnoDisorder: true}
DrainTime: 2s
AllowPeers: [10.0.0.0/8]
CpuThreshold: 0
Nodes: {App: session, TokenFile: ` + token + `}
DevServer: {Enabled: true, Port: 6061}
MethodTimeouts: [{FullMethod: /a/b, Timeout: 3s}]
Shutdown: {WaitTime: 40s}
`,
		"shedding": stock + "CpuThreshold: 800\nMiddlewares: {Breaker: true, StatConf: {SlowThreshold: 1s}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			var before, after Config
			printed, warnings, err := conf.Print(file, &before)
			require.NoError(t, err)
			require.Empty(t, warnings)
			require.NotContains(t, printed, "from a file")
			require.NoError(t, os.WriteFile(file, []byte(printed), 0o600))
			_, err = conf.Load(file, &after)
			require.NoError(t, err, printed)
			require.Equal(t, before, after, printed)
			again, _, err := conf.Print(file, new(Config))
			require.NoError(t, err)
			require.Equal(t, printed, again)
		})
	}
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(stock, "Etcd:\n", "Etcd:\n  User: node\n  Pass: hidden-1\n", 1)+
		"Nodes: {App: session, Token: hidden-2}\nSession: {CallTimeout: 90s}\n"), 0o600))
	printed, _, err := conf.Print(file, new(Config))
	require.NoError(t, err)
	require.NotContains(t, printed, "hidden")
	require.Len(t, regexp.MustCompile(`'\*\*\*'`).FindAllString(printed, -1), 2, "not where it was handed down to\n%s", printed)
	require.Contains(t, printed, "CallTimeout: 1m30s")
	var c Config
	require.NoError(t, zconf.LoadFromYamlBytes([]byte(printed), &c))
	require.Equal(t, 90*time.Second, c.Session.CallTimeout)
}

// Which of the keys that differ a running node takes.
func TestChanged(t *testing.T) {
	a, _, err := load(t, stock)
	require.NoError(t, err)
	b, _, err := load(t, strings.Replace(stock, "Level: debug", "Level: error", 1)+`    "/mtproto.RPCUsers": "bff.bff"
AllowPeers: [10.0.0.1]
Session: {Calls: 5}
Nodes: {App: a, Token: b}
`)
	require.NoError(t, err)
	live, restart := table.Changed(&a, &b)
	require.Equal(t, []string{"AllowPeers", "BFFProxyClients.IDMap", "Log.Level"}, live)
	require.Equal(t, []string{"Nodes.App", "Nodes.Token", "Session.Calls"}, restart)
	b = a
	b.BFFProxyClients.Clients = append(b.BFFProxyClients.Clients[:1:1], a.AuthSession)
	_, restart = table.Changed(&a, &b)
	require.Equal(t, []string{"BFFProxyClients.Clients"}, restart)
}
