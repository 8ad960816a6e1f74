package dao

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	connectTimeout = 5 * time.Second
	ioTimeout      = 10 * time.Second
	// connLifetime ends connections to a server that is not the primary any
	// more: after a fail-over a name leads elsewhere, and nothing else tells.
	connLifetime = time.Minute

	openPause  = 500 * time.Millisecond
	openNotice = 3 * time.Second
)

// passing are answers of a server that may be another one soon.
var passing = []uint16{
	1040, // too many connections
	1053, // the server is shutting down
	1203, // too many connections of this user
}

// Pool is a database and the connections to it.
type Pool struct {
	DSN         string
	Active      int           // open connections at most
	Idle        int           // of them kept when idle
	IdleTimeout time.Duration // until an idle one is closed
	// StartTimeout is how long AwaitMysql waits for a server that does not answer yet.
	StartTimeout time.Duration
}

// AwaitMysql is OpenMysql for a start: a server that does not answer is tried
// again for c.StartTimeout, for services that start together are not ready in
// the order in which they need each other. What a server refuses (a password, a
// database that there is not) is an error at once. notice hears why it waits, at
// once and every three seconds.
func AwaitMysql(ctx context.Context, c Pool, noTimeout bool, notice func(error)) (*sql.DB, error) {
	conf, err := mysqlConfig(c, noTimeout)
	if err != nil {
		return nil, err
	}
	began, noticed := time.Now(), time.Time{}
	for {
		left := c.StartTimeout - time.Since(began)
		db, err := open(ctx, c, conf, min(connectTimeout, max(left, openPause)))
		if err == nil || ctx.Err() != nil || !mayPass(err) {
			return db, err
		}
		if left = c.StartTimeout - time.Since(began); left <= openPause {
			return nil, fmt.Errorf("%w, within Mysql.StartTimeout (%v)", err, c.StartTimeout)
		}
		if time.Since(noticed) >= openNotice {
			noticed = time.Now()
			notice(err)
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(openPause):
		}
	}
}

// mayPass reports whether what a server said, or that none answered, may be
// over soon.
func mayPass(err error) bool {
	var answer *mysql.MySQLError
	return !errors.As(err, &answer) || slices.Contains(passing, answer.Number)
}

// OpenMysql opens a pool of its own, since go-zero's ignores the configured
// sizes, and asks the server once. The error names the key and the address,
// never the password. With noTimeout, statements may take any time.
func OpenMysql(ctx context.Context, c Pool, noTimeout bool) (*sql.DB, error) {
	conf, err := mysqlConfig(c, noTimeout)
	if err != nil {
		return nil, err
	}
	return open(ctx, c, conf, connectTimeout)
}

// mysqlConfig is how connections are made: as the operator's DSN says, but for
// what the statements rely on.
func mysqlConfig(c Pool, noTimeout bool) (*mysql.Config, error) {
	conf, err := mysql.ParseDSN(c.DSN)
	if err != nil {
		return nil, fmt.Errorf("Mysql.DSN is not a MySQL DSN: %w", err)
	}
	if conf.Timeout == 0 {
		conf.Timeout = connectTimeout
	}
	switch {
	case noTimeout:
		conf.ReadTimeout, conf.WriteTimeout = 0, 0
	default:
		if conf.ReadTimeout == 0 {
			conf.ReadTimeout = ioTimeout
		}
		if conf.WriteTimeout == 0 {
			conf.WriteTimeout = ioTimeout
		}
	}
	conf.Logger = quiet{} // errors come back as values
	// A server whose own default is off would undo, when a connection ends,
	// what single statements have written.
	maps.DeleteFunc(conf.Params, func(name, _ string) bool { return strings.EqualFold(name, "autocommit") })
	if conf.Params == nil {
		conf.Params = map[string]string{}
	}
	conf.Params["autocommit"] = "1"
	for name, seconds := range lockWaits(noTimeout) {
		if _, set := conf.Params[name]; !set {
			conf.Params[name] = seconds
		}
	}
	// Else each statement is prepared first, which is a round trip more.
	conf.InterpolateParams = true
	// The lock of the migrations reads times.
	conf.ParseTime = true
	// The columns hold any character; names of devices do, too.
	if err := conf.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, fmt.Errorf("Mysql.DSN: %w", err)
	}
	// A primary that has become a replica refuses writes for as long as its
	// connections are kept: they are not.
	conf.RejectReadOnly = true
	return conf, nil
}

// lockWaits are how many seconds a statement waits for a lock: of rows, of a
// table. The server's own 50 s and a day are longer than anybody waits here: of
// a call that has given up, the server hears only when it wants to answer, and
// until then the transaction keeps its locks. All who use a table wait for a
// migration that waits for it, so that waits least.
func lockWaits(migrates bool) map[string]string {
	if migrates {
		return map[string]string{"innodb_lock_wait_timeout": "2", "lock_wait_timeout": "2"}
	}
	return map[string]string{"innodb_lock_wait_timeout": "2", "lock_wait_timeout": "5"}
}

// open asks the server once, within a time.
func open(ctx context.Context, c Pool, conf *mysql.Config, within time.Duration) (*sql.DB, error) {
	connector, err := mysql.NewConnector(conf)
	if err != nil {
		return nil, fmt.Errorf("Mysql.DSN: %w", err)
	}
	db := sql.OpenDB(primaries{connector})
	db.SetMaxOpenConns(c.Active)
	db.SetMaxIdleConns(c.Idle)
	db.SetConnMaxIdleTime(c.IdleTimeout)
	db.SetConnMaxLifetime(connLifetime)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("MySQL at %s (user %s, database %s) cannot be used: %w: start it or correct Mysql.DSN",
			conf.Addr, conf.User, conf.DBName, err)
	}
	if conf.Params[syncWait] != "" {
		return db, nil
	}
	galera, err := isGalera(ctx, db)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("MySQL at %s does not say whether it is a node of Galera: %w", conf.Addr, err)
	}
	if !galera {
		return db, nil
	}
	db.Close()
	conf = conf.Clone()
	conf.Params[syncWait] = syncAll
	return open(ctx, c, conf, within)
}

// A node of a Galera cluster answers a read before it has applied what others
// have committed, unless it is told to wait: for the reads, and for what
// statements that change rows read. Else a login that was revoked on another
// node a moment ago would go into the cache again, and a revocation would not
// find a login that was just made.
const (
	syncWait = "wsrep_sync_wait"
	syncAll  = "7" // reads, updates and deletions, insertions
)

// isGalera reports whether the server is a node of a Galera cluster; a proxy that refuses
// the question counts as none. Where nothing answers, that is an error: a node of Galera
// that is taken for a single server would be read too early for as long as this process
// runs.
func isGalera(ctx context.Context, db *sql.DB) (bool, error) {
	var name, value string
	err := db.QueryRowContext(ctx, "SHOW VARIABLES LIKE 'wsrep_on'").Scan(&name, &value)
	if errors.Is(err, sql.ErrNoRows) || err != nil && !mayPass(err) {
		return false, nil
	}
	return strings.EqualFold(value, "ON"), err
}

type quiet struct{}

func (quiet) Print(...any) {}
