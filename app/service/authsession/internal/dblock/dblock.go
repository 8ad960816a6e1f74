// Package dblock gives one node at a time the right to do a piece of work on
// the database: a named lock of MySQL, held by a connection.
//
// Work that goes through Conn needs no more: the lock ends when its connection
// ends, and a holder whose connection has ended has lost the means to change
// anything, too. A holder that hangs is cut off after a minute.
//
// Work that goes through other connections could outlive its lock. It runs
// under Fenced's context: that has a token, higher than any before it, and every
// transaction of the work looks, with Check, whether there is a higher one.
// While it runs, none can come to be.
//
// Named locks are those of one server. Where they are not cluster-wide (Galera,
// several primaries) two nodes may hold one at a time; tokens are rows, and
// cluster-wide.
package dblock

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
)

// ErrTaken means that another node holds the lock.
var ErrTaken = errors.New("another node holds the lock")

const (
	silent      = 60 // seconds of a silent holder until its lock is taken from it
	releaseTime = 2 * time.Second
)

// Lock is a lock that is held, and its connection.
type Lock struct {
	conn *sql.Conn
	name string
}

// Take takes the lock, or returns ErrTaken at once. Name is at most 31 bytes
// of letters, digits and dots; the lock is the database's: others on the
// same server have their own. Release gives it back.
func Take(ctx context.Context, db *sql.DB, name string) (*Lock, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	l := &Lock{conn: conn, name: name}
	var got sql.NullInt64
	err = conn.QueryRowContext(ctx, "SELECT GET_LOCK("+l.literal()+", 0)").Scan(&got)
	if err == nil && got.Int64 != 1 {
		_ = conn.Close()
		return nil, ErrTaken
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, fmt.Sprintf("SET SESSION wait_timeout = %d", silent))
	}
	if err != nil {
		l.discard()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return l, nil
}

// literal names the lock in SQL: MySQL's are the server's, so the database is
// part of it.
func (l *Lock) literal() string { return "CONCAT('" + l.name + ".', MD5(DATABASE()))" }

// Conn is the connection that holds the lock, for every statement of the work.
func (l *Lock) Conn() *sql.Conn { return l.conn }

// Held asks the server whether the lock is still this connection's, which keeps
// it from counting as silent.
func (l *Lock) Held(ctx context.Context) error {
	var mine sql.NullBool
	if err := l.conn.QueryRowContext(ctx, "SELECT IS_USED_LOCK("+l.literal()+") = CONNECTION_ID()").Scan(&mine); err != nil {
		return fmt.Errorf("lock %s: %w", l.name, err)
	}
	if !mine.Bool {
		return fmt.Errorf("lock %s: %w", l.name, ErrTaken)
	}
	return nil
}

type fenceKey struct{}

type fence struct {
	name  string
	token int64
}

// Fenced returns ctx with a new token: what runs under those before it is
// refused from now on.
func (l *Lock) Fenced(ctx context.Context) (context.Context, error) {
	f := fence{name: l.name}
	_, err := l.conn.ExecContext(ctx, "INSERT INTO session_fences(name, token) VALUES (?, 1) ON DUPLICATE KEY UPDATE token = token + 1", l.name)
	if err == nil {
		err = l.conn.QueryRowContext(ctx, "SELECT token FROM session_fences WHERE name = ?", l.name).Scan(&f.token)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", l.name, err)
	}
	return context.WithValue(ctx, fenceKey{}, f), nil
}

// Check returns ErrTaken, if ctx has a token and another holder a higher one.
// Until the transaction ends nobody gets one.
func Check(ctx context.Context, tx sqlx.Session) error {
	f, fenced := ctx.Value(fenceKey{}).(fence)
	if !fenced {
		return nil
	}
	var token int64
	if err := tx.QueryRowCtx(ctx, &token, "SELECT token FROM session_fences WHERE name = ? LOCK IN SHARE MODE", f.name); err != nil {
		return fmt.Errorf("lock %s: %w", f.name, err)
	}
	if token != f.token {
		return fmt.Errorf("lock %s: %w", f.name, ErrTaken)
	}
	return nil
}

// Release gives the lock back, and the connection to its pool.
func (l *Lock) Release() {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	for _, statement := range []string{"DO RELEASE_LOCK(" + l.literal() + ")", "SET SESSION wait_timeout = @@GLOBAL.wait_timeout"} {
		if _, err := l.conn.ExecContext(ctx, statement); err != nil {
			l.discard() // which ends the lock, too
			return
		}
	}
	_ = l.conn.Close()
}

// discard ends a connection that is not fit for the pool.
func (l *Lock) discard() {
	_ = l.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = l.conn.Close()
}
