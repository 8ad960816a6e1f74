package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// A process takes a changed file upon SIGHUP and by itself; a faulty one it leaves
// alone, and serves on.
func TestAChangedFileOfARunningProcess(t *testing.T) {
	v := values(t, testenv.DSN(t, true))
	path := file(t, "stock-etc.yaml", v)
	p, _ := serveFile(t, path, v)
	original, err := os.ReadFile(path)
	require.NoError(t, err)
	write := func(more string, replace ...string) {
		text := append(bytes.Clone(original), more...)
		for i := 0; i+1 < len(replace); i += 2 {
			text = bytes.ReplaceAll(text, []byte(replace[i]), []byte(replace[i+1]))
		}
		require.NoError(t, os.WriteFile(path, text, 0o600))
	}
	told := func(line string) {
		t.Helper()
		require.Eventually(t, func() bool { return bytes.Contains([]byte(p.output()), []byte(line)) }, 30*time.Second, 20*time.Millisecond, "%q\n%s", line, p)
	}
	write("Concurrency: {Strategy: limit, Limit: 3}\nMaxInFlight: 9\n")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGHUP))
	told("now in force: Concurrency.Limit, Concurrency.Strategy")
	told("in force only after a restart: MaxInFlight")
	write("Concurrency: {Limit: 0}\n")
	told("what was in force before stays so: config file " + path)

	write("Sessions: {TTLDays: 9}\nShutdown: {WaitTime: 40s}\n", "Level: debug", "Level: error")
	told("in force only after a restart: Shutdown.WaitTime") // which is an error, and follows the new level
	write("Sessions: {TTLDays: 9}\n", "Level: debug", "Level: info")
	told("now in force: Log.Level")
	require.NotContains(t, p.output(), "Sessions.TTLDays", "nothing below error was logged then")

	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	code, _ := p.exit(20 * time.Second)
	require.Zero(t, code, p.output())
}

// What is printed is the file that the process would read, without its secrets.
func TestPrintConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(path, []byte("Name: a\nListenOn: 127.0.0.1:1\nMysql: {DSN: 'u:hidden@tcp(127.0.0.1:1)/db'}\nCache: [{Host: a}]\nKV: [{Host: a}]\nSweeep: {}\n"), 0o600))
	p := start(t, "-f", path, "-print-config")
	code, _ := p.exit(30 * time.Second)
	require.Zero(t, code, p.output())
	require.Contains(t, p.output(), "DSN: u:***@tcp(127.0.0.1:1)/db\n")
	require.Contains(t, p.output(), "authsession: warning: config key Sweeep is not known")
	require.NotContains(t, p.output(), "hidden")

	p = start(t, "-f", path+"x.yaml", "-print-config")
	code, _ = p.exit(30 * time.Second)
	require.Equal(t, 1, code)
}
