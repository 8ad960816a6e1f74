// Package schema brings a database to the tables authsession works on: by
// migrations, onto an empty database as well as onto that of a stock install
// with rows in it, or all at once from schema.sql.
package schema

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed schema.sql
var final string

const (
	versionTable = "authsession_schema_version"
	lockTable    = "authsession_schema_lock"
)

// Statements returns the statements of schema.sql, one table each, for
// databases that take one statement at a time.
func Statements() []string { return statements(final) }

// Applied is one migration that was run, forth or back.
type Applied struct {
	File string
	Took time.Duration
}

// Migrate applies the migrations that db has not seen, in order, and returns
// them. Several processes may call it at once: one works, the others wait (up
// to five minutes) and find nothing left to do. It may be interrupted anywhere,
// and goes on from there the next time; what is missing of migrations that were
// applied before is made again.
//
// The connections of db should have no read timeout, since a statement may take
// as long as its table is large, and a lock_wait_timeout of a few seconds:
// every statement leaves the tables usable by a stock authsession while it runs
// and afterwards, but all who use a table wait for one that waits for its lock.
// Migrate tries again what has waited that long, for two minutes in all; notice,
// if not nil, hears of it.
//
// A database of an older Teamgram release is refused, and so is one that has no
// table of a stock install (NoStockTablesError), unless create says to make
// them.
func Migrate(ctx context.Context, db *sql.DB, create bool, notice func(string)) ([]Applied, error) {
	// What is missing of the migrations that were applied comes first: those
	// after them stand on it.
	check := func(ctx context.Context, db *sql.DB) error {
		if err := checkStock(ctx, db, create); err != nil {
			return err
		}
		return mend(ctx, db)
	}
	p, err := provider(db, check, nil)
	if err != nil {
		return nil, err
	}
	done, err := patiently(ctx, db, notice, p.Up)
	if err == nil && Check(ctx, db) != nil {
		_, err = patiently(ctx, db, notice, func(ctx context.Context) ([]*goose.MigrationResult, error) {
			return nil, checkAlone(ctx, db, check)
		})
	}
	if err == nil {
		err = Check(ctx, db)
	}
	if err != nil {
		return done, fmt.Errorf("schema migration: %w", err)
	}
	return done, nil
}

// Unmigrate takes back what Migrate has done, the last first, and returns it:
// the tables of a stock install stay, with their rows, and so does the width of
// auths.client_ip. What only our columns and tables know is lost: lifetimes of
// temp keys (they live for ever then, as in a stock install), why and when
// sessions ended, users' own settings, events that are not published. Nobody
// has to: stock nodes run on the migrated schema. No node of ours may run
// meanwhile; stock nodes may. Nor may Migrate: the tables that both keep their
// books in go, too. Interrupted, it goes on the next time. It waits for locks as
// Migrate does.
func Unmigrate(ctx context.Context, db *sql.DB, notice func(string)) ([]Applied, error) {
	p, err := provider(db, func(context.Context, *sql.DB) error { return nil }, forget)
	if err != nil {
		return nil, err
	}
	done, err := patiently(ctx, db, notice, func(ctx context.Context) ([]*goose.MigrationResult, error) { return p.DownTo(ctx, 0) })
	if err == nil {
		_, err = db.ExecContext(ctx, "DROP TABLE IF EXISTS "+lockTable)
	}
	if err != nil {
		return done, fmt.Errorf("schema migration: %w", err)
	}
	return done, nil
}

// forget takes back what of a migration was done that was never finished, and
// drops the table of versions, once it tells of no migration.
func forget(ctx context.Context, db *sql.DB) error {
	var applied int
	err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+versionTable+" WHERE version_id > 0").Scan(&applied)
	if err != nil || applied > 0 {
		return err
	}
	if err := takeBack(ctx, db); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "DROP TABLE "+versionTable)
	return err
}

// provider runs the migrations on db, one process at a time, if the check says
// that it may; last, where there is one, runs before others may.
func provider(db *sql.DB, check, last func(context.Context, *sql.DB) error) (*goose.Provider, error) {
	locker, err := newLock(check, last)
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectMySQL, db, files,
		goose.WithTableName(versionTable), goose.WithLocker(locker), goose.WithDisableGlobalRegistry(true))
}

func newLock(check, last func(context.Context, *sql.DB) error) (lock.Locker, error) {
	locker, err := lock.NewMySQLTableLocker(
		lock.WithTableName(lockTable),
		lock.WithTableLockTimeout(time.Second, 300),
		lock.WithTableUnlockTimeout(time.Second, 60),
	)
	return checkedLock{locker, check, last}, err
}

func outcome(results []*goose.MigrationResult) []Applied {
	out := make([]Applied, len(results))
	for i, r := range results {
		out[i] = Applied{File: r.Source.Path, Took: r.Duration}
	}
	return out
}
