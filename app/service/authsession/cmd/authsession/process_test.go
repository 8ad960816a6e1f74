package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/proto/authsession"
)

// The test binary is the program when this variable is set.
const childVariable = "AUTHSESSION_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is a running authsession.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	listen string
	logs   string // folder

	mu  sync.Mutex
	out bytes.Buffer
	end chan error
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// output is all the process has written: both streams and its log files.
func (p *process) output() string {
	p.mu.Lock()
	text := p.out.String()
	p.mu.Unlock()
	if p.logs == "" {
		return text
	}
	files, _ := filepath.Glob(filepath.Join(p.logs, "*"))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		text += string(b)
	}
	return text
}

// start runs the program.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, end: make(chan error, 1)}
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = append(os.Environ(), childVariable+"=1")
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = p, p
	require.NoError(t, p.cmd.Start())
	go func() { p.end <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// exit waits for the process and returns its code and how long it took.
func (p *process) exit(within time.Duration) (code int, took time.Duration) {
	p.t.Helper()
	began := time.Now()
	select {
	case <-p.end:
		return p.cmd.ProcessState.ExitCode(), time.Since(began)
	case <-time.After(within):
		p.t.Fatalf("still running after %v:\n%s", within, p.output())
		return 0, 0
	}
}

// file writes a configuration from testdata with its placeholders filled in.
func file(t *testing.T, name string, values map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	// ETCD is part of ETCDKEY: longer placeholders first.
	names := slices.SortedFunc(maps.Keys(values), func(a, b string) int { return len(b) - len(a) })
	for _, k := range names {
		text = bytes.ReplaceAll(text, []byte(k), []byte(values[k]))
	}
	path := filepath.Join(t.TempDir(), "authsession.yaml")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

func values(t *testing.T, dsn string) map[string]string {
	t.Helper()
	return map[string]string{
		"LISTEN":     freeport.Address(t),
		"ETCDKEY":    fmt.Sprintf("test.authsession.%d", time.Now().UnixNano()),
		"ETCD":       testenv.Variable(t, "TEST_ETCD_ENDPOINTS"),
		"REDIS":      testenv.Variable(t, "TEST_REDIS_ADDR"),
		"MYSQL":      dsn,
		"LOGS":       t.TempDir(),
		"PROMETHEUS": strconv.Itoa(freeport.Port(t)),
	}
}

// serve starts the program on a configuration and waits until it serves.
func serve(t *testing.T, name string, v map[string]string, flags ...string) (*process, *grpc.ClientConn) {
	t.Helper()
	return serveFile(t, file(t, name, v), v, flags...)
}

// serveFile does so on a file that has its values.
func serveFile(t *testing.T, path string, v map[string]string, flags ...string) (*process, *grpc.ClientConn) {
	t.Helper()
	p := start(t, append([]string{"-f", path}, flags...)...)
	p.listen, p.logs = v["LISTEN"], v["LOGS"]
	conn, err := grpc.NewClient(p.listen, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.Eventually(t, func() bool {
		s, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		return err == nil && s.Status == grpc_health_v1.HealthCheckResponse_SERVING
	}, 20*time.Second, 20*time.Millisecond, "%s", p)
	return p, conn
}

func (p *process) String() string { return p.output() }

func TestStockFilesLoadUnchanged(t *testing.T) {
	for name, notes := range map[string][]string{
		"stock-app.yaml":  {"Mysql.Addr", "Mysql.QueryTimeout", "Mysql.ExecTimeout", "Mysql.TranTimeout"},
		"stock-etc.yaml":  nil,
		"stock-etc2.yaml": nil,
	} {
		t.Run(name, func(t *testing.T) {
			p, conn := serve(t, name, values(t, testenv.DSN(t, true)))
			_, err := authsession.NewRPCAuthsessionClient(conn).AuthsessionQueryAuthKey(t.Context(), &authsession.TLAuthsessionQueryAuthKey{AuthKeyId: 5})
			require.ErrorContains(t, err, "AUTH_KEY_UNREGISTERED")
			require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
			code, took := p.exit(10 * time.Second)
			require.Zero(t, code, p.output())
			require.Less(t, took, 5*time.Second)
			require.NotContains(t, p.output(), "warning")
			require.Equal(t, len(notes), strings.Count(p.output(), "is not needed"), p.output())
			for _, key := range notes {
				require.Contains(t, p.output(), "config key "+key+" is not needed")
			}
		})
	}
}

func TestConfigurationErrorsNameKeyAndFixWithinASecond(t *testing.T) {
	whole := "Name: a\nListenOn: 127.0.0.1:1\nMysql: {DSN: 'u:hidden@tcp(127.0.0.1:1)/db'}\nCache: [{Host: a}]\nKV: [{Host: a}]\n"
	for name, tc := range map[string]struct{ text, want string }{
		"no DSN":         {strings.Replace(whole, "DSN: 'u:hidden@tcp(127.0.0.1:1)/db'", "Active: 1", 1), "Mysql.DSN is missing: set it, for example DSN: root:@tcp(127.0.0.1:3306)/teamgram"},
		"DSN is none":    {strings.Replace(whole, "tcp(127.0.0.1:1)/db", "tcp(127.0.0.1:1", 1), "Mysql.DSN is not a MySQL DSN"},
		"no database":    {strings.Replace(whole, "/db", "/", 1), "Mysql.DSN names no database"},
		"no ListenOn":    {strings.Replace(whole, "ListenOn", "Listen", 1), "ListenOn is missing"},
		"no Cache":       {strings.Replace(whole, "Cache: [{Host: a}]", "Cache: []", 1), "Cache has no node: name a Redis"},
		"no KV at all":   {strings.Replace(whole, "KV: [{Host: a}]", "", 1), "KV is missing"},
		"IdleTimeout":    {strings.Replace(whole, "Mysql: {", "Mysql: {IdleTimeout: soon, ", 1), "Mysql.IdleTimeout is soon"},
		"no connections": {strings.Replace(whole, "Mysql: {", "Mysql: {Active: 0, ", 1), "Mysql.Active"},
		"not YAML":       {"Name: [", "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.yaml")
			require.NoError(t, os.WriteFile(path, []byte(tc.text), 0o600))
			began := time.Now()
			p := start(t, "-f", path)
			code, _ := p.exit(30 * time.Second)
			require.Equal(t, 1, code)
			require.Less(t, time.Since(began), 15*time.Second) // the race detector's start is in it, on a busy machine
			require.Contains(t, p.output(), tc.want)
			require.NotContains(t, p.output(), "hidden", "no password in the message")
		})
	}
}

func TestOutOfReach(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	require.NoError(t, err)
	defer silent.Close()
	t.Run("MySQL", func(t *testing.T) {
		for _, address := range []string{"127.0.0.1:1", silent.Addr().String()} {
			v := values(t, "root:topsecret@tcp("+address+")/teamgram")
			p := start(t, "-f", file(t, "stock-etc.yaml", v))
			code, took := p.exit(time.Minute)
			require.Equal(t, 1, code)
			require.Greater(t, took, 6*time.Second, "services that start together need time")
			require.Less(t, took, 30*time.Second, "10 s on a machine that has nothing else to do")
			require.Contains(t, p.output(), "Mysql.DSN, within Mysql.StartTimeout (8s)")
			require.Contains(t, p.output(), address)
			require.NotContains(t, p.output(), "topsecret")
		}
	})
	t.Run("MySQL says no", func(t *testing.T) {
		dsn, err := mysql.ParseDSN(testenv.Variable(t, "TEST_MYSQL_DSN"))
		require.NoError(t, err)
		dsn.User, dsn.Passwd, dsn.DBName = "nobody", "topsecret", "nowhere"
		p := start(t, "-f", file(t, "stock-etc.yaml", values(t, dsn.FormatDSN())))
		code, took := p.exit(20 * time.Second)
		require.Equal(t, 1, code)
		require.Less(t, took, 5*time.Second, "waiting would not help")
		require.Contains(t, p.output(), "user nobody, database nowhere")
		require.NotContains(t, p.output(), "topsecret")
	})
	t.Run("etcd", func(t *testing.T) {
		v := values(t, testenv.DSN(t, true))
		v["ETCD"] = "127.0.0.1:1"
		p := start(t, "-f", file(t, "stock-app.yaml", v))
		code, took := p.exit(12 * time.Second)
		require.Equal(t, 1, code)
		require.Less(t, took, 10*time.Second)
		require.Contains(t, p.output(), "Etcd.Hosts")
	})
	t.Run("Redis is a warning", func(t *testing.T) {
		v := values(t, testenv.DSN(t, false))
		v["REDIS"] = "127.0.0.1:1"
		p, conn := serve(t, "stock-etc.yaml", v)
		require.Contains(t, p.output(), "Redis cannot be used, going on from MySQL without it")
		k := newKey(t)
		client := authsession.NewRPCAuthsessionClient(conn)
		_, err := client.AuthsessionSetAuthKey(t.Context(), setKey(k))
		require.NoError(t, err)
		_, err = client.AuthsessionQueryAuthKey(t.Context(), &authsession.TLAuthsessionQueryAuthKey{AuthKeyId: k.IntID()})
		require.NoError(t, err)
	})
}

// A service may be started before its database: it says what it waits for, in
// its log and, where that is a file, on standard error, and serves when the
// database does.
func TestAStartWaitsForMySQL(t *testing.T) {
	dsn, err := mysql.ParseDSN(testenv.DSN(t, false))
	require.NoError(t, err)
	real := dsn.Addr
	dsn.Addr = freeport.Address(t)
	v := values(t, dsn.FormatDSN())
	path := file(t, "stock-etc.yaml", v)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, bytes.Replace(text, []byte("Mysql:\n"), []byte("Mysql:\n  StartTimeout: 1m\n"), 1), 0o600))
	p := start(t, "-f", path)
	p.logs = v["LOGS"]
	said := func() string {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.out.String()
	}
	require.Eventually(t, func() bool {
		return strings.Contains(said(), "waiting up to 1m0s (Mysql.StartTimeout): MySQL at "+dsn.Addr)
	}, 20*time.Second, 10*time.Millisecond, "%s", p)
	forward(t, dsn.Addr, real)
	conn, err := grpc.NewClient(v["LISTEN"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.Eventually(t, func() bool {
		s, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		return err == nil && s.Status == grpc_health_v1.HealthCheckResponse_SERVING
	}, 20*time.Second, 20*time.Millisecond, "%s", p)
	require.Contains(t, p.output(), "had none of the tables of a stock install, so they were made")
}

// forward serves an address by another.
func forward(t *testing.T, from, to string) {
	t.Helper()
	l, err := net.Listen("tcp", from)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
				}()
			}
		}
	}()
}
