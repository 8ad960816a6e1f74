package lifecycle

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	goprom "github.com/zeromicro/go-zero/core/prometheus"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

const tempOf = 1_000_000 // the temp key of perm key i is tempOf + i

// crowd is a database with logins on perm keys 1 to n, login i active i minutes
// ago, each with a temp key.
type crowd struct {
	t   *testing.T
	dsn string
	db  *sql.DB
}

func newCrowd(t *testing.T, n int) *crowd {
	t.Helper()
	c := &crowd{t: t, dsn: testenv.DSN(t, true)}
	c.db = testenv.Open(t, c.dsn)
	now := time.Now().Unix()
	body := strings.Repeat("A", 342)
	var keys, infos, devices, users strings.Builder
	for i := 1; i <= n; i++ {
		at := now - int64(i)*60
		fmt.Fprintf(&keys, ",(%d,'%s'),(%d,'%s')", i, body, tempOf+i, body)
		fmt.Fprintf(&infos, ",(%d,0,%d,%d),(%d,1,%d,0)", i, i, tempOf+i, tempOf+i, i)
		fmt.Fprintf(&devices, ",(%d,6,'null',%d)", i, at)
		fmt.Fprintf(&users, ",(%d,%d,%d,%d,%d)", i, i, i, at, at)
	}
	for _, insert := range []string{
		"auth_keys(auth_key_id, body) VALUES " + keys.String()[1:],
		"auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id, temp_auth_key_id) VALUES " + infos.String()[1:],
		"auths(auth_key_id, api_id, params, date_active) VALUES " + devices.String()[1:],
		"auth_users(auth_key_id, user_id, hash, date_created, date_active) VALUES " + users.String()[1:],
	} {
		_, err := c.db.Exec("INSERT INTO " + insert)
		require.NoError(t, err)
	}
	return c
}

// node opens a store on the database, as a start does.
func (c *crowd) node(redisAddress string) *dao.Dao {
	c.t.Helper()
	conf := testenv.Config(c.dsn, redisAddress)
	pool, err := dao.OpenMysql(c.t.Context(), svc.Pool(conf.Mysql), false)
	require.NoError(c.t, err)
	d := dao.New(c.t.Context(), pool, svc.Store(conf, time.Now, nil))
	c.t.Cleanup(func() { d.Close() })
	return d
}

// hitRatio reads logins from first to last as calls do, and returns the share
// that the cache answered.
func (c *crowd) hitRatio(d *dao.Dao, first, last int) float64 {
	c.t.Helper()
	hits, all := cacheReads(c.t)
	for i := first; i <= last; i++ {
		for _, id := range []int{i, tempOf + i} {
			k, err := d.Key(c.t.Context(), int64(id))
			require.NoError(c.t, err)
			require.EqualValues(c.t, i, k.PermAuthKeyID)
		}
		l, err := d.Login(c.t.Context(), int64(i))
		require.NoError(c.t, err)
		require.EqualValues(c.t, i, l.BindUser.UserID)
	}
	moreHits, more := cacheReads(c.t)
	require.EqualValues(c.t, 3*(last-first+1), more-all)
	return (moreHits - hits) / (more - all)
}

// cacheReads is what authsession_cache_requests_total counts, of hits and of all.
func cacheReads(t *testing.T) (hits, all float64) {
	t.Helper()
	families, err := prometheus.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() != "authsession_cache_requests_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			all += m.GetCounter().GetValue()
			for _, label := range m.GetLabel() {
				if label.GetName() == "result" && strings.HasPrefix(label.GetValue(), "hit") {
					hits += m.GetCounter().GetValue()
				}
			}
		}
	}
	return hits, all
}

// A node that starts beside a Redis that has lost all fills it with the logins that
// were active last, as far as it may.
func TestWarmupAfterAFlush(t *testing.T) {
	goprom.Enable()
	const logins = 40
	c := newCrowd(t, logins)
	redis := testenv.StartRedis(t)
	before := c.node(redis.Address)
	c.hitRatio(before, 1, logins)
	require.EqualValues(t, 1, c.hitRatio(before, 1, logins), "all calls are answered by the cache")
	for _, tc := range []struct {
		name   string
		conf   WarmupOptions
		warm   int // as many are in the cache, the latest first
		result string
	}{
		{"off", WarmupOptions{}, 0, ""},
		{"all", WarmupOptions{Enabled: true, Logins: 1000, PerSecond: 10_000, ActiveWithin: 24 * time.Hour}, logins, warmupDone},
		{"as many as may be", WarmupOptions{Enabled: true, Logins: 15, PerSecond: 10_000, ActiveWithin: 24 * time.Hour}, 15, warmupLimit},
		{"active within a time", WarmupOptions{Enabled: true, Logins: 1000, PerSecond: 10_000, ActiveWithin: 10*time.Minute + 30*time.Second}, 10, warmupDone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			redis.Do("FLUSHALL")
			node := c.node(redis.Address)
			work := StartWork(node, nil, Options{Warmup: tc.conf})
			defer func() { <-work.Stop() }()
			<-work.workers[0].Done()
			if tc.warm > 0 {
				require.EqualValues(t, 1, c.hitRatio(node, 1, tc.warm))
			}
			if tc.warm < logins {
				require.Zero(t, c.hitRatio(node, tc.warm+1, logins))
			}
			require.EqualValues(t, 1, c.hitRatio(node, 1, logins), "what was missing came with the calls")
		})
	}
}

