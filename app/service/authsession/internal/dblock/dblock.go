// Package dblock gives one node at a time the right to do a piece of work on
// the database: a lease, which is a row of session_fences.
//
// A lease is good for fifteen seconds by the database's clock, and its holder
// renews it. A holder that dies or hangs is replaced when its lease is over.
//
// A holder that hangs may wake up later and not know that it was replaced. So
// each lease has a token, higher than any before it, and each transaction of the
// work calls Check under the lease's context. Check writes to the row, if the
// token is still the row's. Until the transaction ends nobody can replace the
// holder; once somebody has, the holder's transactions are refused.
//
// Nothing of this belongs to a connection: a pooler may give each statement
// another one. And it is all rows, which the nodes of a Galera cluster agree on
// before a transaction counts as committed. GET_LOCK is neither.
package dblock

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stores/sqlx"
)

// ErrTaken means that another node holds the lock.
var ErrTaken = errors.New("another node holds the lock")

const (
	leaseSeconds = 15
	renewEach    = leaseSeconds * time.Second / 5
	// renewTime bounds one statement of a lease.
	renewTime = 4 * time.Second
	// strangeSeconds: a lease that ends later than this was taken by a clock that
	// was wrong. Clocks of one cluster's servers differ by less.
	strangeSeconds = 60
	widthHolder    = 64
)

// Statements of a lease. The clock is UNIX_TIMESTAMP(), which knows no time
// zone; every one of them changes its row, so that Galera sends it to the other
// nodes.
var (
	selectFree = fmt.Sprintf("SELECT token, holder, lease_until <= UNIX_TIMESTAMP() OR lease_until > UNIX_TIMESTAMP() + %d FROM session_fences WHERE name = ?", strangeSeconds)
	insertRow  = "INSERT IGNORE INTO session_fences(name, token) VALUES (?, 0)"
	takeRow    = fmt.Sprintf("UPDATE session_fences SET token = token + 1, holder = ?, lease_until = UNIX_TIMESTAMP() + %d"+
		" WHERE name = ? AND token = ? AND (lease_until <= UNIX_TIMESTAMP() OR lease_until > UNIX_TIMESTAMP() + %d)", leaseSeconds, strangeSeconds)
	renewRow   = fmt.Sprintf("UPDATE session_fences SET lease_until = UNIX_TIMESTAMP() + %d, renewals = renewals + 1 WHERE name = ? AND token = ?", leaseSeconds)
	releaseRow = "UPDATE session_fences SET lease_until = 0, renewals = renewals + 1 WHERE name = ? AND token = ? AND holder = ?"
)

// Lock is a lock that is held.
type Lock struct {
	db     *sql.DB
	fence  fence
	holder string
	stop   context.CancelFunc
	done   chan struct{}
}

// fence is what tells a lease from all others of its name.
type fence struct {
	name  string
	token int64
}

// Take takes the lock, or returns ErrTaken at once. Name is at most 64 bytes
// of letters, digits and dots; the lock is the database's. It is renewed until
// Release gives it back.
func Take(ctx context.Context, db *sql.DB, name string) (*Lock, error) {
	l := &Lock{db: db, fence: fence{name: name}, holder: newHolder(), done: make(chan struct{})}
	if err := l.take(ctx); err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	ctx, l.stop = context.WithCancel(context.Background())
	go l.keep(ctx)
	return l, nil
}

func (l *Lock) take(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	before, err := l.free(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		if _, err = l.db.ExecContext(ctx, insertRow, l.fence.name); err == nil {
			before, err = l.free(ctx)
		}
	}
	if err != nil {
		return lost(err)
	}
	result, err := l.db.ExecContext(ctx, takeRow, l.holder, l.fence.name, before)
	if err != nil {
		// It may have been done all the same.
		l.fence.token = before + 1
		l.release()
		return lost(err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, ErrTaken)
	}
	l.fence.token = before + 1
	return nil
}

// free returns the token of the lease before this one, if that is over.
func (l *Lock) free(ctx context.Context) (token int64, err error) {
	var (
		by   string
		free bool
	)
	if err := l.db.QueryRowContext(ctx, selectFree, l.fence.name).Scan(&token, &by, &free); err != nil {
		return 0, err
	}
	if !free {
		return 0, fmt.Errorf("%w: %s", ErrTaken, by)
	}
	return token, nil
}

// lost makes ErrTaken of the answer to a statement that lost against another's
// on the same row.
func lost(err error) error {
	var answer *mysql.MySQLError
	if errors.As(err, &answer) && (answer.Number == 1205 || answer.Number == 1213 || answer.Number == 1020) {
		return fmt.Errorf("%w: %w", ErrTaken, err)
	}
	return err
}

// newHolder names this process to an operator who looks at the row. Two leases of
// a process differ in it.
func newHolder() string {
	host, _ := os.Hostname()
	tail := fmt.Sprintf("/%d/%s", os.Getpid(), rand.Text()[:6])
	return host[:min(len(host), widthHolder-len(tail))] + tail
}

// keep renews the lease until ctx ends or the lease is another's. A renewal
// that fails is tried again: whether the lease was lost, its own row tells.
func (l *Lock) keep(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(renewEach)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := l.renew(ctx); errors.Is(err, ErrTaken) {
			logx.Errorf("lock %s: this node lost it: the work under way is refused from now on", l.fence.name)
			return
		}
	}
}

// renew makes the lease last, if it is still this one.
func (l *Lock) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	result, err := l.db.ExecContext(ctx, renewRow, l.fence.name, l.fence.token)
	if err != nil {
		return err
	}
	return l.fence.mine(result)
}

// Held asks the database whether the lock is still this one's, and renews it.
func (l *Lock) Held(ctx context.Context) error {
	if err := l.renew(ctx); err != nil {
		return fmt.Errorf("lock %s: %w", l.fence.name, err)
	}
	return nil
}

type fenceKey struct{}

// Fenced returns ctx with the lock's token, for Check.
func (l *Lock) Fenced(ctx context.Context) context.Context {
	return context.WithValue(ctx, fenceKey{}, l.fence)
}

// Check returns ErrTaken, if ctx has the token of a lock that is another's by
// now. Until the transaction ends it can become nobody's.
func Check(ctx context.Context, tx sqlx.Session) error {
	f, fenced := ctx.Value(fenceKey{}).(fence)
	if !fenced {
		return nil
	}
	result, err := tx.ExecCtx(ctx, renewRow, f.name, f.token)
	if err == nil {
		err = f.mine(result)
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.name, err)
	}
	return nil
}

// mine reports whether a statement changed the row of this lease.
func (f fence) mine(result sql.Result) error {
	switch n, err := result.RowsAffected(); {
	case err != nil:
		return err
	case n != 1:
		return ErrTaken
	}
	return nil
}

// Release gives the lock back at once, as far as the database can be reached;
// else it is over within fifteen seconds. A second call does nothing.
func (l *Lock) Release() {
	l.stop()
	<-l.done
	l.release()
}

func (l *Lock) release() {
	ctx, cancel := context.WithTimeout(context.Background(), renewTime)
	defer cancel()
	if _, err := l.db.ExecContext(ctx, releaseRow, l.fence.name, l.fence.token, l.holder); err != nil {
		logx.Errorf("lock %s: not given back, it is over in %d s: %v", l.fence.name, leaseSeconds, err)
	}
}
