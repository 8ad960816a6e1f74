package lifecycle

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/app/service/authsession/internal/touch"
)

const days = 24 * time.Hour

// desk is two nodes under one clock, and the test's own view of the database.
type desk struct {
	t     *testing.T
	db    *sql.DB
	clock *testenv.Clock
	nodes [2]*svc.ServiceContext
}

func newDesk(t *testing.T, sessionNodes ...string) *desk {
	t.Helper()
	dsn := testenv.DSN(t, true)
	d := &desk{t: t, db: testenv.Open(t, dsn), clock: testenv.NewClock()}
	conf := testenv.Config(dsn, miniredis.RunT(t).Addr())
	conf.SessionNodes.Endpoints = sessionNodes
	for i := range d.nodes {
		pool, err := dao.OpenMysql(t.Context(), svc.Pool(conf.Mysql), false)
		require.NoError(t, err)
		d.nodes[i], err = svc.New(t.Context(), conf, pool, d.clock.Now)
		require.NoError(t, err)
		t.Cleanup(func() { d.nodes[i].Close() })
	}
	return d
}

// logins inserts n of them, last active idle ago, on perm keys from first on.
func (d *desk) logins(first, n int, idle time.Duration) {
	d.t.Helper()
	at := d.clock.Now().Add(-idle).Unix()
	var infos, devices, users strings.Builder
	for id := first; id < first+n; id++ {
		fmt.Fprintf(&infos, ",(%d,0,%d)", id, id)
		fmt.Fprintf(&devices, ",(%d,6,'null',%d)", id, at)
		fmt.Fprintf(&users, ",(%d,%d,%d,%d,%d)", id, id, id, at-100, at)
	}
	for _, insert := range []string{
		"auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES " + infos.String()[1:],
		"auths(auth_key_id, api_id, params, date_active) VALUES " + devices.String()[1:],
		"auth_users(auth_key_id, user_id, hash, date_created, date_active) VALUES " + users.String()[1:],
	} {
		_, err := d.db.Exec("INSERT INTO " + insert)
		require.NoError(d.t, err)
	}
}

func (d *desk) number(query string, args ...any) (n int) {
	d.t.Helper()
	require.NoError(d.t, d.db.QueryRow(query, args...).Scan(&n))
	return n
}

func (d *desk) live() int { return d.number("SELECT COUNT(*) FROM auth_users WHERE deleted = 0") }

func (d *desk) cleanup(node int) Cleanup {
	return Cleanup{Dao: d.nodes[node].Dao, Manager: d.nodes[node].Manager, OlderThan: 30 * days, Batch: 10, Actor: "test"}
}

func (d *desk) run(c Cleanup) CleanupSummary {
	d.t.Helper()
	s, err := c.Run(d.t.Context())
	require.NoError(d.t, err)
	return s
}

// An idle session ends as any other that is revoked: its cached copy is gone,
// its client's session node is told, an event says so, and the row stays.
func TestAnIdleSessionEndsInTheOpen(t *testing.T) {
	node := testenv.NewSessionNode(t)
	d := newDesk(t, node.Address)
	d.logins(1, 1, 31*days)
	d.logins(2, 1, 29*days)
	before, err := d.nodes[1].Dao.Login(t.Context(), 1)
	require.NoError(t, err)
	require.NotNil(t, before.BindUser, "it is in the cache")

	s := d.run(d.cleanup(0))
	require.Equal(t, []any{CleanupDone, 1, 1}, []any{s.Result, s.Sessions, s.Batches})
	after, err := d.nodes[1].Dao.Login(t.Context(), 1)
	require.NoError(t, err)
	require.Nil(t, after.BindUser)
	told := node.Told()
	require.Len(t, told, 1)
	require.EqualValues(t, 1, told[0].AuthKeyID)
	require.Equal(t, 1, d.number("SELECT COUNT(*) FROM session_events WHERE type = 'session.expired' AND body LIKE '%\"actor\":\"test\"%'"))
	require.Equal(t, 1, d.number("SELECT COUNT(*) FROM auth_users WHERE auth_key_id = 1 AND deleted = 1 AND revoked_at > 0 AND date_active > 0 AND revoked_by = 'test'"))
	require.Equal(t, 1, d.live())
}

