package engines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	schema "github.com/tgsession/tgsession/deploy/sql"
)

const (
	workers     = 8
	keys        = 5                      // of each worker
	users       = 7                      // of all keys: writers meet
	callTime    = 3 * time.Second        // as a caller's own patience
	calm        = 3 * time.Second        // before the event and after it
	recovery    = 60 * time.Second       // until all must be well again
	retryPause  = 20 * time.Millisecond  // after a failed call
	stallMatter = 250 * time.Millisecond // a shorter gap between answers is none
)

// TestNothingAcknowledgedIsLost signs in, revokes and reads on two nodes while
// TEST_ENGINE_EVENT happens, again and again for TEST_ENGINE_AGAIN where that is set. No
// read shows a state older than a write that had ended when it began. What was
// acknowledged is in the database at the end, and both nodes answer by it. It prints how
// long neither was possible.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	if os.Getenv("TEST_ENGINE_DSNS") == "" {
		t.Skip("TEST_ENGINE_DSNS is not set: .ci/test-engines sets it")
	}
	logx.Disable()
	l := newLoad(t)
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() { l.write(w) })
		work.Go(func() { l.read(w) })
	}
	l.runFor(calm)
	events := l.events()
	l.stop.Store(true)
	work.Wait()
	l.settle()

	lost, stale := l.compare()
	writes, reads := l.writes.summary(), l.reads.summary()
	line := fmt.Sprintf("%s%d writes (%s), %d reads (%s), lost %d, stale %d at the end, %d reads behind a finished write",
		events, l.writes.count.Load(), writes, l.reads.count.Load(), reads, lost, stale, l.behind.Load())
	t.Log(line)
	if file := os.Getenv("TEST_ENGINE_RESULT"); file != "" {
		require.NoError(t, os.WriteFile(file, []byte(line), 0o600))
	}
	require.Zero(t, lost, "acknowledged writes that the database does not have")
	require.Zero(t, stale, "keys that a node answers otherwise than the database says")
	require.Zero(t, l.behind.Load(), "reads that showed a state older than a write that had ended")
}

// events has what is to happen happen, and says how often where that is more than once.
func (l *load) events() (times string) {
	var span time.Duration
	if again := os.Getenv("TEST_ENGINE_AGAIN"); again != "" {
		var err error
		span, err = time.ParseDuration(again)
		require.NoError(l.t, err, "TEST_ENGINE_AGAIN")
	}
	n := 0
	for end := time.Now().Add(span); ; {
		if event := os.Getenv("TEST_ENGINE_EVENT"); event != "" {
			out, err := exec.CommandContext(l.t.Context(), "bash", "-c", event).CombinedOutput()
			require.NoError(l.t, err, "%s\ndid not happen: %s", event, out)
		}
		l.runFor(calm)
		l.recovered()
		if n++; time.Now().After(end) {
			break
		}
	}
	if n > 1 {
		times = fmt.Sprintf("%d times in %v, ", n, span)
	}
	return times
}

// load is two nodes of the service and what was asked of them.
type load struct {
	t     *testing.T
	dsns  []string
	nodes []*svc.ServiceContext
	keys  [workers][keys]key

	stop          atomic.Bool
	writes, reads gaps
	behind        atomic.Int64
}

// key is a perm key that one worker writes. Its version is even while nothing is
// under way; state is who is logged in since the write of that version ended.
type key struct {
	mu      sync.Mutex
	id      int64
	hash    int64
	version int64
	user    int64 // 0: nobody
	known   bool  // false: the last write ended with an error
}

func newLoad(t *testing.T) *load {
	l := &load{t: t, dsns: strings.Fields(os.Getenv("TEST_ENGINE_DSNS"))}
	address := ""
	if file := os.Getenv("TEST_ENGINE_MYSQL_AT"); file != "" {
		address = follow(t, file)
	}
	name := database(t, l.dsns[0])
	for i := range l.dsns {
		c, err := mysql.ParseDSN(l.dsns[i])
		require.NoError(t, err)
		c.DBName = name
		l.dsns[i] = c.FormatDSN()
		if address != "" {
			c.Addr = address
		}
		conf := testenv.Config(c.FormatDSN(), os.Getenv("TEST_ENGINE_REDIS"))
		if more := os.Getenv("TEST_ENGINE_REDIS_MORE"); more != "" {
			require.NoError(t, json.Unmarshal([]byte(more), &conf.Cache[0]))
			conf.KV = conf.Cache
			require.NoError(t, conf.Cache.Check("Cache"))
		}
		require.Eventually(t, func() bool { // on a replica the database appears later
			pool, openErr := dao.OpenMysql(t.Context(), svc.Pool(conf.Mysql), false)
			if openErr != nil {
				err = openErr
				return false
			}
			var n *svc.ServiceContext
			if n, err = svc.New(t.Context(), conf, pool, time.Now); err == nil {
				l.nodes = append(l.nodes, n)
				t.Cleanup(func() { n.Close() })
			}
			return err == nil
		}, 10*time.Second, 50*time.Millisecond)
		require.NoError(t, err)
	}
	db := testenv.Open(t, l.dsns[0])
	base := rand.Int64N(1 << 60)
	for w := range l.keys {
		for i := range l.keys[w] {
			k := &l.keys[w][i]
			k.id = base + int64(w*keys+i)
			k.hash, k.known = k.id, true
			_, err := db.Exec("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES (?, 0, ?)", k.id, k.id)
			require.NoError(t, err)
			_, err = db.Exec("INSERT INTO auths(auth_key_id, layer, api_id, params) VALUES (?, 223, 6, 'null')", k.id)
			require.NoError(t, err)
		}
	}
	return l
}

