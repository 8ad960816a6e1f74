// Package servers gives integration tests the real stores they run on and
// the binaries they run.
package servers

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Binaries are the services under test.
type Binaries struct{ Session, AuthSession string }

// Main builds the binaries, with the race detector, and runs the tests. It
// is the body of a TestMain. Without servers in the environment it builds
// nothing: every test skips itself, or, where servers are promised
// (TEST_REQUIRE_SERVERS), the run fails.
func Main(m *testing.M, out *Binaries) int {
	if os.Getenv("TEST_MYSQL_DSN") == "" {
		if os.Getenv("TEST_REQUIRE_SERVERS") != "" {
			fmt.Fprintln(os.Stderr, "TEST_MYSQL_DSN is not set: run `make test`")
			return 1
		}
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "tgsession-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(dir, out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build has the tags of .ci/test, so that nothing is compiled for both.
func build(dir string, out *Binaries) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tgsession/tgsession").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	for pkg, path := range map[string]*string{
		"./app/interface/session/cmd/session":       &out.Session,
		"./app/service/authsession/cmd/authsession": &out.AuthSession,
	} {
		*path = filepath.Join(dir, filepath.Base(pkg))
		cmd := exec.Command("go", "build", "-C", strings.TrimSpace(string(root)), "-race", "-tags=no_k8s", "-ldflags=-s -w", "-o", *path, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1") // the detector needs it
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
		}
	}
	return nil
}

// Servers are the stores of one test: a database of its own, an empty Redis,
// an etcd without registrations of earlier tests.
type Servers struct {
	DSN   string
	Redis string
	Etcd  string
	DB    *sql.DB
	KV    *redis.Client
	Disc  *clientv3.Client
}

var databases atomic.Int32

// Need skips a test where no servers are named.
func Need(t testing.TB) {
	t.Helper()
	if os.Getenv("TEST_MYSQL_DSN") == "" {
		t.Skip("needs TEST_MYSQL_DSN, TEST_REDIS_ADDR and TEST_ETCD_ENDPOINTS; `make test` brings them")
	}
}

// Start prepares the stores, or skips the test where none are named. Tests
// that use them run one after another, because the etcd keys of the services
// are fixed.
func Start(t testing.TB) *Servers {
	t.Helper()
	Need(t)
	dsn := os.Getenv("TEST_MYSQL_DSN")
	cfg, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	name := fmt.Sprintf("tgsession_it_%d_%d", os.Getpid(), databases.Add(1))
	admin, err := sql.Open("mysql", dsn)
	require.NoError(t, err)
	_, err = admin.Exec("CREATE DATABASE " + name + " CHARACTER SET utf8mb4")
	require.NoError(t, err)
	cfg.DBName = name
	s := &Servers{
		DSN:   cfg.FormatDSN(),
		Redis: os.Getenv("TEST_REDIS_ADDR"),
		Etcd:  strings.Split(os.Getenv("TEST_ETCD_ENDPOINTS"), ",")[0],
	}
	s.DB, err = sql.Open("mysql", s.DSN)
	require.NoError(t, err)
	s.KV = redis.NewClient(&redis.Options{Addr: s.Redis})
	s.Disc, err = clientv3.New(clientv3.Config{Endpoints: []string{s.Etcd}, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	require.NoError(t, err)
	ctx := t.Context()
	require.NoError(t, s.KV.FlushAll(ctx).Err())
	for _, prefix := range []string{"interface.", "service.", "bff."} {
		_, err := s.Disc.Delete(ctx, prefix, clientv3.WithPrefix())
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		_, _ = admin.ExecContext(context.Background(), "DROP DATABASE "+name)
		_ = admin.Close()
		_ = s.DB.Close()
		_ = s.KV.Close()
		_ = s.Disc.Close()
	})
	return s
}

// Registered says whether an address stands in etcd under a key.
func (s *Servers) Registered(key, addr string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	res, err := s.Disc.Get(ctx, key+"/", clientv3.WithPrefix())
	if err != nil {
		return false
	}
	for _, kv := range res.Kvs {
		if string(kv.Value) == addr {
			return true
		}
	}
	return false
}