// A user's own time goes first, be it shorter or longer.
func TestAUsersOwnTimeGoesFirst(t *testing.T) {
	d := newDesk(t)
	d.logins(1, 3, 31*days) // of users 1, 2, 3
	d.logins(4, 1, 8*days)
	for user, ttl := range map[int64]int{2: 365, 3: 31, 4: 7} {
		require.NoError(t, d.nodes[0].Manager.SetPolicy(t.Context(), user, logins.Policy{TTLDays: ttl}))
	}
	d.clock.Advance(time.Second)
	require.Equal(t, 3, d.run(d.cleanup(0)).Sessions)
	require.Equal(t, 1, d.number("SELECT COUNT(*) FROM auth_users WHERE deleted = 0 AND user_id = 2"))
}

func TestACleanupWorksInBatches(t *testing.T) {
	d := newDesk(t)
	d.logins(1, 45, 31*days)
	dry := d.cleanup(0)
	dry.DryRun = true
	require.Equal(t, 45, d.run(dry).Sessions)
	require.Equal(t, 45, d.live())

	limited := d.cleanup(0)
	limited.Limit = 15
	s := d.run(limited)
	require.Equal(t, []any{CleanupLimit, 15, 2}, []any{s.Result, s.Sessions, s.Batches})
	require.Equal(t, 30, d.live())

	s = d.run(d.cleanup(0))
	require.Equal(t, []any{CleanupDone, 30}, []any{s.Result, s.Sessions})
	require.GreaterOrEqual(t, s.Batches, 3)
	require.Zero(t, d.live())
}

// Of two nodes one cleans; told to stop, it ends with its batch, and the other
// goes on.
func TestOneNodeCleansAndStopsWithinABatch(t *testing.T) {
	d := newDesk(t)
	d.logins(1, 100, 31*days)
	ctx, stop := context.WithCancel(t.Context())
	slow := d.cleanup(0)
	slow.Sleep = 30 * time.Second
	result := make(chan CleanupSummary, 1)
	go func() {
		s, err := slow.Run(ctx)
		if err != nil {
			t.Error(err)
		}
		result <- s
	}()
	require.Eventually(t, func() bool { return d.live() == 90 }, time.Minute, time.Millisecond)
	require.Equal(t, CleanupBusy, d.run(d.cleanup(1)).Result)
	stop()
	s := <-result
	require.Equal(t, []any{CleanupStopped, 10, 1}, []any{s.Result, s.Sessions, s.Batches})
	require.Less(t, s.Took, 10*time.Second)
	require.Equal(t, 90, d.run(d.cleanup(1)).Sessions)
}

// A cleaner that was cut off and does not know it yet ends nothing more.
func TestACleanerWithoutItsLockEndsNothing(t *testing.T) {
	d := newDesk(t)
	d.logins(1, 1, 31*days)
	lock, err := d.nodes[0].Dao.Lock(t.Context(), cleanupLock)
	require.NoError(t, err)
	work := lock.Fenced(t.Context())
	require.Eventually(t, func() bool { // the other node is not kept waiting
		testenv.EndLease(t, d.db, cleanupLock)
		dry := d.cleanup(1)
		dry.DryRun = true
		return d.run(dry).Result == CleanupDone
	}, 5*time.Second, 5*time.Millisecond)

	_, _, err = d.nodes[0].Manager.Idle(30*days).Revoke(work, 10, sessions.By{})
	require.ErrorIs(t, err, dblock.ErrTaken)
	require.Error(t, lock.Held(t.Context()))
	lock.Release()
	require.Equal(t, 1, d.live())
}