// database makes one, which goes with its server.
func database(t *testing.T, dsn string) (name string) {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	name = fmt.Sprintf("engines_%d", time.Now().UnixNano())
	root := testenv.Open(t, dsn)
	_, err = root.Exec("CREATE DATABASE " + name + " CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
	require.NoError(t, err)
	c.DBName = name
	db := testenv.Open(t, c.FormatDSN())
	_, err = schema.Migrate(t.Context(), db, true, nil)
	require.NoError(t, err)
	return name
}

// follow starts a proxy to whatever address a file holds when a connection is made.
func follow(t *testing.T, file string) (address string) {
	t.Helper()
	p := tcpproxy.Start(t, "")
	p.Follow(func() string { return target(file) })
	return p.Addr()
}

func target(file string) string {
	text, _ := os.ReadFile(file)
	return strings.TrimSpace(string(text))
}

func (l *load) node() *svc.ServiceContext { return l.nodes[rand.IntN(len(l.nodes))] }

func (l *load) runFor(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// recovered waits until writes and reads have gone well for a while.
func (l *load) recovered() {
	from := time.Now()
	require.Eventually(l.t, func() bool {
		return time.Since(l.writes.lastFailure()) > calm/2 && time.Since(l.reads.lastFailure()) > calm/2 &&
			l.writes.lastSuccess().After(from) && l.reads.lastSuccess().After(from)
	}, recovery, 20*time.Millisecond, "the service has not recovered")
}

// write signs in and revokes, on either node, and repeats what failed.
func (l *load) write(worker int) {
	for n := 0; !l.stop.Load(); n++ {
		l.step(&l.keys[worker][n%keys], int64(1+(worker+n)%users))
	}
}

func (l *load) step(k *key, user int64) {
	k.mu.Lock()
	out := k.user != 0
	k.version++
	k.mu.Unlock()
	if out {
		user = 0
	}
	err := l.change(k, user)
	k.mu.Lock()
	k.version++
	if k.known = err == nil; k.known {
		k.user = user
	}
	k.mu.Unlock()
	if err != nil {
		l.writes.failed(err)
		l.runFor(retryPause)
		return
	}
	l.writes.succeeded()
}

func (l *load) change(k *key, user int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	if user != 0 {
		_, err := l.node().Manager.SignIn(ctx, k.id, user, k.hash, 0)
		return err
	}
	_, err := l.node().Manager.Revoke(ctx, sessions.Selection{AuthKeyID: k.id, UserID: k.user}, sessions.By{Reason: logins.ByUser})
	if errors.Is(err, sessions.ErrNotFound) { // a try before this one did it
		return nil
	}
	return err
}

// read asks either node who is logged in on a key.
func (l *load) read(worker int) {
	for n := 0; !l.stop.Load(); n++ {
		k := &l.keys[worker][n%keys]
		k.mu.Lock()
		version, want, known := k.version, k.user, k.known
		k.mu.Unlock()
		user, err := l.login(l.node(), k.id)
		if err != nil {
			l.reads.failed(err)
			l.runFor(retryPause)
			continue
		}
		l.reads.succeeded()
		k.mu.Lock()
		if version%2 == 0 && version == k.version && known && user != want {
			l.behind.Add(1)
		}
		k.mu.Unlock()
	}
}

func (l *load) login(n *svc.ServiceContext, id int64) (user int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	login, err := n.Dao.Login(ctx, id)
	if err != nil || login.BindUser == nil {
		return 0, err
	}
	return login.BindUser.UserID, nil
}

// settle writes each key whose last write failed once more, until it is known.
func (l *load) settle() {
	for w := range l.keys {
		for i := range l.keys[w] {
			k := &l.keys[w][i]
			require.Eventually(l.t, func() bool {
				if !k.known {
					l.step(k, 1)
				}
				return k.known
			}, recovery, 20*time.Millisecond)
		}
	}
}

// compare holds the database, and then what the nodes answer, against what was
// acknowledged.
func (l *load) compare() (lost, stale int) {
	db := testenv.Open(l.t, l.truth())
	for w := range l.keys {
		for i := range l.keys[w] {
			k := &l.keys[w][i]
			var user int64
			require.NoError(l.t, db.QueryRow("SELECT COALESCE(MAX(user_id), 0) FROM auth_users WHERE auth_key_id = ? AND deleted = 0", k.id).Scan(&user))
			if user != k.user {
				lost++
			}
			for _, n := range l.nodes {
				if got, err := l.login(n, k.id); err != nil || got != user {
					stale++
				}
			}
		}
	}
	return lost, stale
}

// truth is the DSN of the database that counts: the primary, or the last node
// (the first ones may have been ended).
func (l *load) truth() string {
	c, err := mysql.ParseDSN(l.dsns[len(l.dsns)-1])
	require.NoError(l.t, err)
	if file := os.Getenv("TEST_ENGINE_MYSQL_AT"); file != "" {
		c.Addr = target(file)
	}
	return c.FormatDSN()
}
