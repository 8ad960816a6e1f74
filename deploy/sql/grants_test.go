package schema

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// account makes an account with privileges on db, "@" standing for the database
// where a pattern is meant, "#" where none is, and opens it with them.
func account(t *testing.T, db *sql.DB, grants ...string) *sql.DB {
	t.Helper()
	var name string
	require.NoError(t, db.QueryRow("SELECT DATABASE()").Scan(&name))
	user := "u" + name[len(name)-12:]
	exec := func(s string) {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
	exec("CREATE USER " + user + " IDENTIFIED BY 'Secret-1'")
	t.Cleanup(func() { exec("DROP USER " + user) })
	for _, g := range grants {
		g = strings.ReplaceAll(g, "#", "`"+name+"`")
		exec("GRANT " + strings.ReplaceAll(g, "@", "`"+strings.ReplaceAll(name, "_", `\_`)+"`") + " TO " + user)
	}
	c, err := mysql.ParseDSN(dsnOf(t.Name()))
	require.NoError(t, err)
	c.User, c.Passwd, c.DBName, c.AllowNativePasswords = user, "Secret-1", name, true
	own, err := sql.Open("mysql", c.FormatDSN())
	require.NoError(t, err)
	t.Cleanup(func() { own.Close() })
	return own
}

func TestDenied(t *testing.T) {
	engines(t, func(t *testing.T, open func(t *testing.T) *sql.DB) {
		for _, tc := range []struct {
			name    string
			grants  []string
			want    []string // of the tables in use
			changes []string // to migrate
		}{
			{"all", []string{"ALL ON @.*"}, nil, nil},
			{"as much as it needs", []string{"SELECT, INSERT, UPDATE, DELETE ON @.*"}, nil, []string{"ALTER", "CREATE"}},
			{"to migrate, too", []string{"SELECT, INSERT, UPDATE, DELETE, ALTER, CREATE ON @.*"}, nil, nil},
			{"on another database", []string{"ALL ON other.*", "SELECT, INSERT, UPDATE, DELETE ON @.*"}, nil, []string{"ALTER", "CREATE"}},
			{"by a pattern", []string{"ALL ON `schema%`.*"}, nil, nil},
			{"no DELETE", []string{"SELECT, INSERT, UPDATE ON @.*", "DELETE ON #.auths"}, []string{"DELETE on auth_keys"}, []string{"ALTER", "CREATE"}},
			{"reads only", []string{"SELECT ON @.*"}, []string{"INSERT on auths", "UPDATE on auths", "DELETE on auths"}, []string{"ALTER", "CREATE", "INSERT"}},
		} {
			t.Run(tc.name, func(t *testing.T) {
				db := open(t)
				_, err := Migrate(t.Context(), db, true, nil)
				require.NoError(t, err)
				own := account(t, db, tc.grants...)
				list, err := Denied(t.Context(), own, true)
				require.NoError(t, err)
				if tc.want == nil {
					require.Empty(t, list)
				}
				require.Subset(t, list, tc.want)
				if tc.name == "no DELETE" {
					require.NotContains(t, list, "DELETE on auths")
				}
				lacks, err := DeniedChange(t.Context(), own)
				require.NoError(t, err)
				require.ElementsMatch(t, tc.changes, lacks)
				require.NoError(t, Check(t.Context(), db), "nothing has changed")
			})
		}
		t.Run("what is not denied is enough to migrate", func(t *testing.T) {
			db := open(t)
			own := account(t, db, "SELECT, INSERT, UPDATE, DELETE, ALTER, CREATE ON @.*")
			lacks, err := DeniedChange(t.Context(), own)
			require.NoError(t, err)
			require.Empty(t, lacks)
			_, err = Migrate(t.Context(), own, true, nil)
			require.NoError(t, err)
		})
		t.Run("and to find nothing to migrate less is enough", func(t *testing.T) {
			db := open(t)
			_, err := Migrate(t.Context(), db, true, nil)
			require.NoError(t, err)
			_, err = Migrate(context.Background(), account(t, db, "SELECT, INSERT, UPDATE, DELETE ON @.*"), false, nil)
			require.NoError(t, err)
		})
	})
}
