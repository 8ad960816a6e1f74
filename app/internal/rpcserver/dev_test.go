package rpcserver

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/service"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tgsession/tgsession/app/internal/etcdtest"
	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

// withDev gives a configuration a DevServer and returns its address.
func withDev(t testing.TB, c *zrpc.RpcServerConf) (address string) {
	t.Helper()
	address = freeport.Address(t)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	c.Health = true
	c.DevServer = service.DevServerConfig{Enabled: true, Port: n, HealthPath: "/healthz", HealthResponse: "OK", MetricsPath: "/metrics", EnableMetrics: true, EnablePprof: true}
	return address
}

func page(t testing.TB, address, path string) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + address + path)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

func healthOf(t testing.TB, c zrpc.RpcServerConf, service string) grpc_health_v1.HealthCheckResponse_ServingStatus {
	t.Helper()
	state, err := grpc_health_v1.NewHealthClient(dialServer(t, c)).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
	require.NoError(t, err)
	return state.Status
}

const (
	up   = grpc_health_v1.HealthCheckResponse_SERVING
	down = grpc_health_v1.HealthCheckResponse_NOT_SERVING
)

// go-zero's listens on all addresses, with profiles and without asking who calls.
func TestDevServerIsOnLoopbackUnlessAHostIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		conf service.DevServerConfig
		want string
	}{
		"no host":          {service.DevServerConfig{Enabled: true, Port: 6060}, "127.0.0.1:6060"},
		"all of IPv4":      {service.DevServerConfig{Enabled: true, Port: 6060, Host: "0.0.0.0"}, "0.0.0.0:6060"},
		"an address":       {service.DevServerConfig{Enabled: true, Port: 6060, Host: "10.0.0.7"}, "10.0.0.7:6060"},
		"IPv6":             {service.DevServerConfig{Enabled: true, Port: 6060, Host: "::"}, "[::]:6060"},
		"IPv6 in brackets": {service.DevServerConfig{Enabled: true, Port: 6060, Host: "[fd00::7]"}, "[fd00::7]:6060"},
		"off":              {service.DevServerConfig{Port: 6060}, ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, DevAddress(c.conf)) })
	}
}

// What go-zero's DevServer serves is served at the same paths, and ends with the server.
func TestDevServerHasGoZerosPages(t *testing.T) {
	h, c := newHeld(), testConf(t)
	address := withDev(t, &c)
	s, err := New(Options{Conf: c, Register: h.register, Pages: map[string]http.Handler{
		"/debug/own/": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("own " + r.URL.Path)) }),
	}})
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	for path, want := range map[string]string{
		"/healthz": "OK", "/metrics": "go_goroutines", "/debug/pprof/": "goroutine", "/debug/pprof/cmdline": "rpcserver",
		"/debug/own/x": "own /debug/own/x", "/": `"/readyz"`,
	} {
		status, body := page(t, address, path)
		require.Equal(t, http.StatusOK, status, path)
		require.Contains(t, body, want, path)
	}
	status, _ := page(t, address, "/else")
	require.Equal(t, http.StatusNotFound, status)
	require.NoError(t, s.Stop(t.Context()))
	status, body := page(t, address, "/healthz")
	require.Zero(t, status)
	require.Contains(t, body, "refused")
}

// An address that is taken is a line in the log, as with go-zero.
func TestADevServerThatCannotListenEndsNothing(t *testing.T) {
	h, c := newHeld(), testConf(t)
	address := withDev(t, &c)
	taken, err := net.Listen("tcp", address)
	require.NoError(t, err)
	defer taken.Close()
	s, err := New(Options{Conf: c, Register: h.register})
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	require.NoError(t, s.Stop(t.Context()))
}

// Each check that fails makes the server one that is not ready, but those that it can do
// without; it lives all the time.
func TestReadiness(t *testing.T) {
	h, c := newHeld(), testConf(t)
	address := withDev(t, &c)
	var store, cache atomic.Bool
	check := func(broken *atomic.Bool) func(context.Context) (string, error) {
		return func(context.Context) (string, error) {
			if broken.Load() {
				return "", errors.New("does not\nanswer")
			}
			return "answers", nil
		}
	}
	s, err := New(Options{Conf: c, Register: h.register, Checks: []Check{
		{Name: "store", Ask: check(&store)}, {Name: "cache", Ask: check(&cache), Optional: true},
	}})
	require.NoError(t, err)
	s.Expose()
	status, body := page(t, address, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "FAIL  state: the server is starting\nFAIL  store: has not been asked yet\nwarn  cache: has not been asked yet\n", body)
	status, _ = page(t, address, "/healthz")
	require.Equal(t, http.StatusOK, status, "it lives")

	require.NoError(t, s.Start(t.Context()))
	becomes := func(ready int, state grpc_health_v1.HealthCheckResponse_ServingStatus, text string) {
		t.Helper()
		require.Eventually(t, func() bool {
			status, body = page(t, address, "/readyz")
			return status == ready && body == text && healthOf(t, c, Readiness) == state
		}, 20*time.Second, 10*time.Millisecond, "%d %s", status, body)
		require.Equal(t, up, healthOf(t, c, Liveness))
		require.Equal(t, up, healthOf(t, c, ""), "as without checks")
		status, _ = page(t, address, "/healthz")
		require.Equal(t, http.StatusOK, status)
	}
	becomes(http.StatusOK, up, "ok    state: serves\nok    store: answers\nok    cache: answers\n")
	store.Store(true)
	becomes(http.StatusServiceUnavailable, down, "ok    state: serves\nFAIL  store: does not answer\nok    cache: answers\n")
	store.Store(false)
	cache.Store(true)
	becomes(http.StatusOK, up, "ok    state: serves\nok    store: answers\nwarn  cache: does not answer\n")
	require.NoError(t, s.Stop(t.Context()))
}

