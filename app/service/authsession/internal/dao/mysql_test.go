package dao

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/lang"
	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// go-zero's pool is 64 connections of a minute's life, whatever is configured.
func TestWeakness68ThePoolIsAsConfigured(t *testing.T) {
	db, err := OpenMysql(t.Context(), Pool{DSN: testenv.DSN(t, false), Active: 7, Idle: 3, IdleTimeout: time.Hour}, false)
	require.NoError(t, err)
	defer db.Close()
	require.Equal(t, 7, db.Stats().MaxOpenConnections)
	var conns []interface{ Close() error }
	for range 7 {
		c, err := db.Conn(t.Context())
		require.NoError(t, err)
		conns = append(conns, c)
	}
	for _, c := range conns {
		require.NoError(t, c.Close())
	}
	require.Equal(t, 3, db.Stats().Idle)
}

// What an operator's DSN or server says otherwise costs no writes, no starts and
// no names of devices.
func TestConnectionsAreAsTheStatementsNeedThem(t *testing.T) {
	dsn := testenv.DSN(t, true)
	seen := testenv.Open(t, dsn)
	plain, _, _ := strings.Cut(dsn, "?")
	for name, more := range map[string]string{
		"autocommit is off":              "?autocommit=0",
		"autocommit is off, in capitals": "?AUTOCOMMIT=OFF",
		"times are texts":                "?parseTime=false",
		"nothing is said":                "",
		"three bytes a character":        "?charset=utf8",
		"a collation":                    "?charset=latin1&collation=latin1_bin",
	} {
		t.Run(name, func(t *testing.T) {
			db, err := OpenMysql(t.Context(), Pool{DSN: plain + more, Active: 2, Idle: 2, IdleTimeout: time.Hour}, false)
			require.NoError(t, err)
			defer db.Close()
			const device = "Pixel \U0001F4F1"
			_, err = db.Exec("REPLACE INTO auths(auth_key_id, api_id, params, device_model) VALUES (1, 6, 'null', ?)", device)
			require.NoError(t, err)
			var got string
			require.NoError(t, seen.QueryRow("SELECT device_model FROM auths WHERE auth_key_id = 1").Scan(&got))
			require.Equal(t, device, got, "another connection sees it")
			var at time.Time
			require.NoError(t, db.QueryRow("SELECT created_at FROM auths WHERE auth_key_id = 1").Scan(&at))
			_, err = seen.Exec("DELETE FROM auths")
			require.NoError(t, err)
		})
	}
}

