package integration

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tgsession/tgsession/app/internal/freeport"
)

// The stock configuration files, key for key; only addresses, ports, the
// DSN and the log path are substituted.
//
//go:embed testdata/*.tmpl
var stockFiles embed.FS

// settings fill a stock file.
type settings struct {
	ListenOn    string
	Etcd        string
	Redis       string
	DSN         string
	Logs        string
	Collector   string
	MetricsPort int
}

// service is one running binary.
type service struct {
	t      testing.TB
	cmd    *exec.Cmd
	addr   string
	output *syncBuffer
	exited chan struct{}
	err    error

	metricsPort int // of the files that configure one
}

// syncBuffer collects a process's output.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// render fills a stock file and writes it, followed by extra lines.
func (s *stores) render(t testing.TB, file, addr, extra string) string {
	t.Helper()
	tmpl, err := template.ParseFS(stockFiles, "testdata/"+file+".tmpl")
	require.NoError(t, err)
	dir := t.TempDir()
	var out bytes.Buffer
	require.NoError(t, tmpl.Execute(&out, settings{
		ListenOn: addr, Etcd: s.Etcd, Redis: s.Redis, DSN: s.DSN, Logs: filepath.Join(dir, "logs"),
		Collector: fmt.Sprintf("127.0.0.1:%d", freeport.Port(t)), MetricsPort: freeport.Port(t),
	}))
	out.WriteString("\n" + extra)
	path := filepath.Join(dir, strings.TrimSuffix(file, ".tmpl"))
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
	return path
}

// metricsPort reads the port of the Prometheus block back, 0 without one.
func metricsPort(t testing.TB, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	m := regexp.MustCompile(`(?m)^  Port: (\d+)`).FindSubmatch(text)
	if m == nil {
		return 0
	}
	port, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return port
}

// command is a binary under the race detector, which reports at once and need
// not be given its usual second to do so at the end.
func command(binary string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=20")
	return cmd
}

// start runs a binary with a configuration file and stops it at the end of
// the test.
func start(t testing.TB, binary, addr string, args ...string) *service {
	t.Helper()
	s := &service{t: t, addr: addr, output: &syncBuffer{}, exited: make(chan struct{})}
	s.cmd = command(binary, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	require.NoError(t, s.cmd.Start())
	go func() {
		s.err = s.cmd.Wait()
		close(s.exited)
	}()
	t.Cleanup(func() {
		s.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("output of %s %s:\n%s", filepath.Base(binary), addr, s.output)
		}
		if strings.Contains(s.output.String(), "DATA RACE") {
			t.Errorf("data race in %s:\n%s", filepath.Base(binary), s.output)
		}
	})
	return s
}

// stop sends a signal and waits for the end; a process that does not end
// within 60 s is killed and fails the test.
func (s *service) stop(sig syscall.Signal) {
	s.t.Helper()
	select {
	case <-s.exited:
		return
	default:
	}
	_ = s.cmd.Process.Signal(sig)
	select {
	case <-s.exited:
	case <-time.After(60 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
		s.t.Errorf("%s did not stop within 60 s:\n%s", s.cmd.Path, s.output)
	}
}

// ready waits until the service serves and is found in etcd.
func (s *service) ready(srv *stores, key string) {
	s.t.Helper()
	conn, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(s.t, err)
	defer conn.Close()
	health := grpc_health_v1.NewHealthClient(conn)
	eventually(s.t, key+" serves and is registered", func() bool {
		select {
		case <-s.exited:
			s.t.Fatalf("%s ended: %v\n%s", key, s.err, s.output)
		default:
		}
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		if res, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil || res.Status != grpc_health_v1.HealthCheckResponse_SERVING {
			return false
		}
		return srv.Registered(key, s.addr)
	})
}

// startAuthsession starts authsession from a stock file, with extra lines and
// migrations on.
func (s *stores) startAuthsession(t testing.TB, file, extra string) *service {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freeport.Port(t))
	path := s.render(t, file, addr, extra)
	out, err := command(built.AuthSession, "-f", path, "-migrate", "-create").CombinedOutput()
	require.NoError(t, err, string(out))
	svc := start(t, built.AuthSession, addr, "-f", path)
	svc.ready(s, "service.authsession")
	return svc
}

// startSession starts session from a stock file, with extra lines and changes.
func (s *stores) startSession(t testing.TB, file, extra string, change ...func(string) string) *service {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freeport.Port(t))
	path := s.render(t, file, addr, extra)
	for _, f := range change {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, []byte(f(string(text))), 0o600))
	}
	svc := start(t, built.Session, addr, "-f", path)
	svc.metricsPort = metricsPort(t, path)
	svc.ready(s, "interface.session")
	return svc
}
