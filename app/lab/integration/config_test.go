package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/freeport"
)

// Every pair of stock files starts both services, which serve and register.
func TestStockFilesStart(t *testing.T) {
	for _, variant := range []string{"app", "etc", "etc2"} {
		t.Run(variant, func(t *testing.T) {
			c := startCluster(t, variant, "")
			c.newClient().ping()
		})
	}
}

// fails starts a binary that must not start: it has to exit with 1 within
// the limit and to say the words on standard error.
func fails(t *testing.T, limit time.Duration, binary, file string, words ...string) {
	t.Helper()
	cmd := exec.Command(binary, "-f", file)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	started := time.Now()
	require.NoError(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(limit):
		_ = cmd.Process.Kill()
		t.Fatalf("still running after %s", limit)
	}
	t.Logf("exit %d after %s: %s", cmd.ProcessState.ExitCode(), time.Since(started).Round(time.Millisecond), strings.TrimSpace(stderr.String()))
	require.Equal(t, 1, cmd.ProcessState.ExitCode())
	for _, w := range words {
		require.Contains(t, stderr.String(), w)
	}
}

// edit rewrites a configuration file.
func edit(t *testing.T, path, from, to string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), from)
	out := filepath.Join(t.TempDir(), filepath.Base(path))
	require.NoError(t, os.WriteFile(out, []byte(strings.ReplaceAll(string(text), from, to)), 0o600))
	return out
}

// soon is the promised second, with slack for binaries that carry the race
// detector on a loaded machine.
const soon = 5 * time.Second

func TestConfigurationErrorsNameTheKey(t *testing.T) {
	s := startServers(t)
	addr := fmt.Sprintf("127.0.0.1:%d", freeport.Port(t))
	session := s.render(t, "etc-session.yaml", addr, "")
	authsession := s.render(t, "etc-authsession.yaml", addr, "")

	t.Run("no file", func(t *testing.T) {
		fails(t, soon, built.Session, "/nonexistent/session.yaml", "/nonexistent/session.yaml")
	})
	t.Run("session without ListenOn", func(t *testing.T) {
		fails(t, soon, built.Session, edit(t, session, "ListenOn:", "#ListenOn:"), "ListenOn")
	})
	t.Run("session with a bad Timeout", func(t *testing.T) {
		fails(t, soon, built.Session, edit(t, session, "Cache:", "Timeout: soon\nCache:"), "Timeout")
	})
	t.Run("session with an unknown schema", func(t *testing.T) {
		fails(t, soon, built.Session, edit(t, session, "Cache:", "Schema: 0.1.0\nCache:"), "Schema", "0.223.1")
	})
	t.Run("session with a table set that is not there", func(t *testing.T) {
		fails(t, soon, built.Session, edit(t, session, "Cache:", "Schema: /nonexistent/0.224.0.tls\nCache:"),
			"Schema", "/nonexistent/0.224.0.tls", "no such file", "0.223.1", "lab tlgen")
	})
	for name, text := range map[string]string{
		"empty.tls":       "",
		"text.tls":        "a page of the manual\n",
		"cut.tls.zst":     "\x28\xb5\x2f\xfd\x04",
		"unknown.tls.zst": "no zstd",
	} {
		t.Run("session with a broken table set, "+name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			fails(t, soon, built.Session, edit(t, session, "Cache:", "Schema: "+file+"\nCache:"), "Schema", file, "0.223.1", "lab tlgen")
		})
	}
	t.Run("authsession without DSN", func(t *testing.T) {
		fails(t, soon, built.AuthSession, edit(t, authsession, "DSN:", "#DSN:"), "DSN")
	})
	t.Run("authsession with a malformed DSN", func(t *testing.T) {
		fails(t, soon, built.AuthSession, edit(t, authsession, s.DSN, "root:secret@nowhere"), "Mysql.DSN")
	})
}

func TestUnreachablePeersEndTheStart(t *testing.T) {
	s := startServers(t)
	addr := fmt.Sprintf("127.0.0.1:%d", freeport.Port(t))
	nobody := fmt.Sprintf("127.0.0.1:%d", freeport.Port(t))
	const limit = 15 * time.Second // 10 s, and the same slack
	t.Run("session, etcd", func(t *testing.T) {
		fails(t, limit, built.Session, edit(t, s.render(t, "etc-session.yaml", addr, ""), s.Etcd, nobody), "Etcd", nobody)
	})
	t.Run("authsession, etcd", func(t *testing.T) {
		fails(t, limit, built.AuthSession, edit(t, s.render(t, "etc-authsession.yaml", addr, ""), s.Etcd, nobody), "Etcd", nobody)
	})
	t.Run("authsession, MySQL", func(t *testing.T) {
		file := edit(t, s.render(t, "etc-authsession.yaml", addr, ""), s.DSN, "root:hidden@tcp("+nobody+")/teamgram?charset=utf8mb4&parseTime=true")
		fails(t, limit, built.AuthSession, file, "Mysql.DSN", nobody)
	})
}

// Unknown keys and groups are one warning each, with the nearest real name,
// and an unreachable Redis is a warning too: the services start.
func TestConfigurationWarnings(t *testing.T) {
	s := startServers(t)
	s.playGateway(t, true)
	s.playStatus(t)
	s.playBFF(t)
	auth := s.startAuthsession(t, "app-authsession.yaml", "")
	require.Contains(t, auth.output.String(), "QueryTimeout", "an ignored key of the stock file")

	nobody := fmt.Sprintf("127.0.0.1:%d", freeport.Port(t))
	addr := fmt.Sprintf("127.0.0.1:%d", freeport.Port(t))
	noRedis := start(t, built.AuthSession, addr, "-f", edit(t, s.render(t, "app-authsession.yaml", addr, ""), s.Redis, nobody))
	noRedis.ready(s, "service.authsession")
	require.Contains(t, noRedis.output.String(), nobody)

	session := s.startSession(t, "app-session.yaml", "UseStreamGatway: true\n")
	out := session.output.String()
	require.Contains(t, out, "UseStreamGatway")
	require.Contains(t, out, "UseStreamGateway", "the nearest name")
	require.Contains(t, out, "RPCPhotos", "the stock file routes a group that does not exist")
}
