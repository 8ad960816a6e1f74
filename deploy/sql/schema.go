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
	"strings"
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
func Statements() []string {
	var out []string
	for _, s := range strings.Split(final, ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Applied is one migration that Migrate ran.
type Applied struct {
	File string
	Took time.Duration
}

// Migrate applies the migrations that db has not seen, in order, and returns
// them. Several processes may call it at once: one works, the others wait (up
// to five minutes) and find nothing left to do. The connections of db should
// have no read timeout, since a statement may take as long as its table is
// large; every statement leaves the tables usable by a stock authsession while
// it runs and afterwards.
func Migrate(ctx context.Context, db *sql.DB) ([]Applied, error) {
	locker, err := lock.NewMySQLTableLocker(
		lock.WithTableName(lockTable),
		lock.WithTableLockTimeout(time.Second, 300),
		lock.WithTableUnlockTimeout(time.Second, 60),
	)
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(goose.DialectMySQL, db, files,
		goose.WithTableName(versionTable), goose.WithLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, err
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("schema migration: %w", err)
	}
	applied := make([]Applied, len(results))
	for i, r := range results {
		applied[i] = Applied{File: r.Source.Path, Took: r.Duration}
	}
	return applied, nil
}

// Check reports the first table that db lacks.
func Check(ctx context.Context, db *sql.DB) error {
	for _, s := range Statements() {
		name := strings.Fields(s[strings.Index(s, "CREATE TABLE")+len("CREATE TABLE"):])[0]
		rows, err := db.QueryContext(ctx, "SELECT 1 FROM "+name+" LIMIT 1")
		if err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
		if err := rows.Close(); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	return nil
}
