package schema

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// nothing is what a migration executes where its work is done already.
const nothing = "DO 0"

// Due returns the statements that make the tables of db those of the schema, in
// their order, whatever migrations it has seen: none where they are that
// already. They can be run by hand, or by a tool that changes a table under
// load; Migrate then finds nothing to change, and does what is left to do with
// the rows.
func Due(ctx context.Context, db *sql.DB) ([]string, error) {
	return due(ctx, db, files())
}

// due is Due of some of the migrations. It reads their text, and sees statements that begin
// with CREATE TABLE, SET @ddl or EXECUTE ddl: what another one changes is not printed, and
// not made again.
func due(ctx context.Context, db *sql.DB, files []string) (due []string, err error) {
	tables, err := tablesOf(ctx, db) // before the connection is taken: db may have no other
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx) // what is set and read must be one connection's
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	for _, f := range files {
		up, _ := halves(f)
		for _, s := range up {
			switch {
			case strings.HasPrefix(s, "CREATE TABLE"):
				if name := tableOf(s).name; len(tables[name]) == 0 {
					due = append(due, s)
				}
			case strings.HasPrefix(s, "SET @ddl"):
				_, err = conn.ExecContext(ctx, s)
			case strings.HasPrefix(s, "EXECUTE ddl"):
				var ddl string
				if err = conn.QueryRowContext(ctx, "SELECT @ddl").Scan(&ddl); err == nil && ddl != nothing {
					due = append(due, ddl)
				}
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path.Base(f), err)
			}
		}
	}
	return due, nil
}

// takeBack runs the way back of every migration, the last first. Where there is
// nothing to take back it changes nothing.
func takeBack(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for _, f := range slices.Backward(files()) {
		_, down := halves(f)
		for _, s := range down {
			if _, err := conn.ExecContext(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", path.Base(f), err)
			}
		}
	}
	return nil
}

// files are the migrations, in order.
func files() []string {
	list, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	slices.Sort(list)
	return list
}

// halves returns the statements of a migration, forth and back, without
// comments.
func halves(file string) (up, down []string) {
	text, err := migrations.ReadFile(file)
	if err != nil {
		panic(err) // it is part of the program
	}
	forth, back, _ := strings.Cut(string(text), "-- +goose Down")
	return statements(forth), statements(back)
}

func statements(text string) (list []string) {
	var code strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "--") {
			code.WriteString(line)
		}
	}
	for s := range strings.SplitSeq(code.String(), ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			list = append(list, s)
		}
	}
	return list
}

// mend makes what the tables lack although the migrations were applied: some
// were made anew since, or a way back was given up half-way.
func mend(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT version_id FROM "+versionTable+" WHERE version_id > 0")
	if err != nil {
		return err
	}
	defer rows.Close()
	var applied []string
	for rows.Next() {
		var version int64
		if err := rows.Scan(&version); err != nil {
			return err
		}
		applied = append(applied, fmt.Sprintf("%05d_", version))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	list, err := due(ctx, db, slices.DeleteFunc(files(), func(f string) bool {
		return !slices.ContainsFunc(applied, func(version string) bool { return strings.HasPrefix(path.Base(f), version) })
	}))
	if err != nil {
		return err
	}
	for _, s := range list {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}
