package dao

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// through returns a store whose statements go through a network that stall
// holds up, and whose patience is short.
func (s *store) through(stall func(piece []byte) time.Duration, patience time.Duration) *Dao {
	s.t.Helper()
	c, err := mysql.ParseDSN(s.dsn)
	require.NoError(s.t, err)
	network := tcpproxy.Start(s.t, c.Addr)
	network.Stall(stall)
	c.Addr, c.ReadTimeout = network.Addr(), patience
	return s.open(c.FormatDSN(), s.mini.Addr())
}

func (s *store) open(dsn, redis string) *Dao {
	s.t.Helper()
	conf := testenv.Config(dsn, redis)
	db, err := OpenMysql(s.t.Context(), poolOf(conf), false)
	require.NoError(s.t, err)
	d := New(s.t.Context(), db, optionsOf(conf, func() time.Time { return time.Unix(now, 0) }, nil))
	s.t.Cleanup(func() { d.Close() })
	return d
}

// login logs a user in on new perm keys whose devices are known, and has the
// cache know of them.
func (s *store) login(d *Dao, user int64, perms ...int64) []Record {
	s.t.Helper()
	for _, perm := range perms {
		s.exec("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES (?, 0, ?)", perm, perm)
		require.NoError(s.t, d.SetLayer(s.t.Context(), perm, "", 223))
		_, err := d.SignIn(s.t.Context(), perm, user, perm+1)
		require.NoError(s.t, err)
		require.Equal(s.t, user, s.user(d, perm))
	}
	list, err := d.LiveOf(s.t.Context(), user)
	require.NoError(s.t, err)
	require.Len(s.t, list, len(perms))
	return list
}

// user is who is logged in on a perm key; 0: nobody.
func (s *store) user(d *Dao, perm int64) int64 {
	s.t.Helper()
	l, err := d.Login(s.t.Context(), perm)
	require.NoError(s.t, err)
	if l.BindUser == nil {
		return 0
	}
	return l.BindUser.UserID
}

// A COMMIT that reaches the server, or is decided there, after its client has
// given up: nothing is cached until it is, and then who was logged in is not.
func TestACommitThatIsDecidedLater(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context, d *Dao, list []Record) error{
		"End": func(ctx context.Context, d *Dao, list []Record) error {
			_, err := d.End(ctx, list, logins.ByAdmin, By{Actor: "test"})
			return err
		},
		"EndIdle": func(ctx context.Context, d *Dao, list []Record) error {
			_, err := d.EndIdle(ctx, []int64{list[0].ID}, now+1, By{Actor: "test"})
			return err
		},
		"DestroyKey": func(ctx context.Context, d *Dao, list []Record) error {
			_, err := d.DestroyKey(ctx, list[0].AuthKeyID)
			return err
		},
		"SignIn of another": func(ctx context.Context, d *Dao, list []Record) error {
			_, err := d.SignIn(ctx, list[0].AuthKeyID, 778, 5)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			var armed atomic.Bool
			goOn := make(chan struct{})
			d := s.through(func(piece []byte) time.Duration {
				if armed.Load() && bytes.Contains(piece, []byte("COMMIT")) {
					<-goOn
				}
				return 0
			}, 500*time.Millisecond)
			release := sync.OnceFunc(func() { close(goOn) })
			defer release()
			var told sync.Map
			d.OnLateRelease(func(perms []int64) {
				for _, p := range perms {
					told.Store(p, true)
				}
			})
			other := s.nodes[1]
			list := s.login(other, 777, 41)
			armed.Store(true)
			require.ErrorIs(t, end(t.Context(), d, list), ErrUnknown)
			armed.Store(false)
			for range 3 {
				require.EqualValues(t, 777, s.user(other, 41), "it has not ended yet")
				require.False(t, s.mini.Exists(dataCacheKey(41)), "a copy would outlive it")
			}
			release()
			require.Eventually(t, func() bool { return s.user(other, 41) != 777 }, time.Minute, 10*time.Millisecond)
			require.Eventually(t, func() bool { return d.cache.Owed() == 0 }, time.Minute, 10*time.Millisecond)
			require.Eventually(t, func() bool { // they are told after the node has forgotten what it owed
				_, heard := told.Load(int64(41))
				return heard
			}, time.Minute, 10*time.Millisecond, "session nodes look again")
			require.NotEqualValues(t, 777, s.user(other, 41))
			require.NotEqualValues(t, 777, s.user(d, 41))
		})
	}
}