// A check that hangs is asked once, and counts as failed after a while.
func TestACheckThatHangs(t *testing.T) {
	var asked atomic.Int32
	hang := make(chan struct{})
	defer close(hang)
	var state atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := newReadiness([]Check{{Name: "store", Ask: func(context.Context) (string, error) {
		asked.Add(1)
		cancel() // not before it has begun to hang
		<-hang
		return "", nil
	}}}, func(s grpc_health_v1.HealthCheckResponse_ServingStatus) { state.Store(int32(s)) })
	r.phase = serving
	r.round(ctx)
	r.round(ctx)
	require.EqualValues(t, 1, asked.Load())
	require.EqualValues(t, down, state.Load())
	r.said[0].at = time.Now().Add(-time.Minute)
	_, findings := r.Findings()
	require.Regexp(t, `^FAIL  store: the check has said nothing for 1m\d+s$`, findings[1].String())
}

// A server that stops is first not ready, then leaves etcd, then does what is left; its
// pages tell so until the end. It left etcd first: for up to a second whoever asked its
// health was still sent to it.
//
// Etcd may take a second, in which the machine may keep the test from looking: it is tried a
// few times. A server that leaves etcd first does its work at once after that, so it fails
// each time.
func TestLameDuck(t *testing.T) {
	for range 5 {
		if lameDuck(t) {
			return
		}
	}
	t.Fatal("it was not ready only after it had left etcd")
}

// lameDuck stops a server, and returns whether it was seen not to be ready before it had
// left etcd.
func lameDuck(t *testing.T) (before bool) {
	etcd := etcdtest.Dial(t)
	h, c := newHeld(), testConf(t)
	address := withDev(t, &c)
	proxy := tcpproxy.Start(t, etcdtest.Hosts(t)[0])
	c.Etcd.Hosts, c.Etcd.Key = []string{proxy.Addr()}, etcd.Key("lame")
	draining, goOn := make(chan struct{}), make(chan struct{})
	s, err := New(Options{Conf: c, Register: h.register, Drain: func(context.Context) { close(draining); <-goOn }})
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	require.Eventually(t, func() bool { status, _ := page(t, address, "/readyz"); return status == http.StatusOK }, 20*time.Second, 10*time.Millisecond)
	conn := dialServer(t, c)
	state := func() grpc_health_v1.HealthCheckResponse_ServingStatus {
		answer, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		require.NoError(t, err)
		return answer.Status
	}
	require.Equal(t, up, state())

	proxy.Hold() // etcd does not answer the farewell for the second that it may take
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(context.Background()) }()
	require.Eventually(t, func() bool { return state() == down }, 20*time.Second, time.Millisecond)
	select {
	case <-draining:
	default:
		before = true
	}
	<-draining
	status, body := page(t, address, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.True(t, strings.HasPrefix(body, "FAIL  state: the server is stopping"), body)
	status, _ = page(t, address, "/healthz")
	require.Equal(t, http.StatusOK, status, "it lives until it ends")
	close(goOn)
	require.NoError(t, <-stopped)
	return before
}

// Readiness knows whether etcd really lists the server, and sees that it does again.
func TestReadinessKnowsTheRegistration(t *testing.T) {
	etcd := etcdtest.Dial(t)
	h, c := newHeld(), testConf(t)
	address := withDev(t, &c)
	proxy := tcpproxy.Start(t, etcdtest.Hosts(t)[0])
	c.Etcd.Hosts, c.Etcd.Key = []string{proxy.Addr()}, etcd.Key("ready")
	s, err := New(Options{Conf: c, Register: h.register})
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	var body string
	becomes := func(want int, text string) {
		t.Helper()
		require.Eventually(t, func() bool {
			status, now := page(t, address, "/readyz")
			body = now
			return status == want && strings.Contains(now, text)
		}, 40*time.Second, 20*time.Millisecond, "%v", &body)
	}
	becomes(http.StatusOK, "ok    etcd: lists "+c.ListenOn+" under "+c.Etcd.Key)
	proxy.CutSeen(t)
	becomes(http.StatusServiceUnavailable, "FAIL  etcd: has not confirmed for ")
	proxy.Restore()
	becomes(http.StatusOK, "ok    etcd: lists ")
	require.Equal(t, []string{c.ListenOn}, etcd.Values(c.Etcd.Key))
}
