package schema

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// Check reports the first table that db lacks, or whose columns or indexes are
// not those in use. Indexes that a stock install has, but for unique ones, are
// the operator's affair.
func Check(ctx context.Context, db *sql.DB) error {
	columns, err := tablesOf(ctx, db)
	if err != nil {
		return err
	}
	indexes, err := indexesOf(ctx, db)
	if err != nil {
		return err
	}
	for _, s := range Statements() {
		t := tableOf(s)
		if len(columns[t.name]) == 0 {
			return fmt.Errorf("table %s is missing", t.name)
		}
		if lacks := t.lacks(columns[t.name]); len(lacks) > 0 {
			return fmt.Errorf("table %s lacks the column %s", t.name, strings.Join(lacks, ", "))
		}
		for _, want := range t.indexes {
			if !want.among(indexes[t.name]) {
				return fmt.Errorf("table %s lacks the index %s", t.name, want)
			}
		}
	}
	return nil
}

// index is one of a table.
type index struct {
	name    string // PRIMARY for the primary key
	unique  bool
	columns []string
}

// String is the index as in a CREATE TABLE statement.
func (x index) String() string {
	columns := " (" + strings.Join(x.columns, ", ") + ")"
	switch {
	case x.name == primary:
		return "PRIMARY KEY" + columns
	case x.unique:
		return "UNIQUE KEY " + x.name + columns
	}
	return x.name + columns
}

const primary = "PRIMARY"

// among reports whether have does for x: a unique index by any name, since only
// its effect counts; another by its name, which statements use.
func (x index) among(have []index) bool {
	return slices.ContainsFunc(have, func(h index) bool {
		return slices.Equal(h.columns, x.columns) && (x.unique && h.unique || h.name == x.name)
	})
}

// indexOf reads a line of a CREATE TABLE statement of our own files.
func indexOf(line string) (x index, ok bool) {
	head, columns, ok := strings.Cut(strings.Trim(strings.TrimSpace(line), ","), "(")
	words := strings.Fields(head)
	if !ok || len(words) < 2 {
		return index{}, false
	}
	x.columns = strings.Split(strings.TrimSuffix(columns, ")"), ", ")
	switch words[0] {
	case primary:
		x.name, x.unique = primary, true
	case "UNIQUE":
		x.name, x.unique = words[2], true
	case "KEY":
		x.name = words[1]
	default:
		return index{}, false
	}
	return x, true
}

// indexesOf are the indexes of all tables of the database.
func indexesOf(ctx context.Context, db *sql.DB) (map[string][]index, error) {
	rows, err := db.QueryContext(ctx, "SELECT table_name, index_name, non_unique, column_name FROM information_schema.statistics"+
		" WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index")
	if err != nil {
		return nil, fmt.Errorf("indexes of the database: %w", err)
	}
	defer rows.Close()
	list := map[string][]index{}
	for rows.Next() {
		var (
			table, name string
			column      sql.NullString // none in an index of an expression
			repeats     bool
		)
		if err := rows.Scan(&table, &name, &repeats, &column); err != nil {
			return nil, fmt.Errorf("indexes of the database: %w", err)
		}
		of := list[table]
		if n := len(of); n == 0 || of[n-1].name != name {
			of = append(of, index{name: name, unique: !repeats})
		}
		last := &of[len(of)-1]
		last.columns = append(last.columns, strings.ToLower(column.String))
		list[table] = of
	}
	return list, rows.Err()
}