func TestCleanersRunByThemselves(t *testing.T) {
	d := newDesk(t)
	d.logins(1, 100, 31*days)
	for _, n := range d.nodes {
		c := StartCleaner(n.Dao, n.Manager, CleanupOptions{Enabled: true, Period: 20 * time.Millisecond, InactiveAfter: 30 * days, BatchSize: 7, JitterPct: 10})
		defer func() { <-c.Stop() }()
	}
	require.Eventually(t, func() bool { return d.live() == 0 }, time.Minute, 10*time.Millisecond)
	require.Equal(t, 100, d.number("SELECT COUNT(*) FROM session_events"), "one event each")
}

// Logins of a stock install are counted, not ended, until an operator has run a
// clean-up or said so in the configuration.
func TestTheFirstCleanupOfAStockInstallWaits(t *testing.T) {
	for name, allow := range map[string]func(*desk, *cleaner){
		"a run":         func(d *desk, _ *cleaner) { c := d.cleanup(1); c.Allow, c.Limit = true, 1; d.run(c) },
		"configuration": func(_ *desk, c *cleaner) { c.run.Allow = true },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.logins(1, 5, 31*days)
			_, err := d.db.Exec("INSERT INTO session_fences(name, token) VALUES ('authsession.cleanup.waits', 0)")
			require.NoError(t, err)
			c := &cleaner{run: d.cleanup(0)}
			for range 2 {
				s, err := c.turn(t.Context())
				require.NoError(t, err)
				require.Equal(t, []any{CleanupWaits, 5, 5}, []any{s.Result, s.Sessions, d.live()})
			}
			dry := d.cleanup(1)
			dry.Allow, dry.DryRun = true, true
			d.run(dry)
			s, err := c.turn(t.Context())
			require.NoError(t, err)
			require.Equal(t, CleanupWaits, s.Result, "who only looks allows nothing")

			allow(d, c)
			s, err = c.turn(t.Context())
			require.NoError(t, err)
			require.Equal(t, []any{CleanupDone, 0}, []any{s.Result, d.live()})
			require.Zero(t, d.number("SELECT COUNT(*) FROM session_fences WHERE name LIKE '%.waits'"), "for all nodes")
		})
	}
}

func TestNoCleanerUnlessEnabled(t *testing.T) {
	c := StartCleaner(nil, nil, CleanupOptions{})
	require.Nil(t, c)
	<-c.Stop()
}

// A session that is used every five minutes, on one node or the other, is not
// idle on any day of forty, by a bound that is as tight as may be configured.
func TestASessionInUseIsNeverCleaned(t *testing.T) {
	d := newDesk(t)
	d.logins(1, 2, 0)
	tight := d.cleanup(0)
	tight.OlderThan = (&config.Config{Touch: config.Touch{DBInterval: 10 * time.Minute}}).LeastInactive()
	steps := 40 * 24 * 12
	if testing.Short() {
		steps /= 40
	}
	for i := range steps {
		d.clock.Advance(5 * time.Minute)
		n := d.nodes[i/7%2]
		n.Touch.Seen(touch.Touch{AuthKeyID: 1, Seen: d.clock.Now().Unix()})
		d.nodes[0].Touch.Flush(t.Context())
		d.nodes[1].Touch.Flush(t.Context())
		if i%12 == 11 {
			d.run(tight)
		}
	}
	require.Equal(t, 1, d.number("SELECT COUNT(*) FROM auth_users WHERE deleted = 0 AND auth_key_id = 1"))
	require.Equal(t, 1, d.number("SELECT COUNT(*) FROM auth_users WHERE deleted = 1 AND auth_key_id = 2"), "the other one was idle")
	require.LessOrEqual(t, d.clock.Now().Unix()-int64(d.number("SELECT date_active FROM auth_users WHERE auth_key_id = 1")), int64(20*60))
}
