package dblock_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

func TestOneHolderAtATime(t *testing.T) {
	one := testenv.Open(t, testenv.DSN(t, false))
	l, err := dblock.Take(t.Context(), one, "work")
	require.NoError(t, err)
	require.NoError(t, l.Held(t.Context()))

	_, err = dblock.Take(t.Context(), one, "work")
	require.ErrorIs(t, err, dblock.ErrTaken)
	other, err := dblock.Take(t.Context(), one, "other.work")
	require.NoError(t, err)
	other.Release()
	elsewhere, err := dblock.Take(t.Context(), testenv.Open(t, testenv.DSN(t, false)), "work")
	require.NoError(t, err, "another database has locks of its own")
	elsewhere.Release()

	l.Release()
	l, err = dblock.Take(t.Context(), one, "work")
	require.NoError(t, err)
	l.Release()
}

// A connection that comes back to the pool has the life of any other.
func TestAConnectionComesBackAsItWas(t *testing.T) {
	db := testenv.Open(t, testenv.DSN(t, false))
	db.SetMaxOpenConns(1)
	seconds := func(q interface {
		QueryRow(query string, args ...any) *sql.Row
	}) (id, n int) {
		require.NoError(t, q.QueryRow("SELECT CONNECTION_ID(), @@SESSION.wait_timeout").Scan(&id, &n))
		return id, n
	}
	before, usual := seconds(db)
	l, err := dblock.Take(t.Context(), db, "work")
	require.NoError(t, err)
	var n int
	require.NoError(t, l.Conn().QueryRowContext(t.Context(), "SELECT @@SESSION.wait_timeout").Scan(&n))
	require.Equal(t, 60, n, "a holder that hangs is cut off")
	l.Release()
	after, n := seconds(db)
	require.Equal(t, []int{before, usual}, []int{after, n})
}

// Whoever is cut off has neither the lock nor the means to go on.
func TestADeadHolderIsReplaced(t *testing.T) {
	db := testenv.Open(t, testenv.DSN(t, false))
	l, err := dblock.Take(t.Context(), db, "work")
	require.NoError(t, err)
	var id int
	require.NoError(t, l.Conn().QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id))
	_, err = db.Exec("KILL ?", id)
	require.NoError(t, err)
	var next *dblock.Lock
	require.Eventually(t, func() bool {
		next, err = dblock.Take(t.Context(), db, "work")
		return err == nil
	}, 5*time.Second, 5*time.Millisecond)
	require.Error(t, l.Held(t.Context()))
	_, err = l.Conn().ExecContext(t.Context(), "DO 1")
	require.Error(t, err)
	l.Release()
	require.NoError(t, next.Held(t.Context()), "what the dead one gives back is not the living one's")
	next.Release()
}

// A holder was cut off in the middle of its work, which goes through other
// connections: what it does later is refused, what it had begun delays the next
// holder.
func TestWorkDoesNotOutliveItsLock(t *testing.T) {
	db := testenv.Open(t, testenv.DSN(t, true))
	conn := sqlx.NewSqlConnFromDB(db)
	require.NoError(t, conn.TransactCtx(t.Context(), dblock.Check), "no token, no fence")
	l, err := dblock.Take(t.Context(), db, "work")
	require.NoError(t, err)
	old, err := l.Fenced(t.Context())
	require.NoError(t, err)
	var replaced context.Context
	next := make(chan error, 1)
	require.NoError(t, conn.TransactCtx(old, func(ctx context.Context, tx sqlx.Session) error {
		require.NoError(t, dblock.Check(ctx, tx))
		l.Release() // as if it had been cut off
		heir, err := dblock.Take(t.Context(), db, "work")
		require.NoError(t, err)
		t.Cleanup(heir.Release)
		go func() {
			var err error
			replaced, err = heir.Fenced(context.Background())
			next <- err
		}()
		select {
		case <-next:
			t.Error("the next holder did not wait")
		case <-time.After(50 * time.Millisecond):
		}
		return nil
	}))
	require.NoError(t, <-next)
	require.ErrorIs(t, conn.TransactCtx(old, dblock.Check), dblock.ErrTaken)
	require.NoError(t, conn.TransactCtx(replaced, dblock.Check))
}
