package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pressly/goose/v3/lock"
)

// order is how the SQL files of a Teamgram release are imported.
const order = "in the order of their names (1_teamgram.sql, migrate-*.sql, z_init.sql)"

// NoStockTablesError says that a database has none of the tables that a stock
// install has. Making them is right for a database of authsession's own; where
// Teamgram's SQL files are still to come, their import would stop at them.
type NoStockTablesError struct {
	Database string
	Tables   []string
}

// Error names both ways on.
func (e *NoStockTablesError) Error() string {
	return fmt.Sprintf("database %s has none of the tables of a stock install (%s): import the SQL files of your Teamgram release first, %s, then run authsession -migrate again; for a database that only authsession uses, run authsession -migrate -create",
		e.Database, strings.Join(e.Tables, ", "), order)
}

// Made is what to tell once the tables were made all the same.
func (e *NoStockTablesError) Made() string {
	return fmt.Sprintf("database %s had none of the tables of a stock install, so they were made; an import of Teamgram's SQL files would stop at them: if it is still to come, stop authsession, run authsession -unmigrate, then DROP TABLE %s, import the files %s, and start again",
		e.Database, strings.Join(e.Tables, ", "), order)
}

// checkStock holds the tables of a stock install against what the migrations
// and the service rely on, so that a database of an older Teamgram release is
// named as such before anything is changed.
func checkStock(ctx context.Context, db *sql.DB, create bool) error {
	want := stockTables()
	have, err := tablesOf(ctx, db)
	if err != nil {
		return err
	}
	var names, missing []string
	for _, t := range want {
		names = append(names, t.name)
		if len(have[t.name]) == 0 {
			missing = append(missing, t.name)
		}
	}
	switch {
	case len(missing) == len(want) && create:
		return nil
	case len(missing) == len(want):
		e := &NoStockTablesError{Tables: names}
		if err := db.QueryRowContext(ctx, "SELECT DATABASE()").Scan(&e.Database); err != nil {
			return err
		}
		return e
	case len(missing) > 0:
		return older("the tables " + strings.Join(missing, ", ") + " are missing")
	}
	for _, t := range want {
		if lacks := t.lacks(have[t.name]); len(lacks) > 0 {
			return older("table " + t.name + " lacks " + strings.Join(lacks, ", "))
		}
	}
	return nil
}

func older(what string) error {
	return fmt.Errorf("%s: the database is that of an older Teamgram release; import the SQL files that your release adds, %s, then run authsession -migrate again", what, order)
}

// table is one of a schema file.
type table struct {
	name    string
	columns []string // but those that are not used
	indexes []index  // but those of a stock install that are not unique
}

// unused are columns of the stock tables that no statement of ours names.
var unused = map[string][]string{
	"auth_keys":      {"deleted", "created_at"},
	"auth_key_infos": {"deleted", "updated_at"},
	"auths":          {"system_code", "created_at"},
	"auth_users":     {"state", "created_at"},
}

// anyName are indexes of the stock tables that no statement of ours names.
var anyName = map[string][]string{"auth_users": {"auth_key_id_2", "idx_user_deleted"}}

// lacks returns the columns that are not among those it has.
func (t *table) lacks(have []string) (missing []string) {
	for _, c := range t.columns {
		if !slices.Contains(have, c) {
			missing = append(missing, c)
		}
	}
	return missing
}

// tableOf reads a CREATE TABLE statement of our own files: a column a line.
func tableOf(statement string) (t table) {
	_, body, _ := strings.Cut(statement, "CREATE TABLE ")
	head, body, _ := strings.Cut(strings.TrimPrefix(body, "IF NOT EXISTS "), "(\n")
	t.name = strings.TrimSpace(head)
	skip := append([]string{"PRIMARY", "UNIQUE", "KEY"}, unused[t.name]...)
	for line := range strings.Lines(body) {
		if x, ok := indexOf(line); ok && !slices.Contains(anyName[t.name], x.name) {
			t.indexes = append(t.indexes, x)
		}
		switch word, _, _ := strings.Cut(strings.TrimSpace(line), " "); {
		case word == ")":
			return t
		case !slices.Contains(skip, word):
			t.columns = append(t.columns, word)
		}
	}
	return t
}

// stockTables are those of the first migration.
func stockTables() (list []table) {
	up, _ := halves("migrations/00001_stock_tables.sql")
	for _, s := range up {
		list = append(list, tableOf(s))
	}
	return list
}

// tablesOf are the columns of all tables of the database.
func tablesOf(ctx context.Context, db *sql.DB) (map[string][]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()")
	if err != nil {
		return nil, fmt.Errorf("tables of the database: %w", err)
	}
	defer rows.Close()
	list := map[string][]string{}
	for rows.Next() {
		var name, column string
		if err := rows.Scan(&name, &column); err != nil {
			return nil, fmt.Errorf("tables of the database: %w", err)
		}
		list[name] = append(list[name], strings.ToLower(column))
	}
	return list, rows.Err()
}

// checkedLock looks at the database when no other process migrates it.
type checkedLock struct {
	lock.Locker
	check, last func(ctx context.Context, db *sql.DB) error
}

// Lock takes the lock, unless the check fails.
func (l checkedLock) Lock(ctx context.Context, db *sql.DB) error {
	if err := l.Locker.Lock(ctx, db); err != nil {
		return err
	}
	err := begun(ctx, db)
	if err == nil {
		err = l.check(ctx, db)
	}
	if err != nil {
		_ = l.Locker.Unlock(context.WithoutCancel(ctx), db)
	}
	return err
}

// checkAlone runs a check under the lock, for its effects.
func checkAlone(ctx context.Context, db *sql.DB, check func(context.Context, *sql.DB) error) error {
	locker, err := newLock(check, nil)
	if err != nil {
		return err
	}
	if err := locker.Lock(ctx, db); err != nil {
		return err
	}
	return locker.Unlock(context.WithoutCancel(ctx), db)
}

// begun gives the table of versions its first row, where a process was killed
// between the two: goose takes it for broken.
func begun(ctx context.Context, db *sql.DB) error {
	var made bool
	err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?", versionTable).Scan(&made)
	if err == nil && made {
		_, err = db.ExecContext(ctx, "INSERT INTO "+versionTable+"(version_id, is_applied) SELECT 0, 1 FROM (SELECT COUNT(*) AS n FROM "+versionTable+") AS counted WHERE n = 0")
	}
	return err
}

// Unlock gives the lock back, after what is last to do under it.
func (l checkedLock) Unlock(ctx context.Context, db *sql.DB) error {
	if l.last == nil {
		return l.Locker.Unlock(ctx, db)
	}
	return errors.Join(l.last(ctx, db), l.Locker.Unlock(ctx, db))
}
