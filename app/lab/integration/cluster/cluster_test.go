package cluster

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/telegram/dcs"
	"github.com/gotd/td/transport"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/cluster"
	"github.com/tgsession/tgsession/app/lab/demo"
	"github.com/tgsession/tgsession/app/lab/integration/servers"
	"github.com/tgsession/tgsession/app/lab/tlgencmd"
	"github.com/tgsession/tgsession/app/lab/tlgencmd/printed"
	"github.com/tgsession/tgsession/proto/tl"
)

var built servers.Binaries

func TestMain(m *testing.M) { os.Exit(servers.Main(m, &built)) }

func TestScenarioOnRealServers(t *testing.T) {
	for _, tc := range []struct {
		name    string
		stream  bool   // between gateway, BFF and session
		session string // lines of session.yaml
		via     dcs.Protocol
	}{
		{"streams, intermediate", true, "", transport.Intermediate},
		{"unary, full", false, "UseStreamGateway: false", transport.Full},
		{"streams, abridged", true, "UseStreamGateway: true", transport.Abridged},
		{"a generated schema", true, "Schema: " + generate(t), transport.Intermediate},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := servers.Start(t)
			c, err := cluster.Start(t.Context(), cluster.Config{
				Dir: t.TempDir(), MySQL: s.DSN, Redis: s.Redis, Etcd: []string{s.Etcd},
				Session: []string{built.Session}, AuthSession: []string{built.AuthSession},
				SessionYAML: tc.session, StreamSession: tc.stream,
			})
			require.NoError(t, err)
			defer c.Close()
			passed, err := demo.Run(t.Context(), demo.Target{
				Addr: c.Addr(), Key: c.PublicKey(), DC: c.DC(), Code: bff.DefaultCode, Protocol: tc.via,
				Online: c.Online, RestartAuthSession: c.RestartAuthSession, RestartSession: c.RestartSession,
			}, func(step demo.Step) { t.Logf("%s (%s)", step.Name, step.Took.Round(time.Millisecond)) })
			require.NoError(t, err)
			require.Greater(t, passed, 20)
			require.Equal(t, strings.Contains(tc.session, "Schema:"), logged(t, c.Logs(), "schema generated ("))
		})
	}
}

// generate makes the table set of the newest release anew, as the operator of a newer one would: from .proto files and
// the schema Telegram publishes. It returns the file for session.yaml.
func generate(t *testing.T) string {
	t.Helper()
	set, err := tl.ReadSet(tl.Default)
	require.NoError(t, err)
	dir := t.TempDir()
	for name, text := range printed.Protos(set) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	public, err := printed.Schemas()
	require.NoError(t, err)
	var out, errs bytes.Buffer
	file := filepath.Join(dir, "generated.tls.zst")
	require.Zero(t, tlgencmd.Run([]string{
		"--proto", dir, "--tl", filepath.Join(public, "telegram.tl"), filepath.Join(public, "mt.tl"),
		"--base", tl.Default, "--release", "generated", "-o", file,
	}, &out, &errs), errs.String())
	require.Contains(t, out.String(), set.Hash())
	return file
}

// logged reports whether a text stands in any file of a folder.
func logged(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		log, err := os.ReadFile(path)
		found = found || strings.Contains(string(log), text)
		return err
	}))
	return found
}
