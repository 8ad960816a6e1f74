package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// askHealth runs `authsession healthcheck`.
func askHealth(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"healthcheck"}, args...)...)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), string(out)
	}
	require.NoError(t, err)
	return 0, string(out)
}

// Each store and etcd is cut off in turn. What the service cannot do without makes it one
// that is not ready; `healthcheck` says the same, and it lives all the time.
func TestReadinessOfAuthSession(t *testing.T) {
	dsn, err := mysql.ParseDSN(testenv.DSN(t, true))
	require.NoError(t, err)
	v := values(t, "")
	proxies := map[string]*tcpproxy.Proxy{"MySQL": tcpproxy.Start(t, dsn.Addr), "Redis": tcpproxy.Start(t, v["REDIS"]), "etcd": tcpproxy.Start(t, v["ETCD"])}
	dsn.Addr, v["REDIS"], v["ETCD"] = proxies["MySQL"].Addr(), proxies["Redis"].Addr(), proxies["etcd"].Addr()
	v["MYSQL"] = dsn.FormatDSN()
	path := file(t, "stock-etc.yaml", v)
	dev := freeport.Address(t)
	_, port, _ := net.SplitHostPort(dev)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(text, "\nDevServer: {Port: "+port+"}\n"...), 0o600))
	code, out := askHealth(t, "-f", path)
	require.Equal(t, 1, code, "nobody is there: %s", out)
	p, _ := serveFile(t, path, v)

	ready := func() (bool, string) {
		answer, err := http.Get("http://" + dev + "/readyz")
		if err != nil {
			return false, err.Error()
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode == http.StatusOK, string(body)
	}
	var body string
	becomes := func(want bool, text string) {
		t.Helper()
		require.Eventually(t, func() bool {
			var is bool
			is, body = ready()
			return is == want && strings.Contains(body, text)
		}, 40*time.Second, 20*time.Millisecond, "%v", &body)
	}
	well := func() {
		t.Helper()
		becomes(true, "ok    MySQL: answers, in ")
		becomes(true, "ok    Redis: answers, in ")
		becomes(true, "ok    etcd: lists "+p.listen)
		becomes(true, "ok    state: serves")
	}
	well()
	for _, c := range []struct {
		what  string
		ready bool
		line  string
	}{
		{"MySQL", false, "FAIL  MySQL: does not answer: "},
		{"Redis", true, "warn  Redis: does not answer, all goes to MySQL: "},
		{"etcd", false, "FAIL  etcd: has not confirmed for "},
	} {
		t.Run(c.what, func(t *testing.T) {
			proxies[c.what].Cut()
			becomes(c.ready, c.line)
			require.NotContains(t, body, "root", "no account in it")
			code, out := askHealth(t, "-f", path)
			require.Equal(t, !c.ready, code == 1, out)
			require.Contains(t, out, c.line)
			code, out = askHealth(t, "-f", path, "-live")
			require.Zero(t, code, out)
			require.Equal(t, "OK\n", out)
			proxies[c.what].Restore()
			well()
		})
	}
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	code, _ = p.exit(20 * time.Second)
	require.Zero(t, code, p.output())
	code, _ = askHealth(t, "-f", path, "-live")
	require.Equal(t, 1, code)
}

// Without a DevServer the health service of the port is asked.
func TestHealthcheckWithoutADevServer(t *testing.T) {
	v := values(t, testenv.DSN(t, true))
	path := file(t, "stock-app.yaml", v)
	serveFile(t, path, v)
	require.Eventually(t, func() bool {
		code, out := askHealth(t, "-f", path)
		return code == 0 && out == "readiness: SERVING\n"
	}, 20*time.Second, 50*time.Millisecond)
	code, out := askHealth(t, "-f", path, "-live")
	require.Equal(t, []any{0, "liveness: SERVING\n"}, []any{code, out})
	for want, args := range map[string][]string{
		"unexpected argument":         {"-f", path, "now"},
		"flag provided but not":       {"-x"},
		"no such file":                {"-f", path + "x"},
		"Usage: authsession healthch": {"--help"},
	} {
		code, out := askHealth(t, args...)
		require.Contains(t, out, want)
		require.Equal(t, want[:5] != "Usage", code == 2)
	}
}
