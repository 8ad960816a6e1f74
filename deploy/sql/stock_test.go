package schema

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTableOf(t *testing.T) {
	list := stockTables()
	require.Len(t, list, 4)
	require.Equal(t, table{
		"auth_keys",
		[]string{"id", "auth_key_id", "body"},
		[]index{{primary, true, []string{"id"}}, {"auth_key_id", true, []string{"auth_key_id"}}},
	}, list[0])
	for _, s := range Statements() {
		require.Contains(t, s, "CREATE TABLE "+tableOf(s).name+" (")
		require.NotEmpty(t, tableOf(s).columns)
	}
}

// A database is refused before anything is changed, with the way out, when the
// tables of the stock install are not those of a release that the migrations
// know: they would fail half-way, or stand in the way of the import.
func TestWhatIsNoStockInstallIsNotMigrated(t *testing.T) {
	const first = "import the SQL files of your Teamgram release first, in the order of their names (1_teamgram.sql, migrate-*.sql, z_init.sql)"
	const older = "the database is that of an older Teamgram release; import the SQL files that your release adds, in the order of their names"
	for name, tc := range map[string]struct {
		spoil []string
		empty bool
		want  []string
	}{
		"empty":            {empty: true, want: []string{"has none of the tables of a stock install (auth_keys, auth_key_infos, auths, auth_users)", first, "authsession -migrate -create"}},
		"something else":   {empty: true, spoil: []string{"CREATE TABLE notes (id int)"}, want: []string{"has none of the tables", first}},
		"half an import":   {spoil: []string{"DROP TABLE auths"}, want: []string{"the tables auths are missing", older}},
		"an old release":   {spoil: []string{"ALTER TABLE auth_users DROP KEY idx_user_deleted, CHANGE date_active date_actived bigint NOT NULL", "ALTER TABLE auth_users DROP COLUMN android_push_session_id"}, want: []string{"table auth_users lacks date_active, android_push_session_id", older}},
		"an older release": {spoil: []string{"ALTER TABLE auth_key_infos DROP COLUMN perm_auth_key_id"}, want: []string{"table auth_key_infos lacks perm_auth_key_id", older}},
	} {
		t.Run(name, func(t *testing.T) {
			engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
				db := open(t)
				if !tc.empty {
					execAll(t, db, stock()...)
				}
				execAll(t, db, tc.spoil...)
				before := describe(t, db)
				for range 2 { // the lock is given back
					_, err := Migrate(t.Context(), db, false, nil)
					for _, text := range tc.want {
						require.ErrorContains(t, err, text)
					}
				}
				require.Equal(t, before, describe(t, db))
				if tc.empty { // the import goes on as if nothing had been
					execAll(t, db, stock()...)
					_, err := Migrate(t.Context(), db, false, nil)
					require.NoError(t, err)
				}
			})
		})
	}
}

// Tables that were imported anew, beside a table of versions that says that all
// was done, are migrated again.
func TestTablesThatWereMadeAnewAreMigrated(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		db := open(t)
		_, err := Migrate(t.Context(), db, true, nil)
		require.NoError(t, err)
		execAll(t, db, "DROP TABLE auth_keys, auth_key_infos, auths, auth_users")
		execAll(t, db, stock()...)
		require.ErrorContains(t, Check(t.Context(), db), "table auth_key_infos lacks the index idx_perm_auth_key_id (perm_auth_key_id)")
		_, err = Migrate(t.Context(), db, false, nil)
		require.NoError(t, err)
		direct := open(t)
		execAll(t, direct, Statements()...)
		require.Equal(t, describe(t, direct), describe(t, db))
	})
}

// What a start has made on an empty database can be taken out again as it says.
func TestAnImportIsPossibleAfterTheTablesWereMade(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		db := open(t)
		_, err := Migrate(t.Context(), db, true, nil)
		require.NoError(t, err)
		require.Contains(t, (&NoStockTablesError{Database: "d", Tables: []string{"a", "b"}}).Made(), "run authsession -unmigrate, then DROP TABLE a, b, import")
		_, err = Unmigrate(t.Context(), db, nil)
		require.NoError(t, err)
		execAll(t, db, "DROP TABLE auth_keys, auth_key_infos, auths, auth_users")
		for _, s := range stock() {
			_, err := db.Exec(s)
			require.NoError(t, err)
		}
		_, err = Migrate(t.Context(), db, false, nil)
		require.NoError(t, err)
	})
}

// What users chose in a stock install holds from the first start on, and the
// clean-up waits where there are logins.
func TestTimesOfAStockInstallAreTakenOver(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		for name, tc := range map[string]struct {
			rows  []string
			want  string
			waits bool
		}{
			"no table of users":     {[]string{}, "", false},
			"an old table of users": {[]string{"CREATE TABLE users (id bigint NOT NULL PRIMARY KEY)", "INSERT INTO users(id) VALUES (1)"}, "", false},
			"choices": {[]string{
				"CREATE TABLE users (id bigint NOT NULL PRIMARY KEY, authorization_ttl_days int NOT NULL DEFAULT 180)",
				"INSERT INTO users(id, authorization_ttl_days) VALUES (1, 180), (2, 365), (3, 30), (4, 0)",
				"INSERT INTO auth_users(auth_key_id, user_id) VALUES (1, 2)",
			}, "2:365,3:30", true},
			"nobody is logged in": {[]string{"INSERT INTO auth_users(auth_key_id, user_id, deleted) VALUES (1, 2, 1)"}, "", false},
		} {
			t.Run(name, func(t *testing.T) {
				db := open(t)
				execAll(t, db, stock()...)
				execAll(t, db, tc.rows...)
				_, err := Migrate(t.Context(), db, false, nil)
				require.NoError(t, err)
				var got sql.NullString
				require.NoError(t, db.QueryRow("SELECT GROUP_CONCAT(CONCAT(user_id, ':', authorization_ttl_days) ORDER BY user_id) FROM auth_user_settings").Scan(&got))
				require.Equal(t, tc.want, got.String)
				var waits bool
				require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM session_fences WHERE name = 'authsession.cleanup.waits'").Scan(&waits))
				require.Equal(t, tc.waits, waits)
			})
		}
	})
}

// What was taken back leaves no table behind, and nothing of a table that a
// stock install has.
func TestNothingOfOursStaysInAStockInstall(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		db := open(t)
		execAll(t, db, stock()...)
		before := tables(t, db)
		for range 2 { // it can be done again, and where there is nothing to do
			_, err := Migrate(t.Context(), db, false, nil)
			require.NoError(t, err)
			for range 2 {
				_, err = Unmigrate(t.Context(), db, nil)
				require.NoError(t, err)
				require.Equal(t, before, tables(t, db))
			}
		}
	})
}

func tables(t *testing.T, db *sql.DB) (names []string) {
	t.Helper()
	rows, err := db.Query("SHOW TABLES")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Err())
	return names
}
