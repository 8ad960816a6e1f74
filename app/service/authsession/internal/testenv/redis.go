package testenv

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/freeport"
)

// Redis is a redis-server of a test's own, to be killed, started again from its
// dump, and promoted.
type Redis struct {
	Address string

	t      testing.TB
	dir    string
	args   []string
	server *exec.Cmd
	client *redis.Client
}

// StartRedis starts one, with more of its options, that lives as long as the
// test. It writes a dump only when it is told to.
func StartRedis(t testing.TB, options ...string) *Redis {
	t.Helper()
	return StartRedisOf(t, "", options...)
}

// StartRedisOf is StartRedis with the password that the options set.
func StartRedisOf(t testing.TB, password string, options ...string) *Redis {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed: make test installs it where there is no Docker")
	}
	port := strconv.Itoa(freeport.Port(t))
	dir := t.TempDir()
	r := &Redis{
		Address: "127.0.0.1:" + port, t: t, dir: dir,
		args:   append([]string{program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir, "--repl-diskless-sync-delay", "0"}, options...),
		client: redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port, Password: password, MaxRetries: -1}),
	}
	r.Start()
	t.Cleanup(func() {
		_ = r.client.Close()
		r.Kill()
	})
	return r
}

// Start starts it again, from its dump.
func (r *Redis) Start() {
	r.t.Helper()
	r.server = exec.Command(r.args[0], r.args[1:]...)
	require.NoError(r.t, r.server.Start())
	require.Eventually(r.t, func() bool { return r.client.Ping(context.Background()).Err() == nil }, 30*time.Second, 10*time.Millisecond, "redis-server does not answer")
}

// Kill ends it as a crash does.
func (r *Redis) Kill() {
	_ = r.server.Process.Kill()
	_ = r.server.Wait()
}

// Do sends it a command.
func (r *Redis) Do(args ...any) any {
	r.t.Helper()
	answer, err := r.client.Do(context.Background(), args...).Result()
	require.NoError(r.t, err, "%v", args)
	return answer
}

// BreakDump makes it unable to write its dump, so that it takes no writes.
func (r *Redis) BreakDump() {
	r.t.Helper()
	require.NoError(r.t, os.RemoveAll(r.dir))
	r.Do("CONFIG", "SET", "save", "3600 1")
	r.Do("BGSAVE")
	require.Eventually(r.t, func() bool {
		return strings.Contains(r.Do("INFO", "persistence").(string), "rdb_last_bgsave_status:err")
	}, 30*time.Second, 10*time.Millisecond, "the dump was written")
}

// Follow makes it a replica of another and waits for the data.
func (r *Redis) Follow(primary *Redis) {
	r.t.Helper()
	host, port, err := net.SplitHostPort(primary.Address)
	require.NoError(r.t, err)
	r.Do("REPLICAOF", host, port)
	require.Eventually(r.t, func() bool {
		role, _ := r.Do("ROLE").([]any)
		return len(role) > 3 && role[3] == "connected"
	}, 30*time.Second, 10*time.Millisecond, "no replica")
}
