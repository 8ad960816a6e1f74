package dao

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// primaries makes connections that are not used again once their server only reads:
// after a switch of the primary it is a replica. It goes on answering, and what it
// answers is old: a login that was made on the new primary would not be found by the
// revocation that names it, and one that was revoked there would go into the cache
// again. (RejectReadOnly ends a connection on which somebody writes; one that only reads
// would stay for its whole life.)
//
// A statement whose server still wrote when its connection was taken began before any
// write on another primary, so it may answer either way. Asking costs a round trip to
// MySQL for each connection taken; what is read most asks in the same statement instead
// (readRow). A new connection is not asked: while there is no primary, reads go on.
type primaries struct{ driver.Connector }

func (p primaries) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := c.(mysqlConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the MySQL driver's %T lacks a method", c), c.Close())
	}
	return primaryConn{full}, nil
}

// mysqlConn is what the driver's connections can do: database/sql looks for each.
type mysqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type primaryConn struct{ mysqlConn }

// ResetSession is called before a connection of the pool is used again.
func (c primaryConn) ResetSession(ctx context.Context) error {
	if err := c.mysqlConn.ResetSession(ctx); err != nil || ctx.Value(asksItself{}) != nil {
		return err
	}
	readOnly, err := c.readOnly(ctx)
	var answer *mysql.MySQLError
	switch {
	case errors.As(err, &answer): // a proxy that does not know the variable
		return nil
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil || readOnly:
		return driver.ErrBadConn
	}
	return nil
}

func (c primaryConn) readOnly(ctx context.Context) (bool, error) {
	rows, err := c.QueryContext(ctx, "SELECT @@GLOBAL.read_only", nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = rows.Close() }()
	values := make([]driver.Value, 1)
	if err := rows.Next(values); err != nil {
		return false, err
	}
	switch value := values[0].(type) {
	case int64:
		return value != 0, nil
	case []byte:
		return onlyReads(string(value)), nil
	}
	return false, fmt.Errorf("read_only is a %T", values[0])
}

// onlyReads reports what a value of read_only says. MariaDB 12 has words for it.
func onlyReads(readOnly string) bool { return readOnly != "0" && readOnly != "OFF" }

// asksItself marks the context of a statement that reads read_only itself.
type asksItself struct{}

// ofServer is the part of a row that says what its server does.
type ofServer struct {
	ReadOnly string `db:"read_only"`
}

func (s *ofServer) onlyReads() bool { return onlyReads(s.ReadOnly) }

// rowQuerier is a connection to MySQL.
type rowQuerier interface {
	QueryRowCtx(ctx context.Context, v any, query string, args ...any) error
}

// readRow reads the row that a SELECT has, which begins with its columns, in one round
// trip: whether the server still writes comes with it. Whatever is not a row of a server
// that writes is asked for once more, and then the connection is asked first: a replica's
// is given up, a proxy that does not know read_only does not have to.
func readRow(ctx context.Context, q rowQuerier, row interface{ onlyReads() bool }, columns string, args ...any) error {
	err := q.QueryRowCtx(context.WithValue(ctx, asksItself{}, true), row, "SELECT @@GLOBAL.read_only AS read_only, "+columns, args...)
	if err == nil && !row.onlyReads() || ctx.Err() != nil {
		return err
	}
	return q.QueryRowCtx(ctx, row, "SELECT 'OFF' AS read_only, "+columns, args...)
}
