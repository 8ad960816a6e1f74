package sizing

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/cluster"
	"github.com/tgsession/tgsession/app/lab/device"
	"github.com/tgsession/tgsession/app/lab/integration/servers"
	"github.com/tgsession/tgsession/app/lab/proc"
	"github.com/tgsession/tgsession/proto/authsession"
)

const (
	logins  = 60
	atOnce  = 4
	lookups = 40_000
)

// What a cluster of one node each has open and stores, before and after so many clients
// have signed in. docs/sizing.md has the figures.
func TestSizes(t *testing.T) {
	built := os.Getenv("TEST_BUILT")
	if built == "" {
		t.Skip("TEST_BUILT names no folder with the pair: make sizes does")
	}
	s := servers.Start(t)
	nodes := []*node{{name: "session", metrics: freeAddr(t)}, {name: "authsession", metrics: freeAddr(t)}}
	c, err := cluster.Start(t.Context(), cluster.Config{
		Dir: t.TempDir(), MySQL: s.DSN, Redis: s.Redis, Etcd: []string{s.Etcd},
		Session: []string{filepath.Join(built, "session")}, AuthSession: []string{filepath.Join(built, "authsession")},
		SessionYAML: measured(nodes[0].metrics), AuthSessionYAML: measured(nodes[1].metrics) + "\nTouch: {DBInterval: 1m}",
		StreamSession: true,
	})
	require.NoError(t, err)
	defer c.Close()
	ports := map[int]string{}
	var authsessionAddr string
	for _, p := range c.Parts() {
		address, _, _ := strings.Cut(p.Addr, "/")
		if _, text, err := net.SplitHostPort(address); err == nil {
			n, err := strconv.Atoi(text)
			require.NoError(t, err)
			ports[n] = p.Name
		}
		if p.Name == "authsession" {
			authsessionAddr = p.Addr
		}
	}
	for _, n := range nodes {
		n.pid = child(t, n.name)
	}
	look := func(when string) {
		for _, n := range nodes {
			t.Logf("%s, %-12s %3.0f file descriptors, %5.1f MiB resident; connections: %s", n.name, when,
				n.metric(t, "process_open_fds"), n.metric(t, "process_resident_memory_bytes")/(1<<20), n.connections(t, ports))
		}
	}
	keysBefore := redisKeys(t, s)
	look("at rest")
	signIn(t, c)
	look("signed in")

	for kind, one := range redisKeys(t, s) {
		one.bytes, one.count = one.bytes-keysBefore[kind].bytes, one.count-keysBefore[kind].count
		if one.count > logins/2 {
			t.Logf("Redis: %-28s %4.1f keys a login, %5.0f bytes each", kind, float64(one.count)/logins, float64(one.bytes)/float64(one.count))
		}
	}
	rows(t, s)
	lookUp(t, s, authsessionAddr, nodes[1])
	look("under load")
}

func freeAddr(t *testing.T) string {
	addr, err := proc.FreeAddr()
	require.NoError(t, err)
	return addr
}

func measured(addr string) string {
	host, port, _ := strings.Cut(addr, ":")
	return fmt.Sprintf("Prometheus: {Host: %s, Port: %s, Path: /metrics}", host, port)
}