// A look at rows whose writes are not decided leaves the pool's connections as
// they were: waiting for a row no longer than the callers do.
func TestALookForTheOutcomeLeavesConnectionsAsTheyWere(t *testing.T) {
	s := newStore(t)
	d := s.nodes[0]
	d.db.SetMaxOpenConns(1)
	wait := func() (seconds int) {
		require.NoError(t, d.db.QueryRowContext(t.Context(), "SELECT @@SESSION.innodb_lock_wait_timeout").Scan(&seconds))
		return seconds
	}
	before := wait()
	keys := []string{keyCacheKey(1), dataCacheKey(1)}
	settled, err := ledger{d}.Settled(t.Context(), keys)
	require.NoError(t, err)
	require.Equal(t, keys, settled)
	require.Equal(t, before, wait())
	require.NotEqual(t, s.numbers("SELECT @@GLOBAL.innodb_lock_wait_timeout")[0], int64(before), "the server's own is another")
}

// A transaction that keeps its locks, of a connection that was cut off, kept five hundred
// other keys in doubt.
func TestALockedKeyLeavesOthersSettled(t *testing.T) {
	s := newStore(t)
	for id := range int64(3) {
		s.key(1+id, Permanent, 1+id, 0, 0)
	}
	tx, err := s.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.Exec("UPDATE auth_key_infos SET temp_auth_key_id = 7 WHERE auth_key_id = 2")
	require.NoError(t, err)
	keys := cacheKeys(keyCacheKey, []int64{1, 2, 3})
	settled, err := ledger{s.nodes[0]}.Settled(t.Context(), keys)
	require.True(t, isLocked(err), "%v", err)
	require.Equal(t, cacheKeys(keyCacheKey, []int64{1, 3}), settled)
	require.NoError(t, tx.Commit())
	settled, err = ledger{s.nodes[0]}.Settled(t.Context(), keys)
	require.NoError(t, err)
	require.Equal(t, keys, settled)
}

func TestWhatACommitsErrorSays(t *testing.T) {
	for name, tc := range map[string]struct {
		err     error
		unknown bool
	}{
		"the connection is gone":       {mysql.ErrInvalidConn, true},
		"the answer does not come":     {context.DeadlineExceeded, false}, // of database/sql, which has not asked
		"a deadlock":                   {&mysql.MySQLError{Number: 1213}, false},
		"a certification failure":      {&mysql.MySQLError{Number: 3101}, false},
		"the server shuts down":        {&mysql.MySQLError{Number: 1053}, true},
		"the connection was killed":    {&mysql.MySQLError{Number: 1927}, true},
		"something that is not listed": {errors.New("strange"), true},
	} {
		err := commitError(tc.err)
		require.ErrorIs(t, err, tc.err, name)
		require.Equal(t, tc.unknown, errors.Is(err, ErrUnknown), name)
	}
	require.NoError(t, commitError(nil))
}

