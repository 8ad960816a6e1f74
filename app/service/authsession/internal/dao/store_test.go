package dao

import (
	"database/sql"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/keyseal"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

// store is two nodes on one database and one Redis, and the test's own view.
type store struct {
	t     *testing.T
	db    *sql.DB
	dsn   string
	mini  *miniredis.Miniredis
	nodes [2]*Dao
}

const now = 1_800_000_000

func newStore(t *testing.T) *store {
	s := &store{t: t, mini: miniredis.RunT(t), dsn: testenv.DSN(t, true)}
	s.db = testenv.Open(t, s.dsn)
	for i := range s.nodes {
		s.nodes[i] = s.node(nil)
	}
	return s
}

func (s *store) node(sealer *keyseal.Sealer) *Dao {
	s.t.Helper()
	conf := testenv.Config(s.dsn, s.mini.Addr())
	db, err := OpenMysql(s.t.Context(), poolOf(conf), false)
	require.NoError(s.t, err)
	d := New(s.t.Context(), db, optionsOf(conf, func() time.Time { return time.Unix(now, 0) }, sealer))
	s.t.Cleanup(func() { d.Close() })
	return d
}

// poolOf and optionsOf are those of a configuration, which package testenv makes.
func poolOf(c config.Config) Pool {
	return Pool{DSN: c.Mysql.DSN, Active: c.Mysql.Active, Idle: c.Mysql.Idle, IdleTimeout: c.Mysql.IdleTimeout}
}

func optionsOf(c config.Config, now func() time.Time, sealer *keyseal.Sealer) Options {
	return Options{
		Cache: c.Cache, KV: c.KV, SaltWindow: c.Salts.Window(), Announces: c.Events.Enabled(), AnnouncesTouched: c.Events.Touched,
		Now: now, Sealer: sealer,
	}
}

func (s *store) exec(query string, args ...any) {
	s.t.Helper()
	_, err := s.db.Exec(query, args...)
	require.NoError(s.t, err)
}

func (s *store) numbers(query string, args ...any) (list []int64) {
	s.t.Helper()
	rows, err := s.db.Query(query, args...)
	require.NoError(s.t, err)
	defer rows.Close()
	for rows.Next() {
		var n int64
		require.NoError(s.t, rows.Scan(&n))
		list = append(list, n)
	}
	require.NoError(s.t, rows.Err())
	return list
}
