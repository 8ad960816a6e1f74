package dao

import (
	"context"
	"fmt"
	"slices"
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
	result, err := tx.ExecCtx(ctx, "UPDATE "+table+" SET "+terms(set, "%s = ?", ", ")+" WHERE "+terms(key, "%s = ?", " AND "), values(set, key)...)
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
	row := slices.Concat(key, set, only)
	_, err := tx.ExecCtx(ctx, "INSERT INTO "+table+"("+terms(row, "%s", ", ")+") VALUES ("+placeholders(len(row))+")"+
		" ON DUPLICATE KEY UPDATE "+terms(set, "%[1]s = VALUES(%[1]s)", ", "), values(row)...)
	return err
}

// terms is the names of columns, each in a form, with something between them.
func terms(columns []column, form, between string) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = fmt.Sprintf(form, c.name)
	}
	return strings.Join(list, between)
}

func values(lists ...[]column) (list []any) {
	for _, c := range slices.Concat(lists...) {
		list = append(list, c.value)
	}
	return list
}
