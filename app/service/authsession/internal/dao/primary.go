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
// (readRow). A new connection is not given up, since another one is no better: while there
// is no primary, reads go on. What they read there may be older than what others have
// written meanwhile, so whoever wants to keep it has the connection asked (askServer). And
// nothing is decided by it: transactions do not begin on such a connection, nor are the reads
// done that say what one is to change (Deciding). Else ending all logins of a user would
// find none of those that are live on the new primary, and succeed.
//
// A node that a Galera cluster has lost stays up, too. It does nothing, and says so
// (errNotReady), to each statement of each connection that it has: none of those is used
// again, however long it may live.
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
	return &primaryConn{mysqlConn: full}, nil
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

// role is what the connections of statements said of their servers: onlyReads, that one of
// them only reads. Of several statements each may have another connection. Were the last one's
// word all that counts, a look into two tables, of which the former primary has answered the
// first, would pass for one into the primary.
type role struct{ onlyReads bool }

type asksServer struct{}

// askServer makes the connections of statements say in server what their servers do. It costs
// a round trip for a new connection; the others are asked anyway.
func askServer(ctx context.Context) (_ context.Context, server *role) {
	server = new(role)
	return context.WithValue(ctx, asksServer{}, server), server
}

type decides struct{}

// Deciding makes the reads of ctx fail where the server only reads: what they find is to be
// changed, or is not there. It costs a round trip for a new connection.
func Deciding(ctx context.Context) context.Context { return context.WithValue(ctx, decides{}, true) }

type primaryConn struct {
	mysqlConn
	again  bool // it is used again, so its server has been asked, but for asksItself
	writes bool // it is new, and its server has been asked, and writes
	lost   bool // its cluster has lost its server
}

// ResetSession is called before a connection of the pool is used again.
func (c *primaryConn) ResetSession(ctx context.Context) error {
	c.again = true
	if err := c.mysqlConn.ResetSession(ctx); err != nil || ctx.Value(asksItself{}) != nil {
		return err
	}
	readOnly, err := c.readOnly(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil || readOnly:
		return driver.ErrBadConn
	}
	return nil
}

// IsValid is asked before a connection goes back to the pool.
func (c *primaryConn) IsValid() bool { return !c.lost && c.mysqlConn.IsValid() }

// judge returns what to make of the error of a statement. Where nothing was done, on a
// connection of the pool, the statement is done on another one: a new one leads to a node
// that is in the cluster, as soon as the address does.
func (c *primaryConn) judge(err error) error {
	var answer *mysql.MySQLError
	if !errors.As(err, &answer) || answer.Number != errNotReady {
		return err
	}
	if c.lost = true; c.again {
		return driver.ErrBadConn
	}
	return err
}

// onlyReads reports whether the server of a new connection only reads. One of the pool was
// asked when it was taken.
func (c *primaryConn) onlyReads(ctx context.Context) (bool, error) {
	if c.again || c.writes {
		return false, nil
	}
	onlyReads, err := c.readOnly(ctx)
	c.writes = err == nil && !onlyReads
	return onlyReads, c.judge(err)
}

// BeginTx begins a transaction, which is there to write.
func (c *primaryConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	onlyReads, err := c.onlyReads(ctx)
	switch {
	case err != nil:
		return nil, err
	case onlyReads:
		return nil, ErrOnlyReads
	}
	tx, err := c.mysqlConn.BeginTx(ctx, o)
	return tx, c.judge(err)
}

func (c *primaryConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.mysqlConn.PrepareContext(ctx, query)
	return s, c.judge(err)
}

func (c *primaryConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	r, err := c.mysqlConn.ExecContext(ctx, query, args)
	return r, c.judge(err)
}

func (c *primaryConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	server, asks := ctx.Value(asksServer{}).(*role)
	decides := ctx.Value(decides{}) != nil
	if asks || decides {
		onlyReads, err := c.onlyReads(ctx)
		if asks {
			server.onlyReads = server.onlyReads || onlyReads
		}
		switch {
		case err != nil:
			return nil, err
		case onlyReads && decides:
			return nil, ErrOnlyReads
		}
	}
	rows, err := c.mysqlConn.QueryContext(ctx, query, args)
	return rows, c.judge(err)
}

// readOnly asks the server. A proxy that does not know the variable counts as one that writes.
func (c *primaryConn) readOnly(ctx context.Context) (bool, error) {
	rows, err := c.mysqlConn.QueryContext(ctx, "SELECT @@GLOBAL.read_only", nil)
	var answer *mysql.MySQLError
	if errors.As(err, &answer) && answer.Number != errNotReady {
		return false, nil
	}
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
