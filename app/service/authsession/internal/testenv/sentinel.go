package testenv

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/freeport"
)

// Sentinels are three sentinels of a test's own, which replace a primary that has
// not answered for a second.
type Sentinels struct {
	Addresses []string

	t       testing.TB
	group   string
	servers []*exec.Cmd
	clients []*redis.SentinelClient
}

// StartSentinels starts three that watch primary under the name group, and live as
// long as the test; password is their own and that of Redis, empty: none.
func StartSentinels(t testing.TB, group string, primary *Redis, password string) *Sentinels {
	t.Helper()
	s := &Sentinels{t: t, group: group}
	host, port, err := net.SplitHostPort(primary.Address)
	require.NoError(t, err)
	for range 3 {
		own, dir := strconv.Itoa(freeport.Port(t)), t.TempDir()
		text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %[3]s 1000\nsentinel failover-timeout %[3]s 5000\n", own, dir, group, host, port)
		if password != "" {
			text += fmt.Sprintf("requirepass %s\nsentinel auth-pass %s %[1]s\n", password, group)
		}
		path := filepath.Join(dir, "sentinel.conf")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		server := exec.Command("redis-server", path, "--sentinel")
		require.NoError(t, server.Start())
		client := redis.NewSentinelClient(&redis.Options{Addr: "127.0.0.1:" + own, Password: password, MaxRetries: -1})
		t.Cleanup(func() {
			_ = client.Close()
			_ = server.Process.Kill()
			_ = server.Wait()
		})
		s.Addresses, s.servers, s.clients = append(s.Addresses, "127.0.0.1:"+own), append(s.servers, server), append(s.clients, client)
	}
	require.Eventually(t, func() bool {
		for _, client := range s.clients {
			if !strings.HasPrefix(client.CkQuorum(context.Background(), group).Val(), "OK 3") {
				return false
			}
		}
		return true
	}, 30*time.Second, 20*time.Millisecond, "the sentinels do not find each other")
	return s
}

// Host is how authsession.yaml names them.
func (s *Sentinels) Host() string { return strings.Join(s.Addresses, ",") }

// Know waits until all of them know that primary has a replica.
func (s *Sentinels) Know() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		for _, client := range s.clients {
			list, err := client.Replicas(context.Background(), s.group).Result()
			if err != nil || len(list) != 1 || list[0]["flags"] != "slave" || list[0]["master-link-status"] != "ok" {
				return false
			}
		}
		return true
	}, 40*time.Second, 20*time.Millisecond, "the sentinels do not know the replica")
}

// Kill ends the sentinel of that number, from 0 on.
func (s *Sentinels) Kill(number int) {
	_ = s.servers[number].Process.Kill()
	_ = s.servers[number].Wait()
}

// Freeze has that sentinel keep its connections and answer nothing.
func (s *Sentinels) Freeze(number int) {
	s.t.Helper()
	require.NoError(s.t, s.servers[number].Process.Signal(syscall.SIGSTOP))
}

// Forget has all of them watch nothing.
func (s *Sentinels) Forget() {
	s.t.Helper()
	for _, client := range s.clients {
		require.NoError(s.t, client.Remove(context.Background(), s.group).Err())
	}
}

// FailOver has them make the replica the primary, as an operator does.
func (s *Sentinels) FailOver() {
	s.t.Helper()
	require.NoError(s.t, s.clients[0].Failover(context.Background(), s.group).Err())
}
