package config

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
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
		"without etcd": {"SessionNodes: {Token: x}", []string{"10.0.0.1:2379"}, "interface.session", "u", nil},
		"other key":    {`SessionNodes: {Etcd: {Key: other}}`, []string{"10.0.0.1:2379"}, "other", "u", nil},
		"other etcd":   {`SessionNodes: {Etcd: {Hosts: ["10.0.0.2:2379"], User: v}}`, []string{"10.0.0.2:2379"}, "interface.session", "v", nil},
		"endpoints":    {`SessionNodes: {Endpoints: ["10.0.0.3:20120"]}`, nil, "", "", []string{"10.0.0.3:20120"}},
	} {
		t.Run(name, func(t *testing.T) {
			var c Config
			require.NoError(t, zconf.LoadFromYamlBytes([]byte(file+tc.block), &c))
			nodes := c.Nodes()
			require.Equal(t, []any{tc.hosts, tc.key, tc.user, tc.endpoints},
				[]any{nodes.Etcd.Hosts, nodes.Etcd.Key, nodes.Etcd.User, nodes.Endpoints})
		})
	}
	require.Empty(t, (&Config{}).Nodes().Etcd.Hosts)
	require.ErrorContains(t, zconf.LoadFromYamlBytes([]byte(file+"SessionNodes: {Target: 'dns:///x'}"), new(Config)), "SessionNodes.Target")
}

func TestSweepIsOnByDefault(t *testing.T) {
	var c Config
	require.NoError(t, zconf.LoadFromYamlBytes([]byte(file), &c))
	require.Equal(t, Sweep{Enabled: true, Period: 10 * time.Minute, Batch: 500, Pause: 200 * time.Millisecond, Grace: time.Hour}, c.Sweep)
	require.NoError(t, zconf.LoadFromYamlBytes([]byte(file+"Sweep: {Enabled: false, Batch: 0}"), new(Config)))
	for _, block := range []string{"Batch: 0", "Batch: 5001", "Period: 0s", "Pause: 31s", "Grace: -1s"} {
		require.ErrorContains(t, zconf.LoadFromYamlBytes([]byte(file+"Sweep: {"+block+"}"), new(Config)), "Sweep."+strings.ReplaceAll(block, ":", " is")+": give ", block)
	}
}

func TestSaltsLife(t *testing.T) {
	var c Config
	require.NoError(t, zconf.LoadFromYamlBytes([]byte(file), &c))
	require.EqualValues(t, 1800, c.Salts.Window(), "as stock")
	require.EqualValues(t, 1800, Salts{}.Window(), "also of a Config built in code")
	for block, want := range map[string]int64{"Life: 10s": 10, "Life: 1m": 60, "Life: 24h": 86400} {
		c = Config{}
		require.NoError(t, zconf.LoadFromYamlBytes([]byte(file+"Salts: {"+block+"}"), &c), block)
		require.Equal(t, want, c.Salts.Window(), block)
	}
	for _, block := range []string{"Life: 9s", "Life: 0s", "Life: -1m", "Life: 10500ms", "Life: 25h"} {
		require.ErrorContains(t, zconf.LoadFromYamlBytes([]byte(file+"Salts: {"+block+"}"), new(Config)), "Salts.Life is ", block)
	}
}

func TestKeyEncryption(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	digits := strings.Repeat("5e", 32)
	good, other := write("hex", digits+"\n"), write("base64", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	short := write("short", digits[:62])
	t.Setenv("AUTHSESSION_TEST_KEY", " "+digits+" ")
	t.Setenv("AUTHSESSION_TEST_EMPTY", "")
	load := func(block string) error {
		return zconf.LoadFromYamlBytes([]byte(file+"KeyEncryption: {"+block+"}"), new(Config))
	}
	for _, block := range []string{"", "File: " + good, "Env: AUTHSESSION_TEST_KEY", "File: " + other + ", PreviousEnv: AUTHSESSION_TEST_KEY", "PreviousFile: " + good} {
		require.NoError(t, load(block), block)
	}
	for block, want := range map[string]string{
		"File: /nowhere/key":                               "KeyEncryption.File cannot be read",
		"File: " + short:                                   "KeyEncryption.File holds no key of 32 bytes",
		"PreviousFile: " + short:                           "KeyEncryption.PreviousFile holds no key",
		"Env: AUTHSESSION_TEST_EMPTY":                      "KeyEncryption.Env holds no key",
		"Env: AUTHSESSION_TEST_NONE":                       "KeyEncryption.Env names AUTHSESSION_TEST_NONE, which is not set",
		"File: " + good + ", Env: AUTHSESSION_TEST_KEY":    "KeyEncryption.File and Env are both set",
		"File: " + good + ", PreviousFile: " + good:        "KeyEncryption names the same key twice",
		"PreviousFile: " + good + ", PreviousEnv: NOTHING": "KeyEncryption.PreviousFile and PreviousEnv are both set",
	} {
		err := load(block)
		require.ErrorContains(t, err, want, block)
		require.NotContains(t, err.Error(), digits[:8], "nothing of the key")
	}
}

func TestSpansAreMadeOnlyForACollector(t *testing.T) {
	for telemetry, want := range map[string]bool{
		"": false,
		"Telemetry: {Endpoint: 'collector:4317'}":                 true,
		"Telemetry: {Endpoint: 'collector:4317', Disabled: true}": false,
	} {
		var c Config
		require.NoError(t, zconf.LoadFromYamlBytes([]byte(file+"SessionNodes: {Token: x}\n"+telemetry), &c))
		c.DropSpans()
		require.Equal(t, []bool{want, want}, []bool{c.Middlewares.Trace, c.SessionNodes.Middlewares.Trace}, telemetry)
	}
}
