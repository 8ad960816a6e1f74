package schema

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

var errCut = errors.New("cut off")

// cutter is a driver that stops after so many statements that change something,
// as a process that was killed there.
type cutter struct {
	driver.Connector
	left *atomic.Int64
	cut  *atomic.Bool
	ran  *[]string
}

// changes are the statements to be killed after. That a migration is done is
// noted before the next one begins: to be killed in between is one of them.
var changes = regexp.MustCompile(`(?i)^\s*(EXECUTE|ALTER|CREATE|DROP|INSERT IGNORE|UPDATE)\b`)

// Connect opens a connection that counts.
func (c cutter) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return cutConn{inner.(plainConn), c}, nil
}

// plainConn is what goose uses of a connection.
type plainConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.QueryerContext
	driver.ExecerContext
	driver.NamedValueChecker
}

type cutConn struct {
	plainConn
	of cutter
}

// ExecContext runs a statement, unless the process is dead.
func (c cutConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if strings.Contains(query, lockTable) || !changes.MatchString(query) {
		return c.plainConn.ExecContext(ctx, query, args)
	}
	if c.of.left.Add(-1) < 0 {
		c.of.cut.Store(true)
		return nil, errCut
	}
	*c.of.ran = append(*c.of.ran, query)
	return c.plainConn.ExecContext(ctx, query, args)
}

// cutting opens the database of db for a process that is killed after n changes.
func cutting(t *testing.T, dsn string, db *sql.DB, n int) (*sql.DB, *cutter) {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	require.NoError(t, db.QueryRow("SELECT DATABASE()").Scan(&config.DBName))
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	c := &cutter{connector, new(atomic.Int64), new(atomic.Bool), new([]string)}
	c.left.Store(int64(n))
	cut := sql.OpenDB(*c)
	t.Cleanup(func() { cut.Close() })
	return cut, c
}

// Migrations, forth and back, are killed after each statement, and then go on,
// forth or back.
func TestMigrationsGoOnAfterAnInterruption(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		dsn, step := serverOf(t), 1
		if dsn != os.Getenv("TEST_MYSQL_DSN") || os.Getenv("TEST_ENGINE") != "" {
			step = 4 // the statements are the same, and some engines take minutes for all
		}
		direct, plain := open(t), open(t)
		execAll(t, direct, Statements()...)
		execAll(t, plain, stock()...)
		execAll(t, plain, "ALTER TABLE auths MODIFY client_ip varchar(45) NOT NULL DEFAULT ''") // which stays
		migrated, back := describe(t, direct), describe(t, plain)
		forth := func(db *sql.DB) error { _, err := Migrate(t.Context(), db, false, nil); return err }
		undo := func(db *sql.DB) error { _, err := Unmigrate(t.Context(), db, nil); return err }
		for _, start := range []struct {
			name string
			run  func(*sql.DB) error
		}{{"forth", forth}, {"back", undo}} {
			for n, finished := 0, false; !finished; n += step {
				db := open(t)
				execAll(t, db, stock()...)
				for i, end := range []struct {
					run  func(*sql.DB) error
					want []string
				}{{forth, migrated}, {undo, back}} {
					if start.name == "back" {
						require.NoError(t, forth(db))
					}
					cut, c := cutting(t, dsn, db, n)
					err := start.run(cut)
					if finished = !c.cut.Load(); finished {
						require.NoError(t, err)
					} else {
						require.Error(t, err, "cut off after %d", n)
					}
					last := fmt.Sprintf("%s, cut off after %d changes: %v", start.name, n, *c.ran)
					require.NoError(t, end.run(db), last)
					require.Equal(t, end.want, describe(t, db), last)
					cut.Close()
					if i == 0 {
						require.NoError(t, undo(db))
					}
				}
			}
		}
	})
}

// What is printed, run by hand, leaves nothing to change.
func TestWhatIsDueCanBeRunByHand(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		db, direct := open(t), open(t)
		execAll(t, direct, Statements()...)
		direct.SetMaxOpenConns(1) // as Mysql.Active may say: it waited for itself
		due, err := Due(t.Context(), direct)
		require.NoError(t, err)
		require.Empty(t, due)

		execAll(t, db, stock()...)
		due, err = Due(t.Context(), db)
		require.NoError(t, err)
		require.Contains(t, due, "ALTER TABLE auths MODIFY client_ip varchar(45) NOT NULL DEFAULT ''")
		execAll(t, db, due...)
		require.Equal(t, describe(t, direct), describe(t, db))

		byHand, c := cutting(t, serverOf(t), db, 1000)
		_, err = Migrate(t.Context(), byHand, false, nil)
		require.NoError(t, err)
		for _, s := range *c.ran {
			require.NotContains(t, s, "ALTER")
		}
		require.Equal(t, describe(t, direct), describe(t, db))
	})
}

// A transaction that stays open holds a table: the migration waits in small
// steps, says for whom, goes on when it ends, and gives up after a time.
func TestAMigrationDoesNotStopThoseWhoUseTheTable(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		before := [2]time.Duration{lockPatience, lockPause}
		t.Cleanup(func() { lockPatience, lockPause = before[0], before[1] })
		lockPatience, lockPause = 10*time.Second, 100*time.Millisecond // time for a second try on a busy machine, too

		db := open(t)
		notOnGalera(t, db)
		execAll(t, db, stock()...)
		config, err := mysql.ParseDSN(serverOf(t))
		require.NoError(t, err)
		require.NoError(t, db.QueryRow("SELECT DATABASE()").Scan(&config.DBName))
		config.Params = map[string]string{"lock_wait_timeout": "1"}
		patient, err := sql.Open("mysql", config.FormatDSN())
		require.NoError(t, err)
		defer patient.Close()

		report, err := db.Begin()
		require.NoError(t, err)
		var n int
		require.NoError(t, report.QueryRow("SELECT COUNT(*) FROM auths").Scan(&n))
		var holder string
		require.NoError(t, report.QueryRow("SELECT CONNECTION_ID()").Scan(&holder))
		var notices []string
		_, err = Migrate(t.Context(), patient, false, func(s string) { notices = append(notices, s) })
		var locked *LockedError
		require.ErrorAs(t, err, &locked)
		require.Equal(t, "ALTER TABLE auths MODIFY client_ip varchar(45) NOT NULL DEFAULT ''", locked.Statement)
		require.ErrorContains(t, err, "connection "+holder+" of root@")
		require.NotEmpty(t, notices)
		require.Contains(t, notices[0], "trying again for up to ")

		lockPatience = time.Minute
		freed := false
		_, err = Migrate(t.Context(), patient, false, func(string) {
			if !freed {
				freed = true
				require.NoError(t, report.Rollback())
			}
		})
		require.NoError(t, err)
		require.True(t, freed)
	})
}

// serverOf is the DSN of the server that the test runs on.
func serverOf(t *testing.T) string {
	t.Helper()
	return dsnOf(t.Name())
}

func TestEveryMigrationCanBeTakenBack(t *testing.T) {
	for _, f := range files() {
		up, down := halves(f)
		require.NotEmpty(t, up, f)
		require.NotEmpty(t, down, f)
		for _, s := range append(up, down...) {
			require.NotRegexp(t, `^(ALTER|DROP TABLE [^I]|CREATE TABLE [^I])`, s, "%s: unguarded, so it fails when it is run again", f)
		}
	}
}
