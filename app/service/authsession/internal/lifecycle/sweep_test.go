package lifecycle

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

// nodes opens two of them on a database with ended temp keys.
func nodes(t *testing.T, ended int) (db *sql.DB, daos [2]*dao.Dao) {
	t.Helper()
	dsn := testenv.DSN(t, true)
	conf := testenv.Config(dsn, miniredis.RunT(t).Addr())
	for i := range daos {
		pool, err := dao.OpenMysql(t.Context(), svc.Pool(conf.Mysql), false)
		require.NoError(t, err)
		daos[i] = dao.New(t.Context(), pool, svc.Store(conf, time.Now, nil))
		t.Cleanup(func() { daos[i].Close() })
	}
	db = testenv.Open(t, dsn)
	var keys, infos, lifetimes strings.Builder
	for id := 1; id <= ended; id++ {
		fmt.Fprintf(&keys, ",(%d,'x')", id)
		fmt.Fprintf(&infos, ",(%d,1)", id)
		fmt.Fprintf(&lifetimes, ",(%d,%d)", id, id)
	}
	for _, insert := range []string{
		"auth_keys(auth_key_id, body) VALUES " + keys.String()[1:],
		"auth_key_infos(auth_key_id, auth_key_type) VALUES " + infos.String()[1:],
		"auth_key_lifetimes(auth_key_id, expires_at) VALUES " + lifetimes.String()[1:],
	} {
		_, err := db.Exec("INSERT INTO " + insert)
		require.NoError(t, err)
	}
	return db, daos
}

func left(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM auth_key_lifetimes").Scan(&n))
	return n
}

func TestSweepersShareTheWork(t *testing.T) {
	db, daos := nodes(t, 500)
	for _, d := range daos {
		s := StartSweeper(d, SweepOptions{Enabled: true, Period: 20 * time.Millisecond, Batch: 30, Grace: time.Hour})
		defer func() { <-s.Stop() }()
	}
	require.Eventually(t, func() bool { return left(t, db) == 0 }, time.Minute, 10*time.Millisecond)
}

// A sweeper that is told to stop ends with its batch, in its pause or before.
func TestASweeperStopsWithinABatch(t *testing.T) {
	db, daos := nodes(t, 500)
	s := StartSweeper(daos[0], SweepOptions{Enabled: true, Period: time.Millisecond, Batch: 10, Pause: 30 * time.Second})
	require.Eventually(t, func() bool { return left(t, db) < 500 }, time.Minute, time.Millisecond)
	began := time.Now()
	<-s.Stop()
	require.Less(t, time.Since(began), 5*time.Second)
	require.Equal(t, 490, left(t, db))
	<-s.Stop()

	// The lock is free for whoever comes next.
	s = StartSweeper(daos[1], SweepOptions{Enabled: true, Period: time.Millisecond, Batch: 500})
	require.Eventually(t, func() bool { return left(t, db) == 0 }, time.Minute, time.Millisecond)
	<-s.Stop()
}

func TestNoSweeperUnlessEnabled(t *testing.T) {
	s := StartSweeper(nil, SweepOptions{})
	require.Nil(t, s)
	<-s.Stop()
}
