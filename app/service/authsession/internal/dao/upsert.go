package dao

import (
	"context"
	"strings"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
)

// column is a column of a row and what is written into it.
type column struct {
	name  string
	value any
}

// upsert writes columns of the row that a unique key names, or makes the row, with only
// besides. The tables are those with a primary key of their own beside the unique one.
//
// An INSERT with ON DUPLICATE KEY UPDATE would do it in one statement. But where the row is
// there, MySQL (9.7; MariaDB does not) locks the end of the primary key until the
// transaction ends, and all others wait that write any other row in this way. So the row is
// updated, and only where that changes nothing inserted: it is new, or has these values.
func upsert(ctx context.Context, tx sqlx.Session, table string, key, set, only []column) error {
	where := make([]string, len(key))
	for i, c := range key {
		where[i] = c.name + " = ?"
	}
	assign := make([]string, len(set))
	for i, c := range set {
		assign[i] = c.name + " = ?"
	}
	result, err := tx.ExecCtx(ctx, "UPDATE "+table+" SET "+strings.Join(assign, ", ")+" WHERE "+strings.Join(where, " AND "), values(set, key)...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return insert(ctx, tx, table, key, set, only)
}

// insert makes a row that is not there, as far as is known: upsert without its first try.
func insert(ctx context.Context, tx sqlx.Session, table string, key, set, only []column) error {
	assign := make([]string, len(set))
	for i, c := range set {
		assign[i] = c.name + " = VALUES(" + c.name + ")"
	}
	row := values(key, set, only)
	_, err := tx.ExecCtx(ctx, "INSERT INTO "+table+"("+names(key, set, only)+") VALUES ("+placeholders(len(row))+")"+
		" ON DUPLICATE KEY UPDATE "+strings.Join(assign, ", "), row...)
	return err
}

func values(lists ...[]column) (list []any) {
	for _, columns := range lists {
		for _, c := range columns {
			list = append(list, c.value)
		}
	}
	return list
}

func names(lists ...[]column) string {
	var list []string
	for _, columns := range lists {
		for _, c := range columns {
			list = append(list, c.name)
		}
	}
	return strings.Join(list, ", ")
}
