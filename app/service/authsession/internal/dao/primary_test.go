package dao

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
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
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, primaryConn{tc.server}.ResetSession(t.Context()))
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, primaryConn{server{err: errors.New("gone")}}.ResetSession(ended), context.Canceled)
}
