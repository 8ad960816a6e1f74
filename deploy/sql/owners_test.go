package schema

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
)

// A password that was owed before marks had owners is owed after it: what names
// no user is its key's login's, and what is in flight stays so.
func TestOwedPasswordsGetOwners(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		db := open(t)
		p, err := provider(db, func(context.Context, *sql.DB) error { return nil }, nil)
		require.NoError(t, err)
		_, err = p.UpTo(t.Context(), 6)
		require.NoError(t, err)
		execAll(t, db,
			"INSERT INTO auth_users(auth_key_id, user_id, deleted) VALUES (1, 777, 0), (2, 777, 0), (3, 777, 1)",
			"INSERT INTO auth_password_pendings(auth_key_id, user_id, date_created) VALUES (1, 0, 5), (2, 777, 5), (3, 0, 5), (4, 0, 5)")
		_, err = Migrate(t.Context(), db, true, nil)
		require.NoError(t, err)
		rows, err := db.Query("SELECT auth_key_id, owner, user_id, date_created FROM auth_password_pendings ORDER BY auth_key_id")
		require.NoError(t, err)
		defer rows.Close()
		var got [][4]int64
		for rows.Next() {
			var r [4]int64
			require.NoError(t, rows.Scan(&r[0], &r[1], &r[2], &r[3]))
			got = append(got, r)
		}
		require.NoError(t, rows.Err())
		require.Equal(t, [][4]int64{{1, 0, 777, 5}, {2, 0, 777, 5}, {3, 0, 0, 5}, {4, 0, 0, 5}}, got)

		// An older node goes on with its statements.
		execAll(t, db,
			"INSERT INTO auth_password_pendings(auth_key_id, user_id, date_created) VALUES (4, 778, 6)"+
				" ON DUPLICATE KEY UPDATE user_id = VALUES(user_id), date_created = VALUES(date_created)",
			"DELETE FROM auth_password_pendings WHERE auth_key_id = 4")
	})
}
