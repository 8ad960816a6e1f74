package embedded

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"sync"
	"time"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	gmssql "github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/go-mysql-server/sql/types"
	_ "github.com/go-sql-driver/mysql" // the driver the schema is fed through
	"github.com/sirupsen/logrus"
)

// Database is the name of the only database, as in a stock installation.
const Database = "teamgram"

const (
	mysqlVersion = "8.0.33"
	feedTimeout  = 30 * time.Second
)

// MySQL is a MySQL server that keeps its tables in memory. Clients must limit
// themselves to one connection: its transactions are not isolated.
type MySQL struct {
	engine *sqle.Engine
	srv    *server.Server
	addr   string
	once   sync.Once
	done   chan struct{}
}

// lockWait is a variable that sessions of MySQL have, too; the engine's is global.
var lockWait = &gmssql.MysqlSystemVariable{
	Name:    "innodb_lock_wait_timeout",
	Scope:   gmssql.GetMysqlScope(gmssql.SystemVariableScope_Both),
	Dynamic: true,
	Type:    types.NewSystemIntType("innodb_lock_wait_timeout", 1, 1<<30, false),
	Default: int64(50),
}

// StartMySQL runs it on a free port, user root without a password, and sets the
// database up by the statements.
func StartMySQL(ctx context.Context, statements []string) (*MySQL, error) {
	logrus.SetLevel(logrus.PanicLevel) // the engine logs each connection
	gmssql.SystemVariables.AddSystemVariables([]gmssql.SystemVariable{lockWait})

	db := memory.NewDatabase(Database)
	db.EnablePrimaryKeyIndexes()
	provider := memory.NewDBProvider(db)
	engine := sqle.NewDefault(provider)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("embedded mysql: %w", err)
	}
	m := &MySQL{engine: engine, addr: listener.Addr().String(), done: make(chan struct{})}
	m.srv, err = server.NewServer(server.Config{
		Protocol: "tcp",
		Address:  m.addr,
		Listener: listener,
		Version:  mysqlVersion,
	}, engine, gmssql.NewContext, memory.NewSessionBuilder(provider), nil)
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("embedded mysql: %w", err)
	}
	go func() {
		defer close(m.done)
		_ = m.srv.Start() // ends with Close
	}()
	if err := m.feed(ctx, statements); err != nil {
		_ = m.Close()
		return nil, err
	}
	return m, nil
}

// feed runs the statements one by one, to say which one failed.
func (m *MySQL) feed(ctx context.Context, statements []string) error {
	ctx, cancel := context.WithTimeout(ctx, feedTimeout)
	defer cancel()
	db, err := sql.Open("mysql", m.DSN())
	if err != nil {
		return fmt.Errorf("embedded mysql: %w", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("embedded mysql: %.60q: %w", s, err)
		}
	}
	return nil
}

// Addr returns host:port.
func (m *MySQL) Addr() string { return m.addr }

// DSN returns what go-sql-driver connects with.
func (m *MySQL) DSN() string {
	return "root@tcp(" + m.addr + ")/" + Database + "?charset=utf8mb4&parseTime=true&loc=UTC"
}

// Close stops it and waits for it.
func (m *MySQL) Close() (err error) {
	m.once.Do(func() {
		err = m.srv.Close()
		<-m.done
		_ = m.engine.Close()
	})
	return err
}
