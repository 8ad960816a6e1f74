package dao

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
)

const (
	errDeadlock    = 1213
	errLockTimeout = 1205
	errChanged     = 1020 // a row read before has changed (innodb_snapshot_isolation)
	errNotReady    = 1047 // a node of a Galera cluster that has not joined it yet
)

// newConn wraps the pool in go-zero's breaker, metrics and traces. An error
// that is the statement's own does not count against the server.
func newConn(db *sql.DB) sqlx.SqlConn {
	return sqlx.NewSqlConnFromDB(db, sqlx.WithAcceptable(func(err error) bool {
		var answer *mysql.MySQLError
		return errors.As(err, &answer) || errors.As(err, new(refusal)) || errors.Is(err, ErrNotFound) || errors.Is(err, errSignedIn) || errors.Is(err, errNoMore) || errors.Is(err, ErrOnlyReads) || errors.Is(err, dblock.ErrTaken) || errors.Is(err, context.Canceled)
	}))
}

// retried are errors of a transaction that lost against another: the server
// has rolled it back, or rolls it back when it hears of the error. A Galera
// cluster says errDeadlock at the COMMIT, too, where a transaction of another
// node came first. errNotReady: nothing was done.
var retried = []uint16{errDeadlock, errLockTimeout, errChanged, errNotReady}

// transact runs fn in a transaction, again when it lost against another. With
// ErrUnknown it may have been committed. Background work that has lost its lock
// changes nothing.
func (d *Dao) transact(ctx context.Context, fn func(ctx context.Context, tx sqlx.Session) error) error {
	return again(ctx, func() error {
		var failed error
		ready := false // to be committed
		err := d.conn.TransactCtx(ctx, func(ctx context.Context, tx sqlx.Session) error {
			if failed = dblock.Check(ctx, tx); failed == nil {
				failed = fn(ctx, tx)
			}
			ready = failed == nil
			return failed
		})
		switch {
		case failed != nil: // go-zero makes a text of it where the connection is gone, too
			return failed
		case ready:
			return commitError(err)
		}
		return err
	})
}

// ErrUnknown means that MySQL did not say whether it has carried a change out.
var ErrUnknown = errors.New("MySQL did not say whether the change was made; it may have been, and repeating it does no harm")

// undecided are answers to a COMMIT that do not say that it was not carried out:
// the server was told to stop with it.
var undecided = []uint16{
	1053, // the server is shutting down
	1180, // it got an error during COMMIT
	1317, // the statement was interrupted
	1927, // the connection was killed
}

// commitError turns the error of a COMMIT into ErrUnknown, but where the server
// says that it has changed nothing, or was never asked.
func commitError(err error) error {
	var answer *mysql.MySQLError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		if !slices.Contains(undecided, answer.Number) {
			return err
		}
	case errors.Is(err, sql.ErrTxDone), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err // database/sql has rolled it back
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

// again runs a transaction up to five times, as long as it loses against others.
func again(ctx context.Context, transaction func() error) error {
	for attempt := 1; ; attempt++ {
		err := transaction()
		if attempt == 5 || !lost(err) {
			return err
		}
		select {
		case <-time.After(time.Duration(attempt) * 10 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// lost reports whether a transaction has left nothing behind and may do better
// the next time. ErrBadConn is what the driver makes of a statement that it did
// not send, or that a server refused because it only reads, where a transaction does not
// even begin (ErrOnlyReads): after a switch of the primary, a new connection leads to the
// new one.
func lost(err error) bool {
	var answer *mysql.MySQLError
	return !errors.Is(err, ErrUnknown) && (errors.As(err, &answer) && slices.Contains(retried, answer.Number) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, ErrOnlyReads))
}

// isLocked reports whether a statement did not get a lock.
func isLocked(err error) bool {
	var answer *mysql.MySQLError
	return errors.As(err, &answer) && (answer.Number == errLockTimeout || answer.Number == errDeadlock)
}

// secret is a string that statements carry and logs do not show: go-zero
// writes the arguments of slow and failed statements to the log.
type secret string

// String is what the log gets.
func (secret) String() string { return "'<secret>'" }

// placeholders returns "?,?,?" for n values.
func placeholders(n int) string {
	if n == 0 {
		return "NULL"
	}
	b := make([]byte, 0, 2*n)
	for range n {
		b = append(b, '?', ',')
	}
	return string(b[:2*n-1])
}

func anys[T any](ids []T) []any {
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = id
	}
	return out
}