// A node that cannot reach Redis ends a login and is stopped in order. Any other
// node finishes what it could not do.
func TestWhatANodeLeavesBehindIsFinished(t *testing.T) {
	s := newStore(t)
	network := tcpproxy.Start(t, s.mini.Addr())
	left := s.open(s.dsn, network.Addr())
	list := s.login(s.nodes[1], 777, 41, 42)
	network.Cut()
	ended, err := left.End(t.Context(), list, logins.ByAdmin, By{Actor: "test"})
	require.NoError(t, err)
	require.Len(t, ended, 2)
	require.Zero(t, s.user(left, 41))
	require.NoError(t, left.Close())
	require.Eventually(t, func() bool { return s.user(s.nodes[1], 41) == 0 && s.user(s.nodes[1], 42) == 0 }, time.Minute, 10*time.Millisecond)
	require.Eventually(t, func() bool {
		return slices.Equal([]int64{0}, s.numbers("SELECT COUNT(*) FROM auth_cache_releases"))
	}, 10*time.Second, 10*time.Millisecond)
}

// What a node ends that cannot reach Redis, no other node shows once it has ended.
func TestNoNodeShowsALoginThatHasEnded(t *testing.T) {
	s := newStore(t)
	network := tcpproxy.Start(t, s.mini.Addr())
	d := s.open(s.dsn, network.Addr())
	list := s.login(s.nodes[1], 777, 41)
	require.EqualValues(t, 777, s.user(s.nodes[1], 41))
	network.Cut()
	_, err := d.End(t.Context(), list, logins.ByAdmin, By{Actor: "test"})
	require.NoError(t, err)
	require.Zero(t, s.user(s.nodes[1], 41))
}

// While Redis is away, batches wait for other nodes at the same time, and what takes
// nothing away does not wait.
func TestHowLongWritesWaitForOtherNodes(t *testing.T) {
	s := newStore(t)
	for perm := range int64(3*endBatch + 1) {
		s.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_active) VALUES (?, 777, ?, ?)", perm+1, perm+1, now)
	}
	d := s.nodes[0]
	list, err := d.LiveOf(t.Context(), 777)
	require.NoError(t, err)
	s.mini.SetError("away")
	took := func(write func() error) time.Duration {
		began := time.Now()
		assert.NoError(t, write())
		return time.Since(began)
	}
	end := func() error {
		_, err := d.End(t.Context(), list, logins.ByAdmin, By{Actor: "test"})
		return err
	}
	require.GreaterOrEqual(t, took(end), time.Second)
	// One that was fast will do: a busy machine makes some slow.
	require.Eventually(t, func() bool { return took(end) < 4*time.Second }, time.Minute, time.Millisecond, "four batches, a second each")
	require.Eventually(t, func() bool {
		return took(func() error { return d.SetLayer(t.Context(), 41, "", 5) }) < time.Second
	}, time.Minute, time.Millisecond)
}

// What an ended transaction would have remembered is not remembered.
func TestAnUndoneChangeLeavesNothingBehind(t *testing.T) {
	s := newStore(t)
	network := tcpproxy.Start(t, s.mini.Addr())
	d := s.open(s.dsn, network.Addr())
	s.login(s.nodes[1], 777, 41)
	network.Cut()
	_, err := d.SignIn(t.Context(), 99, 778, 5)
	require.ErrorIs(t, err, ErrNotFound)
	require.Equal(t, []int64{0}, s.numbers("SELECT COUNT(*) FROM auth_cache_releases"))
	require.Zero(t, d.cache.Owed())
}

// Ending many logins costs round trips to Redis by the batch, not by the key.
func TestEndingManyLoginsAsksRedisInBatches(t *testing.T) {
	const n = 501
	s := newStore(t)
	network := tcpproxy.Start(t, testenv.StartRedis(t).Address)
	d := s.open(s.dsn, network.Addr())
	for perm := range int64(n) {
		s.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_active) VALUES (?, 777, ?, ?)", perm+1, perm+1, now)
	}
	list, err := d.LiveOf(t.Context(), 777)
	require.NoError(t, err)
	before := network.Requests()
	ended, err := d.End(t.Context(), list, logins.ByAdmin, By{Actor: "test"})
	require.NoError(t, err)
	require.Len(t, ended, n)
	// Three batches to hold and as many to release, each brought in a few pieces.
	require.Less(t, network.Requests()-before, int64(40))
}
