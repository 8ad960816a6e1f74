package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
)

const errLockTimeout = 1205

// lockPatience is how long, in all, the migrations wait for locks of tables;
// lockPause lets those through meanwhile who wait behind them.
var (
	lockPatience = 2 * time.Minute
	lockPause    = 2 * time.Second
)

// LockedError says that a statement did not get the lock of its table.
type LockedError struct {
	Statement string // empty, if it is not known
	Waited    time.Duration
	Holders   []string // transactions that are open, the oldest first
	Err       error
}

// Error names the statement, who may be in its way, and the ways on.
func (e *LockedError) Error() string {
	holders := "no transaction that this user may see is open (it may see others with the privilege PROCESS)"
	if len(e.Holders) > 0 {
		holders = "open transactions, the oldest first: " + strings.Join(e.Holders, "; ")
	}
	return fmt.Sprintf("%q waited %v for its table, which a transaction holds: %s. End that transaction, or run authsession -migrate when it is over, or change the table with what authsession -migrate -print prints: %v",
		e.Statement, e.Waited.Round(time.Second), holders, e.Err)
}

// Unwrap returns the server's answer.
func (e *LockedError) Unwrap() error { return e.Err }

// patiently runs migrations, again where one did not get a lock of a table, and
// returns those that it ran in all.
func patiently(ctx context.Context, db *sql.DB, notice func(string), run func(context.Context) ([]*goose.MigrationResult, error)) (done []Applied, err error) {
	began := time.Now()
	for {
		results, err := run(ctx)
		done = append(done, outcome(results)...)
		var partial *goose.PartialError
		if errors.As(err, &partial) {
			done = append(done, outcome(partial.Applied)...)
		}
		var answer *mysql.MySQLError
		if !errors.As(err, &answer) || answer.Number != errLockTimeout {
			return done, err
		}
		waits := locked(ctx, db, time.Since(began), err)
		if waits.Waited > lockPatience {
			return done, waits
		}
		if notice != nil {
			notice(fmt.Sprintf("trying again for up to %v: %v", (lockPatience - waits.Waited).Round(time.Second), waits))
		}
		select {
		case <-ctx.Done():
			return done, ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// locked tells what waits for whom, as far as the server says.
func locked(ctx context.Context, db *sql.DB, waited time.Duration, err error) *LockedError {
	e := &LockedError{Waited: waited, Err: err}
	if due, err := Due(ctx, db); err == nil && len(due) > 0 {
		e.Statement, _, _ = strings.Cut(due[0], "\n")
	}
	// What statements say is not told: it may hold what is nobody's business.
	rows, queryErr := db.QueryContext(ctx, "SELECT p.id, p.user, p.host, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), COALESCE(SUBSTRING_INDEX(p.info, ' ', 1), 'idle')"+
		" FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id"+
		" WHERE p.id <> CONNECTION_ID() ORDER BY t.trx_started LIMIT 5")
	if queryErr != nil {
		return e
	}
	defer rows.Close()
	for rows.Next() {
		var (
			id, seconds      int64
			user, host, verb string
		)
		if rows.Scan(&id, &user, &host, &seconds, &verb) == nil {
			e.Holders = append(e.Holders, fmt.Sprintf("connection %d of %s@%s, for %d s (%s)", id, user, host, seconds, verb))
		}
	}
	if rows.Err() != nil {
		e.Holders = nil
	}
	return e
}
