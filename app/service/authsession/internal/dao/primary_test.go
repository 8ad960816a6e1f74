package dao

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

// server is the connection to one whose read_only is so.
type server struct {
	mysqlConn
	readOnly driver.Value
	err      error
}

func (s server) ResetSession(context.Context) error { return nil }

func (s server) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	if s.err != nil {
		return nil, s.err
	}
	return &oneRow{s.readOnly}, nil
}

type oneRow struct{ value driver.Value }

func (*oneRow) Columns() []string { return []string{"@@GLOBAL.read_only"} }
func (*oneRow) Close() error      { return nil }

func (r *oneRow) Next(values []driver.Value) error {
	if r.value == nil {
		return io.EOF
	}
	values[0] = r.value
	return nil
}

// A connection is used again while its server writes. .ci/test-engines switchover
// shows it with two servers.
func TestAReplicasConnectionIsNotUsedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		server server
		want   error
	}{
		"a primary":           {server{readOnly: int64(0)}, nil},
		"a replica":           {server{readOnly: int64(1)}, driver.ErrBadConn},
		"a primary, in text":  {server{readOnly: []byte("0")}, nil},
		"a replica, in text":  {server{readOnly: []byte("1")}, driver.ErrBadConn},
		"a primary, in words": {server{readOnly: []byte("OFF")}, nil},
		"a replica, in words": {server{readOnly: []byte("NO_LOCK")}, driver.ErrBadConn},
		"a proxy of its own":  {server{err: &mysql.MySQLError{Number: 1193, Message: "Unknown system variable"}}, nil},
		"gone":                {server{err: io.ErrUnexpectedEOF}, driver.ErrBadConn},
		"no row":              {server{}, driver.ErrBadConn},
		"lost by its cluster": {server{err: &mysql.MySQLError{Number: errNotReady}}, driver.ErrBadConn},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, (&primaryConn{mysqlConn: tc.server}).ResetSession(t.Context()))
		})
	}
	itself := context.WithValue(t.Context(), asksItself{}, true)
	require.NoError(t, (&primaryConn{mysqlConn: server{readOnly: int64(1)}}).ResetSession(itself), "the statement asks")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, (&primaryConn{mysqlConn: server{err: errors.New("gone")}}).ResetSession(ended), context.Canceled)
}

// A new connection, which stays whatever its server does, says so to who wants to know.
func TestANewConnectionSaysWhatItsServerDoes(t *testing.T) {
	for name, tc := range map[string]struct {
		server    server
		onlyReads bool
		want      error
	}{
		"a primary":          {server{readOnly: int64(0)}, false, nil},
		"a replica":          {server{readOnly: int64(1)}, true, nil},
		"a proxy of its own": {server{err: &mysql.MySQLError{Number: 1193}}, false, &mysql.MySQLError{Number: 1193}},
		"gone":               {server{err: io.ErrUnexpectedEOF}, false, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, role := askServer(t.Context())
			c := &primaryConn{mysqlConn: tc.server}
			_, err := c.QueryContext(ctx, "", nil)
			require.Equal(t, tc.want, err)
			require.Equal(t, tc.onlyReads, role.onlyReads)
		})
	}
	ctx, role := askServer(t.Context())
	said := func(c *primaryConn) bool {
		_, err := c.QueryContext(ctx, "", nil)
		require.NoError(t, err)
		return role.onlyReads
	}
	require.False(t, said(&primaryConn{mysqlConn: server{readOnly: int64(1)}, again: true}), "it was asked when it was taken")
	require.True(t, said(&primaryConn{mysqlConn: server{readOnly: int64(1)}}))
	require.True(t, said(&primaryConn{mysqlConn: server{readOnly: int64(0)}}), "a later statement does not speak for the first")
	require.True(t, said(&primaryConn{mysqlConn: server{readOnly: int64(0)}, again: true}))
	c := &primaryConn{mysqlConn: server{readOnly: int64(1)}}
	_, err := c.QueryContext(Deciding(t.Context()), "", nil)
	require.ErrorIs(t, err, ErrOnlyReads)
	_, err = c.BeginTx(t.Context(), driver.TxOptions{})
	require.ErrorIs(t, err, ErrOnlyReads)
}

// node is a connection to a node of a Galera cluster.
type node struct {
	mysqlConn
	err error // of each statement
}

func (n node) ResetSession(context.Context) error { return nil }
func (n node) IsValid() bool                      { return true }

func (n node) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return nil, n.err }
func (n node) PrepareContext(context.Context, string) (driver.Stmt, error)  { return nil, n.err }
func (n node) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, n.err
}

func (n node) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &oneRow{int64(0)}, n.err
}

// A node that its Galera cluster had lost kept its connections, and they failed each
// statement for as long as they lived. .ci/test-engines galera_split shows it with three.
func TestTheConnectionOfALostNodeIsNotUsedAgain(t *testing.T) {
	notReady, another := &mysql.MySQLError{Number: errNotReady}, &mysql.MySQLError{Number: errDeadlock}
	statements := map[string]func(c *primaryConn) error{
		"begin":   func(c *primaryConn) error { _, err := c.BeginTx(t.Context(), driver.TxOptions{}); return err },
		"prepare": func(c *primaryConn) error { _, err := c.PrepareContext(t.Context(), ""); return err },
		"exec":    func(c *primaryConn) error { _, err := c.ExecContext(t.Context(), "", nil); return err },
		"query":   func(c *primaryConn) error { _, err := c.QueryContext(t.Context(), "", nil); return err },
	}
	for name, do := range statements {
		for _, tc := range []struct {
			err, first, again error
			valid             bool
		}{
			{notReady, notReady, driver.ErrBadConn, false},
			{another, another, another, true},
			{driver.ErrSkip, driver.ErrSkip, driver.ErrSkip, true},
			{nil, nil, nil, true},
		} {
			c := &primaryConn{mysqlConn: node{err: tc.err}}
			require.Equal(t, tc.first, do(c), "%s: on a new connection, of which another one is no better", name)
			require.Equal(t, tc.valid, c.IsValid(), name)
			c = &primaryConn{mysqlConn: node{err: tc.err}}
			require.NoError(t, c.ResetSession(context.WithValue(t.Context(), asksItself{}, true)))
			require.Equal(t, tc.again, do(c), name)
			require.Equal(t, tc.valid, c.IsValid(), name)
		}
	}
}

