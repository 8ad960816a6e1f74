// Package testenv gives tests real servers: those that TEST_MYSQL_DSN and
// TEST_REDIS_ADDR name. Without them a test is skipped, unless
// TEST_REQUIRE_SERVERS is set, as make test does.
package testenv

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
	schema "github.com/tgsession/tgsession/deploy/sql"
)

// Variable returns an environment variable that names a server.
func Variable(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		if os.Getenv("TEST_REQUIRE_SERVERS") != "" {
			t.Fatalf("%s is not set", name)
		}
		t.Skipf("%s is not set: make test sets it", name)
	}
	return value
}

// DSN returns that of a new database, empty or with the final schema, which is
// dropped after the test.
func DSN(t testing.TB, withSchema bool) string {
	t.Helper()
	dsn := Variable(t, "TEST_MYSQL_DSN")
	c, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	var suffix [6]byte
	_, _ = rand.Read(suffix[:])
	c.DBName = "authsession_" + hex.EncodeToString(suffix[:])
	server := c.Clone()
	server.DBName = ""
	server.Params = map[string]string{"lock_wait_timeout": "30"} // a transaction that a test left open fails it
	root, err := sql.Open("mysql", server.FormatDSN())
	require.NoError(t, err)
	_, err = root.Exec("CREATE DATABASE " + c.DBName + " CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := root.Exec("DROP DATABASE " + c.DBName)
		require.NoError(t, err)
		root.Close()
	})
	if withSchema {
		db, err := sql.Open("mysql", c.FormatDSN())
		require.NoError(t, err)
		defer db.Close()
		for _, s := range schema.Statements() {
			_, err := db.Exec(s)
			require.NoError(t, err)
		}
	}
	return c.FormatDSN()
}

// Config returns a configuration of the store's parts.
func Config(dsn, redisAddress string) config.Config {
	node := redisconf.Nodes{{Host: redisAddress, Type: redisconf.TypeNode, Weight: 100}}
	return config.Config{
		Mysql:  config.Mysql{DSN: dsn, Active: 16, Idle: 16, IdleTimeout: time.Minute, DisableStmtLog: true},
		Cache:  node,
		KV:     node,
		Touch:  config.Touch{CacheInterval: time.Minute, DBInterval: 10 * time.Minute},
		Events: config.Events{Stream: "events", MaxLen: 1000, Poll: 10 * time.Millisecond, Batch: 100},
	}
}

// Open opens a database that is closed after the test.
func Open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	require.NoError(t, err)
	require.NoError(t, db.PingContext(context.Background()))
	t.Cleanup(func() { db.Close() })
	return db
}

// EndLease ends the lease of a lock of package dblock, as if its holder had not
// renewed it.
func EndLease(t testing.TB, db *sql.DB, name string) {
	t.Helper()
	_, err := db.Exec("UPDATE session_fences SET lease_until = 1 WHERE name = ?", name)
	require.NoError(t, err)
}

// Clock is a clock that tests move.
type Clock struct{ seconds atomic.Int64 }

// NewClock starts at the real time, which Redis lives by.
func NewClock() *Clock {
	c := &Clock{}
	c.seconds.Store(time.Now().Unix())
	return c
}

// Now is the clock's time.
func (c *Clock) Now() time.Time { return time.Unix(c.seconds.Load(), 0) }

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) { c.seconds.Add(int64(d / time.Second)) }
