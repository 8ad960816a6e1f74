package dblock

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

func TestOneHolderAtATime(t *testing.T) {
	one := testenv.Open(t, testenv.DSN(t, true))
	l, err := Take(t.Context(), one, "work")
	require.NoError(t, err)
	require.NoError(t, l.Held(t.Context()))

	_, err = Take(t.Context(), one, "work")
	require.ErrorIs(t, err, ErrTaken)
	require.ErrorContains(t, err, l.holder, "the operator is told who has it")
	other, err := Take(t.Context(), one, "other.work")
	require.NoError(t, err)
	other.Release()
	elsewhere, err := Take(t.Context(), testenv.Open(t, testenv.DSN(t, true)), "work")
	require.NoError(t, err, "another database has locks of its own")
	elsewhere.Release()

	l.Release()
	require.ErrorIs(t, func() error { _, err := Take(canceled(t), one, "work"); return err }(), context.Canceled)
	next, err := Take(t.Context(), one, "work")
	require.NoError(t, err, "released at once")
	l.Release()
	require.NoError(t, next.Held(t.Context()), "what the one before gives back again is not this one's")
	next.Release()
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// Many nodes try at once, again and again: the counter that they read and write
// without a lock of its own loses nothing.
func TestManyHoldersFollowEachOther(t *testing.T) {
	db := testenv.Open(t, testenv.DSN(t, true))
	const nodes, turns = 5, 10
	var counter int
	done := make(chan error, nodes)
	for range nodes {
		go func() {
			for n := 0; n < turns; {
				l, err := Take(context.Background(), db, "work")
				if err != nil {
					if !errors.Is(err, ErrTaken) {
						done <- err
						return
					}
					continue
				}
				counter++ // the race detector looks, too
				n++
				l.Release()
			}
			done <- nil
		}()
	}
	for range nodes {
		require.NoError(t, <-done)
	}
	require.Equal(t, nodes*turns, counter)
}

// The statements of a lease use any connection: none of them is kept.
func TestALockKeepsNoConnection(t *testing.T) {
	db := testenv.Open(t, testenv.DSN(t, true))
	db.SetMaxOpenConns(1)
	l, err := Take(t.Context(), db, "work")
	require.NoError(t, err)
	require.Zero(t, db.Stats().InUse)
	_, err = db.ExecContext(t.Context(), "DO 1")
	require.NoError(t, err)
	require.NoError(t, l.Held(t.Context()))
	l.Release()
}

// lease reads the row: how many seconds the lease goes on, and its token.
func lease(t *testing.T, db *sql.DB) (left, token int) {
	t.Helper()
	require.NoError(t, db.QueryRow("SELECT lease_until - UNIX_TIMESTAMP(), token FROM session_fences WHERE name = 'work'").Scan(&left, &token))
	return left, token
}

// A holder renews its lease; one that died does not, and is replaced when its
// lease is over, not before.
func TestADeadHolderIsReplaced(t *testing.T) {
	db := testenv.Open(t, testenv.DSN(t, true))
	l, err := Take(t.Context(), db, "work")
	require.NoError(t, err)
	left, _ := lease(t, db)
	require.InDelta(t, leaseSeconds, left, 3)
	_, err = db.Exec("UPDATE session_fences SET lease_until = UNIX_TIMESTAMP() + 2 * ?", renewEach/time.Second)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		left, _ := lease(t, db)
		return left > leaseSeconds-3
	}, 3*renewEach, 10*time.Millisecond, "the holder renews it")

	l.stop() // as a dead process
	<-l.done
	began := time.Now() // before the lease is: however late this goes on, it counts from here
	_, err = db.Exec("UPDATE session_fences SET lease_until = UNIX_TIMESTAMP() + 2")
	require.NoError(t, err)
	var next *Lock
	require.Eventually(t, func() bool {
		next, err = Take(t.Context(), db, "work")
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.Greater(t, time.Since(began), 500*time.Millisecond, "not before the lease is over")
	require.ErrorIs(t, l.Held(t.Context()), ErrTaken)
	l.Release()
	require.NoError(t, next.Held(t.Context()), "what the dead one gives back is not the living one's")
	next.Release()
}

// A lease that a server with a clock far ahead wrote does not last until then.
func TestALeaseOfAWrongClockIsOver(t *testing.T) {
	db := testenv.Open(t, testenv.DSN(t, true))
	_, err := db.Exec("INSERT INTO session_fences(name, token, lease_until) VALUES ('work', 7, UNIX_TIMESTAMP() + 86400)")
	require.NoError(t, err)
	l, err := Take(t.Context(), db, "work")
	require.NoError(t, err)
	_, token := lease(t, db)
	require.Equal(t, 8, token)
	l.Release()
}

// A holder stalls past its lease in the middle of its work: what it does later
// is refused, what it had begun delays the next holder.
func TestWorkDoesNotOutliveItsLock(t *testing.T) {
	db := testenv.Open(t, testenv.DSN(t, true))
	conn := sqlx.NewSqlConnFromDB(db)
	require.NoError(t, conn.TransactCtx(t.Context(), Check), "no token, no fence")
	stalled, err := Take(t.Context(), db, "work")
	require.NoError(t, err)
	stalled.stop()
	<-stalled.done
	testenv.EndLease(t, db, "work")
	old := stalled.Fenced(t.Context())
	tried := make(chan error, 1)
	require.NoError(t, conn.TransactCtx(old, func(ctx context.Context, tx sqlx.Session) error {
		require.NoError(t, Check(ctx, tx), "its lease is over, but nobody has replaced it")
		go func() {
			_, err := Take(context.Background(), db, "work")
			tried <- err
		}()
		select {
		case <-tried:
			t.Error("the next holder did not wait")
		case <-time.After(100 * time.Millisecond):
		}
		return nil
	}))
	require.ErrorIs(t, <-tried, ErrTaken, "the transaction has renewed the lease")
	testenv.EndLease(t, db, "work")
	heir, err := Take(t.Context(), db, "work")
	require.NoError(t, err)
	require.ErrorIs(t, conn.TransactCtx(old, Check), ErrTaken)
	require.NoError(t, conn.TransactCtx(heir.Fenced(t.Context()), Check))
	heir.Release()
}