// What is there stays, what a write holds is left alone, and a login that has
// ended is nobody's business.
func TestWarmupTakesWhatIsMissing(t *testing.T) {
	c := newCrowd(t, 10)
	redis := testenv.StartRedis(t)
	node := c.node(redis.Address)
	_, err := c.db.Exec("UPDATE auth_users SET deleted = 1 WHERE auth_key_id = 3")
	require.NoError(t, err)
	_, err = node.Login(t.Context(), 1)
	require.NoError(t, err)
	redis.Do("SET", "guard{auth_data.2#2}", "wsomebody", "EX", "60")
	w := &warmer{dao: node, conf: WarmupOptions{Logins: 100, PerSecond: 10_000, ActiveWithin: time.Hour}}
	n, result, err := w.fill(t.Context())
	require.NoError(t, err)
	require.Equal(t, warmupDone, result)
	require.Equal(t, warmed{logins: 9, stored: 9*3 - 2, there: 1}, n)
	require.EqualValues(t, 0, redis.Do("EXISTS", "auth_data.2#2", "auth_data.2#3", "auth_keys2_3"))
	n, _, err = w.fill(t.Context())
	require.NoError(t, err)
	require.Equal(t, warmed{logins: 9, there: 9*3 - 1}, n)
}

// Pages end in the midst of logins that were active in one second.
func TestWarmupPages(t *testing.T) {
	c := newCrowd(t, 10)
	_, err := c.db.Exec("UPDATE auth_users SET date_active = ? WHERE auth_key_id > 2", time.Now().Unix()-600)
	require.NoError(t, err)
	node := c.node(miniredis.RunT(t).Addr())
	run, err := node.StartWarmup(t.Context(), time.Hour)
	require.NoError(t, err)
	defer run.Close()
	stored := 0
	for _, want := range []int{3, 3, 3, 1, 0} {
		page, err := run.Next(t.Context(), 3)
		require.NoError(t, err)
		require.Len(t, page, want)
		for _, login := range page {
			n, there, err := run.Fill(t.Context(), login)
			require.NoError(t, err)
			require.Zero(t, there)
			stored += n
		}
	}
	require.Equal(t, 10*3, stored)
}

// One node at a time fills the cache; who comes meanwhile does not.
func TestOneNodeWarmsUp(t *testing.T) {
	c := newCrowd(t, 3)
	redis := miniredis.RunT(t)
	one, two := c.node(redis.Addr()), c.node(redis.Addr())
	run, err := one.StartWarmup(t.Context(), time.Hour)
	require.NoError(t, err)
	conf := WarmupOptions{Enabled: true, Logins: 100, PerSecond: 10_000, ActiveWithin: time.Hour}
	_, err = two.StartWarmup(t.Context(), time.Hour)
	require.ErrorIs(t, err, dao.ErrWarming)
	<-StartWarmer(two, conf).Done()
	require.Empty(t, redis.Keys())

	// A node that died is replaced, and does not go on.
	testenv.EndLease(t, c.db, "authsession.warmup")
	<-StartWarmer(two, conf).Done()
	require.True(t, redis.Exists("auth_data.2#1"))
	_, err = run.Next(t.Context(), 10)
	require.ErrorIs(t, err, dao.ErrWarming)
	run.Close()
}

// A warm-up that is told to stop does so at once and gives its lock back; one
// without Redis reads nothing from MySQL.
func TestAWarmupThatCannotGoOn(t *testing.T) {
	c := newCrowd(t, 20)
	redis := miniredis.RunT(t)
	node := c.node(redis.Addr())
	slow := StartWarmer(node, WarmupOptions{Enabled: true, Logins: 100, PerSecond: 1, ActiveWithin: time.Hour})
	require.Eventually(t, func() bool { return redis.Exists("auth_data.2#1") }, time.Minute, time.Millisecond)
	began := time.Now()
	<-slow.Stop()
	require.Less(t, time.Since(began), 5*time.Second)
	<-slow.Stop()
	require.False(t, redis.Exists("auth_data.2#20"))

	redis.SetError("LOADING")
	w := &warmer{dao: node, conf: WarmupOptions{Logins: 100, PerSecond: 10_000, ActiveWithin: time.Hour}}
	n, result, err := w.fill(t.Context())
	require.ErrorContains(t, err, "LOADING")
	require.Equal(t, []any{warmed{}, warmupError}, []any{n, result})
}

func TestNoWarmupUnlessEnabled(t *testing.T) {
	w := StartWarmer(nil, WarmupOptions{})
	require.Nil(t, w)
	<-w.Stop()
}
