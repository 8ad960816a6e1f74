package testenv

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// FormerPrimary returns a DSN that leads to the database of dsn, and a switch. While that is
// on, the server says there of itself that it only reads, as one does that is no primary any
// more. It is called once for a database.
func FormerPrimary(t testing.TB, dsn string) (former string, now *atomic.Bool) {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	now = new(atomic.Bool)
	network, name := c.Net, "former_"+c.DBName
	mysql.RegisterDialContext(name, func(ctx context.Context, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return formerly{c, now}, err
	})
	t.Cleanup(func() { mysql.DeregisterDialContext(name) })
	c.Net = name
	return c.FormatDSN(), now
}

// formerly is a connection to a server that says of itself that it only reads.
type formerly struct {
	net.Conn
	now *atomic.Bool
}

func (c formerly) Write(b []byte) (int, error) {
	if asked := []byte("@@GLOBAL.read_only"); c.now.Load() {
		b = bytes.ReplaceAll(b, asked, append([]byte("1"), bytes.Repeat([]byte(" "), len(asked)-1)...))
	}
	return c.Conn.Write(b)
}
