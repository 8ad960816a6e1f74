package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// denied are answers of a server to who may not do what it asks for: on a column,
// a table, a database.
var denied = []uint16{1143, 1142, 1044}

// Denied returns what the account of db may not do with the tables of the schema,
// as "UPDATE on auths"; with migrates also with those that Migrate keeps its books
// in. Tables that are not there, or that the account may not see at all, are passed
// over. Nothing is changed: the server is asked for its plan of statements that are
// not carried out, for which it wants the same privileges.
func Denied(ctx context.Context, db *sql.DB, migrates bool) (list []string, err error) {
	have, err := tablesOf(ctx, db)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range Statements() {
		names = append(names, tableOf(s).name)
	}
	if migrates {
		names = append(names, versionTable, lockTable)
	}
	for _, table := range names {
		if len(have[table]) == 0 {
			continue
		}
		column := have[table][0]
		for _, one := range []struct{ privilege, statement string }{
			{"SELECT", "SELECT * FROM %[1]s WHERE 1 = 0"},
			{"INSERT", "INSERT INTO %[1]s SELECT * FROM %[1]s WHERE 1 = 0"},
			{"UPDATE", "UPDATE %[1]s SET %[2]s = %[2]s WHERE 1 = 0"},
			{"DELETE", "DELETE FROM %[1]s WHERE 1 = 0"},
		} {
			err := explain(ctx, db, fmt.Sprintf(one.statement, table, column))
			var answer *mysql.MySQLError
			switch {
			case errors.As(err, &answer) && slices.Contains(denied, answer.Number):
				list = append(list, one.privilege+" on "+table)
			case err != nil:
				return nil, fmt.Errorf("EXPLAIN %s of %s: %w", one.privilege, table, err)
			}
		}
	}
	return list, nil
}

// explain asks for the plan of a statement, and reads none: whether it may be asked for is
// all that is wanted, and not every server writes plans as the driver reads them.
func explain(ctx context.Context, db *sql.DB, statement string) error {
	rows, err := db.QueryContext(ctx, "EXPLAIN "+statement)
	if err != nil {
		return err
	}
	return rows.Close()
}

// changing are the privileges that migrations need beside those of Denied: the
// server asks for INSERT, too, of who alters a table.
var changing = []string{"ALTER", "CREATE", "INSERT"}

// ErrByRole means that an account has its privileges by roles, whose privileges the
// server does not list with it.
var ErrByRole = errors.New("the account has privileges by a role")

// grant is a line of SHOW GRANTS: what, on which databases, which tables.
var grant = regexp.MustCompile("^GRANT (.+?) ON (?:TABLE )?(\\*|`(?:[^`]|``)+`)\\.(\\*|`(?:[^`]|``)+`) TO ")

// DeniedChange returns which privileges the account of db lacks to migrate its
// database, and ErrByRole where that cannot be told.
func DeniedChange(ctx context.Context, db *sql.DB) (lacks []string, err error) {
	rows, err := db.QueryContext(ctx, "SHOW GRANTS")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	byRole := false
	has := map[string]bool{}
	for _, line := range lines {
		m := grant.FindStringSubmatch(line)
		if m == nil {
			byRole = byRole || strings.HasPrefix(line, "GRANT ") && !strings.Contains(line, " ON ")
			continue
		}
		if m[3] != "*" {
			continue // of single tables: not of those that a migration makes
		}
		if m[2] != "*" {
			pattern, here := strings.ReplaceAll(strings.Trim(m[2], "`"), "``", "`"), false
			if err := db.QueryRowContext(ctx, "SELECT DATABASE() LIKE ?", pattern).Scan(&here); err != nil {
				return nil, err
			}
			if !here {
				continue
			}
		}
		for _, p := range strings.Split(m[1], ", ") {
			has[p] = true
		}
	}
	if has["ALL PRIVILEGES"] {
		return nil, nil
	}
	lacks = slices.DeleteFunc(slices.Clone(changing), func(p string) bool { return has[p] })
	if len(lacks) > 0 && byRole {
		return nil, ErrByRole
	}
	return lacks, nil
}

// CheckStock says why the tables of db are none that Migrate can start from: a
// *NoStockTablesError where none of a stock install is there, another error where
// some are, of an older Teamgram release. It changes nothing.
func CheckStock(ctx context.Context, db *sql.DB) error { return checkStock(ctx, db, false) }
