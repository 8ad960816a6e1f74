package config

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	zconf "github.com/zeromicro/go-zero/core/conf"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/keytable"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

const page = "../../../../../docs/configuration.md"

// Each key has a row and each row is a key, and the page for operators is what the
// table says.
func TestTableAndPage(t *testing.T) {
	require.Empty(t, table.Problems(&Config{}))
	content, stale, err := keytable.Section(page, "authsession.yaml", table.Page(&Config{}))
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(content), 0o644))
		return
	}
	require.False(t, stale, "docs/configuration.md is stale: go test ./app/service/authsession/internal/config -update")
}

// The defaults that go-zero's tags give lie in the ranges of the table, those of parts
// that are switched off, too.
func TestDefaultsAreAllowed(t *testing.T) {
	var c Config
	require.NoError(t, zconf.LoadFromYamlBytes([]byte(file), &c))
	require.NoError(t, conf.Check(table, &c, nil))
}

// What is printed reads back to the same configuration, and shows no secret.
func TestPrintedReadsBack(t *testing.T) {
	dir := t.TempDir()
	secret := admintest.File(t, "secret", []byte(admintest.Secret+"\n"))
	write := func(text string) string {
		path := filepath.Join(dir, "authsession.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	dsn := filepath.Join(dir, "dsn")
	require.NoError(t, os.WriteFile(dsn, []byte("root:pa$$word@tcp(10.0.0.9:3306)/teamgram\n"), 0o600))
	pass := filepath.Join(dir, "pass")
	require.NoError(t, os.WriteFile(pass, []byte("pa$$word\r\n"), 0o600))
	for name, text := range map[string]string{
		"small": "Name: a\nListenOn: 127.0.0.1:1\nMysql: {DSNFile: " + dsn + "}\nCache: [{Host: a}]\nKV: [{Host: a}]\n",
		"large": "Name: a\nListenOn: 127.0.0.1:1\nEtcd: {Hosts: [h], Key: k}\nMysql: {DSNFile: " + dsn + ", Active: 7}\n" +
			"Cache: [{Host: a}, {Host: b, PassFile: " + pass + ", Weight: 3}]\nKV: [{Host: a, passfile: " + pass + "}]\n" +
			"Sweep: {Enabled: false, Batch: 0}\nCleanup: {KeepEnded: 0s}\nSessions: {TTLDays: 0}\n" +
			"Events: {Stream: s, Webhooks: [{Name: a, URL: 'https://a.org', SecretFile: " + secret + ", Types: [x]}]}\n" +
			"Admin: {ListenOn: '127.0.0.1:1', Tokens: {HMACKeyFile: " + secret + ", Keys: [{ID: b, HMACKeyFile: " + secret + "}]}}\n" +
			"SessionNodes: {Endpoints: ['10.0.0.3:1'], App: a, TokenFile: " + pass + "}\nAllowPeers: [10.0.0.1]\nMaxInFlight: 0\n",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after Config
			printed, warnings, err := conf.Print(write(text), &before)
			require.NoError(t, err)
			require.Empty(t, warnings)
			require.Equal(t, "root:pa$$word@tcp(10.0.0.9:3306)/teamgram", before.Mysql.DSN)
			require.NotContains(t, printed, "pa$$word")
			_, err = conf.Load(write(printed), &after)
			require.NoError(t, err, printed)
			require.Equal(t, before, after, printed)
			if name == "large" {
				require.Equal(t, "pa$$word", after.Cache[1].Pass)
				require.Equal(t, "pa$$word", after.KV[0].Pass)
			}
		})
	}
	printed, _, err := conf.Print(write("Name: a\nListenOn: 127.0.0.1:1\nMysql: {DSN: 'root:p@ss:w@tcp(h:3306)/teamgram', ReadDSN: ['u:p@ss@tcp(h)/t']}\nCache: [{Host: a, Pass: hidden}]\nKV: [{Host: a}]\n"), new(Config))
	require.NoError(t, err)
	for _, secret := range []string{"p@ss", "hidden"} {
		require.NotContains(t, printed, secret)
	}
	require.Contains(t, printed, "DSN: root:***@tcp(h:3306)/teamgram")
	require.NoError(t, zconf.LoadFromYamlBytes([]byte(printed), new(Config)), "a masked DSN is one")
}

// The files of a stock install, the file of this project, and what they are printed as.
func TestFilesOfInstalls(t *testing.T) {
	files, err := filepath.Glob("../../cmd/authsession/testdata/stock-*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range append(files, "../../../../../teamgramd/etc/authsession.yaml") {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for name, value := range map[string]string{"MYSQL": "root:@tcp(127.0.0.1:3306)/teamgram", "REDIS": "127.0.0.1:6379", "LISTEN": "127.0.0.1:20450", "ETCDKEY": "service.authsession", "ETCD": "127.0.0.1:2379", "PROMETHEUS": "20451"} {
			text = regexp.MustCompile(`\b`+name+`\b`).ReplaceAll(text, []byte(value))
		}
		path := filepath.Join(t.TempDir(), "authsession.yaml")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		printed, _, err := conf.Print(path, new(Config))
		require.NoError(t, err, path)
		var again Config
		require.NoError(t, zconf.LoadFromYamlBytes([]byte(printed), &again), "%s\n%s", path, printed)
	}
}