// A node of Galera that did not answer in time was taken for a single server, and read too
// early until it was started again.
func TestAServerThatDoesNotAnswerIsNoSingleOne(t *testing.T) {
	c, err := mysql.ParseDSN(testenv.DSN(t, false))
	require.NoError(t, err)
	network := tcpproxy.Start(t, c.Addr)
	goOn := make(chan struct{})
	defer close(goOn)
	network.Stall(func(piece []byte) time.Duration {
		if bytes.Contains(piece, []byte("wsrep_on")) {
			<-goOn
		}
		return 0
	})
	c.Addr = network.Addr()
	pool := Pool{DSN: c.FormatDSN(), Active: 1, Idle: 1}
	conf, err := mysqlConfig(pool, false)
	require.NoError(t, err)
	_, err = open(t.Context(), pool, conf, time.Second)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// After a fail-over an old primary refuses writes for as long as it lives: its
// connections go with the first refusal.
func TestAConnectionThatRefusesWritesIsGivenUp(t *testing.T) {
	db, err := OpenMysql(t.Context(), Pool{DSN: testenv.DSN(t, true), Active: 1, Idle: 1, IdleTimeout: time.Hour}, false)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("SET SESSION TRANSACTION READ ONLY") // of this connection, as read_only is of that server
	require.NoError(t, err)
	_, err = db.Exec("INSERT INTO auth_key_lifetimes(auth_key_id) VALUES (1)")
	require.NoError(t, err)

	_, err = db.Exec("SET SESSION TRANSACTION READ ONLY")
	require.NoError(t, err)
	d := &Dao{conn: newConn(db)}
	require.NoError(t, d.transact(t.Context(), func(ctx context.Context, tx sqlx.Session) error {
		_, err := tx.ExecCtx(ctx, "INSERT INTO auth_key_lifetimes(auth_key_id) VALUES (2)")
		return err
	}), "a transaction runs again on another connection")
}

// The caller has given up: its transaction does not wait on, with the locks
// that it has, for as long as the server's own settings say.
func TestAnAbandonedTransactionLetsGo(t *testing.T) {
	dsn := testenv.DSN(t, true)
	db, err := OpenMysql(t.Context(), Pool{DSN: dsn, Active: 2, Idle: 2, IdleTimeout: time.Hour}, false)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("INSERT INTO auth_key_lifetimes(auth_key_id) VALUES (1), (2)")
	require.NoError(t, err)
	seen := testenv.Open(t, dsn)
	holder, err := seen.Begin()
	require.NoError(t, err)
	defer holder.Rollback()
	_, err = holder.Exec("UPDATE auth_key_lifetimes SET expires_at = 1 WHERE auth_key_id = 1")
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tx, err := db.BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(ctx, "UPDATE auth_key_lifetimes SET expires_at = 2 WHERE auth_key_id = 2")
	require.NoError(t, err)
	time.AfterFunc(100*time.Millisecond, cancel) // while the next statement waits
	_, err = tx.ExecContext(ctx, "UPDATE auth_key_lifetimes SET expires_at = 2 WHERE auth_key_id = 1")
	require.ErrorIs(t, err, context.Canceled)
	began := time.Now()
	_, err = seen.Exec("UPDATE auth_key_lifetimes SET expires_at = 3 WHERE auth_key_id = 2")
	require.NoError(t, err)
	require.Less(t, time.Since(began), 10*time.Second, "its other locks are free soon")
}

// A transaction that waited too long for a row runs again.
func TestALockThatWasNotGotIsWaitedForAgain(t *testing.T) {
	s := newStore(t)
	s.exec("INSERT INTO auth_key_lifetimes(auth_key_id) VALUES (1)")
	holder, err := s.db.Begin()
	require.NoError(t, err)
	_, err = holder.Exec("UPDATE auth_key_lifetimes SET expires_at = 1 WHERE auth_key_id = 1")
	require.NoError(t, err)
	runs := 0
	require.NoError(t, s.nodes[0].transact(t.Context(), func(ctx context.Context, tx sqlx.Session) error {
		if runs++; runs == 2 {
			require.NoError(t, holder.Rollback())
		}
		_, err := tx.ExecCtx(ctx, "UPDATE auth_key_lifetimes SET expires_at = 2 WHERE auth_key_id = 1")
		return err
	}))
	require.Equal(t, 2, runs)
	require.Equal(t, []int64{2}, s.numbers("SELECT expires_at FROM auth_key_lifetimes"))
}

// go-zero's log shows a statement's arguments by what they say of themselves.
func TestWeakness13SecretsDoNotShow(t *testing.T) {
	s := secret("hidden")
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %s %q", s, s, s, s), lang.Repr(s)} {
		require.NotContains(t, text, "hidden")
	}
}

func TestWeakness62ReplicasAreReportedAsUnused(t *testing.T) {
	c := config.Config{Mysql: config.Mysql{ReadDSN: []string{"x"}}}
	require.Len(t, c.Unused(), 1)
	require.Contains(t, c.Unused()[0], "Mysql.ReadDSN")
	require.Empty(t, (&config.Config{}).Unused())
}

func TestJudgeBind(t *testing.T) {
	perm, temp, media := bindRow{ID: 1, Perm: 1}, bindRow{ID: 2, Type: Temporary}, bindRow{ID: 3, Type: MediaTemporary}
	bound := bindRow{ID: 2, Type: Temporary, Perm: 9}
	same := bindRow{ID: 2, Type: Temporary, Perm: 1}
	for name, tc := range map[string]struct {
		rows       []bindRow
		perm, temp int64
		column     string
		err        error
	}{
		"temp key":        {[]bindRow{perm, temp}, 1, 2, "temp_auth_key_id", nil},
		"media key":       {[]bindRow{perm, media}, 1, 3, "media_temp_auth_key_id", nil},
		"again":           {[]bindRow{perm, same}, 1, 2, "temp_auth_key_id", nil},
		"bound elsewhere": {[]bindRow{perm, bound}, 1, 2, "", ErrAlreadyBound},
		"two perm keys":   {[]bindRow{perm, {ID: 4, Perm: 4}}, 1, 4, "", ErrNotTemporary},
		"itself":          {[]bindRow{perm}, 1, 1, "", ErrNotTemporary},
		"to a temp key":   {[]bindRow{temp, media}, 2, 3, "", ErrNotPermanent},
		"unknown temp":    {[]bindRow{perm}, 1, 2, "", ErrUnknownKey},
		"unknown perm":    {[]bindRow{temp}, 1, 2, "", ErrUnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			column, err := judgeBind(tc.rows, tc.perm, tc.temp)
			require.Equal(t, tc.column, column)
			require.ErrorIs(t, err, tc.err)
		})
	}
}