// rowsOf answers a statement that asks read_only itself with the first, any other with
// the second.
type rowsOf struct {
	itself, asked answer
	queries       []string
}

type answer struct {
	readOnly string
	err      error
	replica  bool // on a new connection
}

func (r *rowsOf) QueryRowCtx(ctx context.Context, v any, query string, _ ...any) error {
	a := r.asked
	if ctx.Value(asksItself{}) != nil {
		a = r.itself
	} else {
		ctx.Value(asksServer{}).(*role).onlyReads = a.replica
	}
	r.queries = append(r.queries, query)
	v.(*ofServer).ReadOnly = a.readOnly
	return a.err
}

// A row that a replica gave is asked for again; neither is it believed that there is none.
// Where a replica is all there is, it is not what a server that writes has.
func TestARowOfAReplicaIsReadAgain(t *testing.T) {
	itself := "SELECT @@GLOBAL.read_only AS read_only, 1"
	asked := "SELECT 'OFF' AS read_only, 1"
	fault, none := errors.New("gone"), sql.ErrNoRows
	for name, tc := range map[string]struct {
		rows   rowsOf
		writes bool
		want   error
		asks   []string
	}{
		"a primary":                {rowsOf{itself: answer{readOnly: "0"}}, true, nil, []string{itself}},
		"a primary, in words":      {rowsOf{itself: answer{readOnly: "OFF"}}, true, nil, []string{itself}},
		"a replica, then another":  {rowsOf{itself: answer{readOnly: "1"}, asked: answer{readOnly: "OFF"}}, true, nil, []string{itself, asked}},
		"a replica, twice":         {rowsOf{itself: answer{readOnly: "1"}, asked: answer{readOnly: "OFF", replica: true}}, false, nil, []string{itself, asked}},
		"a replica has no row":     {rowsOf{itself: answer{err: none}, asked: answer{readOnly: "OFF"}}, true, nil, []string{itself, asked}},
		"no row":                   {rowsOf{itself: answer{err: none}, asked: answer{err: none}}, true, none, []string{itself, asked}},
		"no row of replicas":       {rowsOf{itself: answer{err: none}, asked: answer{err: none, replica: true}}, false, ErrOnlyReads, []string{itself, asked}},
		"a proxy of its own":       {rowsOf{itself: answer{err: &mysql.MySQLError{Number: 1193}}, asked: answer{readOnly: "OFF"}}, true, nil, []string{itself, asked}},
		"a connection that is cut": {rowsOf{itself: answer{err: fault}, asked: answer{err: fault}}, true, fault, []string{itself, asked}},
	} {
		t.Run(name, func(t *testing.T) {
			writes, err := readRow(t.Context(), &tc.rows, new(ofServer), "1")
			require.Equal(t, tc.want, err)
			require.Equal(t, tc.writes, writes)
			require.Equal(t, tc.asks, tc.rows.queries)
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, first := range map[string]answer{
		"an error": {err: context.Canceled}, "no row, of whatever server": {err: none}, "a row of a replica": {readOnly: "1"},
	} {
		rows := &rowsOf{itself: first}
		_, err := readRow(ended, rows, new(ofServer), "1")
		require.ErrorIs(t, err, context.Canceled, name)
		require.NotErrorIs(t, err, none, name)
		require.Len(t, rows.queries, 1, "nobody waits for the second")
	}
}

// What Redis does not know costs one round trip to MySQL, not one for each of: to ask
// whether the server writes, to prepare, to read.
func TestAKeyAndALoginAreReadInOneRoundTrip(t *testing.T) {
	s := newStore(t)
	s.login(s.nodes[0], 777, 1)
	require.NoError(t, s.nodes[0].CreateKey(t.Context(), Key{AuthKeyID: 2, Body: make([]byte, 256), PermAuthKeyID: 2}, 0))
	c, err := mysql.ParseDSN(s.dsn)
	require.NoError(t, err)
	network := tcpproxy.Start(t, c.Addr)
	c.Addr = network.Addr()
	d := s.open(c.FormatDSN(), s.mini.Addr())
	for name, read := range map[string]func() error{
		"key":   func() error { _, _, err := d.loadKey(t.Context(), 2); return err },
		"login": func() error { _, _, err := d.loadLogin(t.Context(), 1); return err },
	} {
		t.Run(name, func(t *testing.T) {
			const reads = 100
			require.NoError(t, read(), "connects")
			before := network.Requests()
			began := time.Now()
			for range reads {
				require.NoError(t, read())
			}
			ledger := 3 * (int64(time.Since(began)/(500*time.Millisecond)) + 2) // is looked into twice a second
			require.LessOrEqual(t, network.Requests()-before, reads+ledger)
		})
	}
}
