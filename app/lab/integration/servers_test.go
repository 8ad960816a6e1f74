package integration

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

// built holds the binaries under test, built once.
var built struct{ session, authsession string }

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv("TEST_MYSQL_DSN") == "" {
			if os.Getenv("TEST_REQUIRE_SERVERS") != "" {
				fmt.Fprintln(os.Stderr, "TEST_MYSQL_DSN is not set: run `make test`")
				return 1
			}
			return m.Run() // every test skips itself
		}
		dir, err := os.MkdirTemp("", "tgsession-bin")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		for name, pkg := range map[string]string{
			"session":     "./app/interface/session/cmd/session",
			"authsession": "./app/service/authsession/cmd/authsession",
		} {
			args := []string{"build", "-C", "../../..", "-o", filepath.Join(dir, name)}
			if raceEnabled {
				args = append(args, "-race")
			}
			if out, err := exec.Command("go", append(args, pkg)...).CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "go build %s: %v\n%s", pkg, err, out)
				return 1
			}
		}
		built.session = filepath.Join(dir, "session")
		built.authsession = filepath.Join(dir, "authsession")
		return m.Run()
	}())
}

// servers are the real stores a test uses: a database of its own, an empty
// Redis, an etcd without registrations of earlier tests.
type servers struct {
	DSN   string
	Redis string
	Etcd  string
	DB    *sql.DB
	KV    *redis.Client
	Disc  *clientv3.Client
}

var databases atomic.Int32

// startServers prepares the stores for one test. Tests of this package run
// one after another because the etcd keys of the stock files are fixed.
func startServers(t *testing.T) *servers {
	t.Helper()
	dsn := os.Getenv("TEST_MYSQL_DSN")
	if dsn == "" {
		t.Skip("needs TEST_MYSQL_DSN, TEST_REDIS_ADDR and TEST_ETCD_ENDPOINTS; `make test` brings them")
	}
	cfg, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	name := fmt.Sprintf("tgsession_it_%d_%d", os.Getpid(), databases.Add(1))
	admin, err := sql.Open("mysql", dsn)
	require.NoError(t, err)
	_, err = admin.Exec("CREATE DATABASE " + name + " CHARACTER SET utf8mb4")
	require.NoError(t, err)
	cfg.DBName = name
	s := &servers{
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

// eventually polls until ok answers true, and fails the test after 10 s.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	eventuallyIn(t, 10*time.Second, what, ok)
}

func eventuallyIn(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		<-tick.C
	}
}