// signIn has clients sign in and stay.
func signIn(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	var all sync.WaitGroup
	failed := make(chan error, logins)
	for first := range atOnce {
		all.Go(func() {
			for i := first; i < logins; i += atOnce {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				d, err := device.Connect(t.Context(), device.Config{Addr: c.Addr(), Key: c.PublicKey(), DC: c.DC(), Model: "Phone"})
				if err == nil {
					t.Cleanup(d.Close)
					err = d.AwaitReady(ctx)
				}
				if err == nil {
					err = d.LogIn(ctx, device.Person{Name: fmt.Sprint("User ", i), Phone: fmt.Sprintf("+1555%07d", i)}, bff.DefaultCode, "")
				}
				if err == nil {
					err = d.Subscribe(ctx)
				}
				cancel()
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	require.NoError(t, <-failed)
}

// usage is of one kind of key.
type usage struct{ count, bytes int64 }

var number = regexp.MustCompile(`-?\d+`)

// redisKeys counts keys and their memory by kind: the key without its numbers.
func redisKeys(t *testing.T, s *servers.Servers) map[string]usage {
	t.Helper()
	out := map[string]usage{}
	for keys := s.KV.Scan(t.Context(), 0, "*", 1000).Iterator(); keys.Next(t.Context()); {
		bytes, err := s.KV.MemoryUsage(t.Context(), keys.Val()).Result()
		if err != nil {
			continue // it has gone meanwhile
		}
		kind := number.ReplaceAllString(keys.Val(), "N")
		out[kind] = usage{out[kind].count + 1, out[kind].bytes + bytes}
	}
	return out
}

// rows tells what each table has of a login. A page of InnoDB is 16 KiB: the bytes of a
// row are of many, so the rows are multiplied first.
func rows(t *testing.T, s *servers.Servers) {
	t.Helper()
	ctx := t.Context()
	var total float64
	for _, table := range []string{"auth_keys", "auth_key_infos", "auth_key_lifetimes", "auths", "auth_users", "auth_user_settings"} {
		var n int
		require.NoError(t, s.DB.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n))
		if n < logins/2 {
			continue
		}
		bytes := bytesOfARow(t, s, table)
		a := float64(n) / logins
		total += a * bytes
		t.Logf("MySQL: %-20s %.1f rows a login, %4.0f bytes each with their indexes", table, a, bytes)
	}
	t.Logf("MySQL: %.0f bytes a login", total)
}

// bytesOfARow makes a table of some 100,000 rows like those that are there, whose ids are
// spread as random ones are.
func bytesOfARow(t *testing.T, s *servers.Servers, table string) float64 {
	t.Helper()
	ctx := t.Context()
	big := table + "_big"
	exec := func(statement string, args ...any) {
		t.Helper()
		_, err := s.DB.ExecContext(ctx, statement, args...)
		require.NoError(t, err, statement)
	}
	names := columns(t, s, table)
	exec("CREATE TABLE " + big + " LIKE " + table)
	values := slices.Clone(names)
	for i, name := range names {
		values[i] = "`" + name + "`"
		names[i] = values[i]
		switch name {
		case "id":
			values[i] = "NULL"
		case "auth_key_id", "perm_auth_key_id", "temp_auth_key_id", "hash", "user_id":
			values[i] = fmt.Sprintf("IF(`%s` = 0, 0, (`%s` ^ (n.seq * 2654435761)) & %d)", name, name, int64(math.MaxInt64))
		}
	}
	exec(fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s JOIN seq_1_to_%d AS n", big, strings.Join(names, ","), strings.Join(values, ","), table, 100_000/logins))
	exec("ANALYZE TABLE " + big)
	var bytes, count float64
	require.NoError(t, s.DB.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+big).Scan(&count))
	require.NoError(t, s.DB.QueryRowContext(ctx, "SELECT data_length + index_length FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?", big).Scan(&bytes))
	exec("DROP TABLE " + big)
	return bytes / count
}

func columns(t *testing.T, s *servers.Servers, table string) (names []string) {
	t.Helper()
	found, err := s.DB.QueryContext(t.Context(), "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position", table)
	require.NoError(t, err)
	defer found.Close()
	for found.Next() {
		var name string
		require.NoError(t, found.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, found.Err())
	return names
}

// lookUp asks authsession for keys as session does when clients connect.
func lookUp(t *testing.T, s *servers.Servers, addr string, n *node) {
	t.Helper()
	var keys []int64
	found, err := s.DB.QueryContext(t.Context(), "SELECT auth_key_id FROM auth_keys")
	require.NoError(t, err)
	defer found.Close()
	for found.Next() {
		var key int64
		require.NoError(t, found.Scan(&key))
		keys = append(keys, key)
	}
	require.NoError(t, found.Err())
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	client := authsession.NewRPCAuthsessionClient(conn)
	before, began := n.metric(t, "process_cpu_seconds_total"), time.Now()
	var all sync.WaitGroup
	failed := make(chan error, atOnce)
	for first := range atOnce {
		all.Go(func() {
			for i := first; i < lookups; i += atOnce {
				if _, err := client.AuthsessionQueryAuthKey(t.Context(), &authsession.TLAuthsessionQueryAuthKey{AuthKeyId: keys[i%len(keys)]}); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	require.NoError(t, <-failed)
	t.Logf("authsession: %.0f ms of CPU for 1000 queryAuthKey that Redis answers, %.0f a second", 1e6*(n.metric(t, "process_cpu_seconds_total")-before)/lookups, lookups/time.Since(began).Seconds())
}
