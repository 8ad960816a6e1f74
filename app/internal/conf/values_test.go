package conf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/stores/cache"

	"github.com/tgsession/tgsession/app/internal/keytable"
)

// secretive is a configuration with secrets at several depths.
type secretive struct {
	DSN   string
	Nodes cache.ClusterConf `json:",optional"`
	Inner struct {
		Pass  string        `json:",optional"`
		Port  int           `json:",optional"`
		On    *bool         `json:",optional"`
		After time.Duration `json:",optional"`
	} `json:",optional"`
	Hosts  []string          `json:",optional"`
	Routes map[string]string `json:",optional"`
}

func (*secretive) Table() keytable.Table {
	return keytable.Table{{Key: "DSN", Secret: true}, {Key: "Nodes[].Pass", Secret: true}, {Key: "Inner.Pass", Secret: true}}
}

// Only ${NAME} stands for something else: passwords with dollars, of files that were
// written before, mean what they say.
func TestVariablesInValues(t *testing.T) {
	t.Setenv("CONF_DSN", "user:p$w{x}: #@tcp(h)/db")
	t.Setenv("CONF_PORT", "6060")
	t.Setenv("CONF_NUMERIC", "0123")
	t.Setenv("CONF_ON", "true")
	t.Setenv("CONF_EMPTY", "")
	t.Setenv("HOME_OF_NOTHING", "wrong")
	for name, text := range map[string]string{
		"c.yaml": "DSN: ${CONF_DSN}\nInner: {Pass: 'a$HOME_OF_NOTHING$$b$${CONF_PORT}$', Port: '${CONF_PORT}', On: '${CONF_ON}', After: '${CONF_PORT}ms'}\n" +
			"Hosts: ['${CONF_NUMERIC}', 'x${CONF_EMPTY}y']\nRoutes: {'/a.b': 'to-${CONF_PORT}'}\nNodes: [{Host: '${CONF_PORT}:1'}]\n",
		"c.toml": "DSN='${CONF_DSN}'\nHosts=['${CONF_NUMERIC}','x${CONF_EMPTY}y']\n[Inner]\nPass='a$HOME_OF_NOTHING$$b$${CONF_PORT}$'\nPort='${CONF_PORT}'\nOn='${CONF_ON}'\nAfter='${CONF_PORT}ms'\n[Routes]\n'/a.b'='to-${CONF_PORT}'\n[[Nodes]]\nHost='${CONF_PORT}:1'\n",
	} {
		t.Run(name, func(t *testing.T) {
			var c secretive
			warnings, err := Load(write(t, name, text), &c)
			require.NoError(t, err)
			require.Empty(t, warnings)
			require.Equal(t, "user:p$w{x}: #@tcp(h)/db", c.DSN, "what YAML would take for more than text is text")
			require.Equal(t, "a$HOME_OF_NOTHING$$b${CONF_PORT}$", c.Inner.Pass)
			require.Equal(t, 6060, c.Inner.Port)
			require.True(t, *c.Inner.On)
			require.Equal(t, 6060*time.Millisecond, c.Inner.After)
			require.Equal(t, []string{"0123", "xy"}, c.Hosts)
			require.Equal(t, "to-6060", c.Routes["/a.b"])
			require.Equal(t, "6060:1", c.Nodes[0].Host)
		})
	}
	for text, want := range map[string]string{
		"DSN: ${CONF_NONE}":                      "DSN names the environment variable CONF_NONE, which is not set: set it, or write $${CONF_NONE} for the text itself",
		"DSN: x\nNodes: [{Host: 'a${CONF_NO}'}]": "Nodes[0].Host names the environment variable CONF_NO",
		"DSN: x\nInner: {Port: '${CONF_DSN}'}":   "Inner.Port has a value of the wrong type (${CONF_DSN})",
	} {
		_, err := Load(write(t, "c.yaml", text), new(secretive))
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "p$w")
	}
}

// A secret may be in a file of its own; what is wrong with it is told by the key and
// the file, and never by what is in it.
func TestSecretsInFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	dsn, pass := file("dsn", "u:p$${X}@tcp(h)/db\r\n"), file("pass", " two\nlines\n\n")
	var c secretive
	path := write(t, "c.yaml", "dsnfile: "+dsn+"\nNodes: [{Host: a}, {Host: b, PassFile: "+pass+"}]\nInner: {passFile: "+pass+"}\n")
	warnings, err := Load(path, &c)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, "u:p$${X}@tcp(h)/db", c.DSN, "nothing in a file stands for something else")
	require.Equal(t, []string{"", " two\nlines\n"}, []string{c.Nodes[0].Pass, c.Nodes[1].Pass}, "one newline is cut")
	require.Equal(t, " two\nlines\n", c.Inner.Pass)
	require.Equal(t, []string{path, dsn, pass, pass}, Sources(path, new(secretive)))

	large, empty := file("large", strings.Repeat("hidden", 20_000)), file("empty", "\n")
	for text, want := range map[string]string{
		"DSNFile: " + large:       "DSNFile cannot be read (" + large + " holds more than 64 KiB): name a file",
		"DSNFile: " + empty:       "DSNFile names " + empty + ", which is empty",
		"DSNFile: " + dir:         "DSNFile cannot be read",
		"DSNFile: /nowhere/dsn":   "DSNFile cannot be read (open /nowhere/dsn: no such file or directory)",
		"DSNFile: /dev/zero":      "DSNFile cannot be read (/dev/zero holds more",
		"DSNFile: [a]":            "DSNFile names no file",
		"DSN: x\nDSNFile: " + dsn: "DSNFile and DSN are both set: keep one of them",
		"DSN: x\nNodes: [{Host: a, PassFile: /nowhere/pass}]": "Nodes[0].PassFile cannot be read",
		"{}": "DSN is missing",
	} {
		_, err := Load(write(t, "c.yaml", text), new(secretive))
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "hidden")
	}
	warnings, err = Load(write(t, "c.yaml", "DSN: x\nInner: {PortFile: /nowhere}\n"), new(secretive))
	require.NoError(t, err)
	require.Len(t, warnings, 1, "what is no secret has no file")
}

// What is named by mistake, and never ends, is not read to its end.
func TestFilesAreBounded(t *testing.T) {
	_, err := Load("/dev/zero", new(secretive))
	require.ErrorContains(t, err, "/dev/zero holds more than 4096 KiB")
	_, err = ReadKeyPair("/dev/zero", "/nowhere")
	require.ErrorContains(t, err, "/dev/zero holds more than 4096 KiB")
	_, err = ReadKeyPair(write(t, "cert.pem", "x"), "/dev/zero")
	require.ErrorContains(t, err, "/dev/zero holds more than 4096 KiB")
	_, err = ReadKeyPair("/nowhere", "/dev/zero")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A secret of the wrong type is refused without being shown.
func TestSecretsAreNotShown(t *testing.T) {
	_, err := Load(write(t, "c.yaml", "DSN: x\nInner: {Pass: {hidden: 1}}\n"), new(secretive))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hidden:1")
}
