package dao

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// demoted makes connections to a server that says that it only reads, once it is told to.
type demoted struct {
	driver.Connector
	now atomic.Bool
}

func (d *demoted) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := d.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &demotedConn{mysqlConn: c.(mysqlConn), by: d}, nil
}

type demotedConn struct {
	mysqlConn
	by *demoted
}

func (c *demotedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.by.now.Load() {
		query = strings.ReplaceAll(query, "@@GLOBAL.read_only", "1")
	}
	return c.mysqlConn.QueryContext(ctx, query, args)
}

// A node that is led to the former primary goes on answering from it. What it reads there may
// be a login that has ended on the new one, or lack a key that is new: the cache, which other
// nodes believe, does not get it.
func TestWhatAReplicaSaysIsNotKept(t *testing.T) {
	s := newStore(t)
	s.login(s.nodes[1], 777, 41)
	s.exec("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES (42, 0, 42)")
	s.login(s.nodes[1], 778, 43)
	_, err := s.nodes[1].SetPending(t.Context(), 43, logins.Pending{Owner: 1, UserID: 778, Owed: true})
	require.NoError(t, err)
	s.key(51, Temporary, 0, now+60, 0)
	s.key(52, Temporary, 41, 0, now-1)
	s.key(53, Temporary, 0, 0, 0)
	s.key(54, Temporary, 41, now-1, now+60)
	s.key(55, Permanent, 55, 0, 0)
	c, err := mysqlConfig(Pool{DSN: s.dsn}, false)
	require.NoError(t, err)
	connector, err := mysql.NewConnector(c)
	require.NoError(t, err)
	primary := &demoted{Connector: connector}
	d := New(t.Context(), sql.OpenDB(primaries{primary}), optionsOf(testenv.Config(s.dsn, s.mini.Addr()), func() time.Time { return time.Unix(now, 0) }, nil))
	t.Cleanup(func() { d.Close() })
	const unknown = 99
	living := func() {
		for id, perm := range map[int64]int64{54: 41, 55: 55} {
			k, err := d.Key(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, perm, k.PermAuthKeyID, "a key that is bound, and lives")
		}
		first, err := d.First(t.Context(), Wanted{UserID: 777})
		require.NoError(t, err)
		require.EqualValues(t, 41, first.AuthKeyID)
		_, err = d.Policy(t.Context(), 777)
		require.NoError(t, err)
	}
	reads := func() {
		s.mini.FlushAll()
		require.EqualValues(t, 777, s.user(d, 41), "reads go on")
		living()
		for _, id := range []int64{unknown, 52} {
			_, err := d.Key(t.Context(), id)
			require.ErrorIs(t, err, ErrNotFound)
		}
		for _, id := range []int64{51, 53} {
			k, err := d.Key(t.Context(), id)
			require.NoError(t, err)
			require.Zero(t, k.PermAuthKeyID)
		}
		l, err := d.Login(t.Context(), unknown)
		require.NoError(t, err)
		require.Nil(t, l.BindUser)
		l, err = d.Login(t.Context(), 43)
		require.NoError(t, err)
		require.True(t, l.Owes())
		p, err := d.Policy(t.Context(), unknown)
		require.NoError(t, err)
		require.Zero(t, p)
		_, err = d.First(t.Context(), Wanted{UserID: unknown})
		require.ErrorIs(t, err, ErrNotFound)
	}
	// What it lacks may be new on the primary. That a key is unknown, bound to nothing or over,
	// or nobody logged in on it, would have clients drop what they have.
	old := func() {
		s.mini.FlushAll()
		require.EqualValues(t, 777, s.user(d, 41), "reads go on")
		living()
		for _, id := range []int64{unknown, 51, 52, 53} {
			_, err := d.Key(t.Context(), id)
			require.ErrorIs(t, err, ErrOnlyReads, id)
		}
		for _, id := range []int64{unknown, 42, 43} {
			_, err := d.Login(t.Context(), id)
			require.ErrorIs(t, err, ErrOnlyReads, id)
		}
		_, err := d.Policy(t.Context(), unknown)
		require.ErrorIs(t, err, ErrOnlyReads)
		_, err = d.First(t.Context(), Wanted{UserID: unknown})
		require.ErrorIs(t, err, ErrOnlyReads)
		_, err = d.LiveOn(t.Context(), 42)
		require.ErrorIs(t, err, ErrOnlyReads)
		_, err = d.WithHash(t.Context(), 5)
		require.ErrorIs(t, err, ErrOnlyReads)
		one, err := d.LiveOn(t.Context(), 41)
		require.NoError(t, err)
		_, err = d.WithHash(t.Context(), one.Hash)
		require.NoError(t, err)
		_, err = d.WithHash(Deciding(t.Context()), one.Hash)
		require.ErrorIs(t, err, ErrOnlyReads)
	}
	kept := func() (found []bool) {
		for _, key := range []string{dataCacheKey(41), keyCacheKey(unknown), dataCacheKey(unknown)} {
			found = append(found, s.mini.Exists(key))
		}
		return found
	}
	reads()
	require.Equal(t, []bool{true, true, true}, kept())
	primary.now.Store(true)
	old()
	require.Equal(t, []bool{false, false, false}, kept())
	_, err = d.Ledger().Listed(t.Context(), 1)
	require.ErrorIs(t, err, ErrOnlyReads, "the primary's may have more")
	_, err = d.Ledger().(ledger).Settled(t.Context(), []string{keyCacheKey(41)})
	require.ErrorIs(t, err, ErrOnlyReads, "locks of the primary's transactions are not here")
	primary.now.Store(false)
	reads()
	require.Equal(t, []bool{true, true, true}, kept())
}
