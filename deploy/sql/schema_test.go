package schema

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// engines are the servers at hand, by the variable that names them.
func engines(t *testing.T, test func(t *testing.T, open func(t *testing.T) *sql.DB)) {
	for _, variable := range []string{"TEST_MYSQL_DSN", "TEST_MYSQL57_DSN", "TEST_MYSQL8_DSN"} {
		t.Run(variable, func(t *testing.T) {
			dsn := os.Getenv(variable)
			if dsn == "" {
				if variable == "TEST_MYSQL_DSN" && os.Getenv("TEST_REQUIRE_SERVERS") != "" {
					t.Fatal(variable + " is not set")
				}
				t.Skip(variable + " is not set: untested here")
			}
			test(t, func(t *testing.T) *sql.DB { return database(t, dsn) })
		})
	}
}

// dsnOf returns the DSN of the server that a test of engines runs on.
func dsnOf(test string) string {
	_, variable, _ := strings.Cut(test, "/")
	variable, _, _ = strings.Cut(variable, "/")
	return os.Getenv(variable)
}

// notOnGalera skips a test of what a Galera cluster does otherwise: there an
// ALTER TABLE waits for no transaction, but ends those that are in its way, with
// the error of a deadlock.
func notOnGalera(t *testing.T, db *sql.DB) {
	t.Helper()
	var name, value string
	if err := db.QueryRow("SHOW VARIABLES LIKE 'wsrep_on'").Scan(&name, &value); err == nil && value == "ON" {
		t.Skip("a Galera cluster ends transactions that are in the way of a change of a table")
	}
}

// database creates an empty one that is dropped after the test.
func database(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	var suffix [6]byte
	_, _ = rand.Read(suffix[:])
	name := "schema_" + hex.EncodeToString(suffix[:])
	root, err := sql.Open("mysql", dsn)
	require.NoError(t, err)
	_, err = root.Exec("CREATE DATABASE " + name + " CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
	require.NoError(t, err)
	config, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	config.DBName = name
	db, err := sql.Open("mysql", config.FormatDSN())
	require.NoError(t, err)
	t.Cleanup(func() {
		db.Close()
		_, err := root.Exec("DROP DATABASE " + name)
		require.NoError(t, err)
		root.Close()
	})
	return db
}

// describe lists columns and indexes of all tables but the migrations' own.
func describe(t *testing.T, db *sql.DB) (lines []string) {
	t.Helper()
	for _, query := range []string{
		`SELECT CONCAT_WS(' ', table_name, column_name, ordinal_position, column_type, is_nullable,
			IFNULL(column_default, '-'), extra, IFNULL(collation_name, '-'))
		 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name NOT LIKE 'authsession\_schema\_%'
		 ORDER BY table_name, ordinal_position`,
		`SELECT CONCAT_WS(' ', table_name, index_name, non_unique, seq_in_index, column_name)
		 FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name NOT LIKE 'authsession\_schema\_%'
		 ORDER BY table_name, index_name, seq_in_index`,
	} {
		rows, err := db.Query(query)
		require.NoError(t, err)
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			lines = append(lines, line)
		}
		require.NoError(t, rows.Err())
	}
	return lines
}

func execAll(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
}

// stock returns the statements of the first migration: a stock install.
func stock() []string {
	up, _ := halves("migrations/00001_stock_tables.sql")
	return up
}

func TestMigrationsEndInTheSchemaFile(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		migrated, direct := open(t), open(t)
		applied, err := Migrate(t.Context(), migrated, true, nil)
		require.NoError(t, err)
		require.Len(t, applied, len(files()))
		execAll(t, direct, Statements()...)
		require.Equal(t, describe(t, direct), describe(t, migrated))
		require.NoError(t, Check(t.Context(), migrated))
		require.NoError(t, Check(t.Context(), direct))

		applied, err = Migrate(t.Context(), migrated, true, nil)
		require.NoError(t, err)
		require.Empty(t, applied, "a second run finds nothing to do")
	})
}

func TestMigrationsRunOntoAStockInstallWithRows(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		db, direct := open(t), open(t)
		execAll(t, db, stock()...)
		execAll(t, db,
			"INSERT INTO auth_keys(auth_key_id, body) VALUES (-1, 'a'), (2, 'b')",
			"INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES (-1, 0, -1), (2, 1, -1)",
			"INSERT INTO auths(auth_key_id, layer, api_id, params, client_ip) VALUES (-1, 223, 4, 'null', '10.0.0.1')",
			"INSERT INTO auth_users(auth_key_id, user_id, hash, date_created) VALUES (-1, 777, 5, 6)",
			// An operator may have added the index we want.
			"ALTER TABLE auth_key_infos ADD KEY idx_perm_auth_key_id (perm_auth_key_id)")
		_, err := Migrate(t.Context(), db, true, nil)
		require.NoError(t, err)
		execAll(t, direct, Statements()...)
		require.Equal(t, describe(t, direct), describe(t, db))

		var ip, hash string
		require.NoError(t, db.QueryRow("SELECT client_ip, hash FROM auths JOIN auth_users USING (auth_key_id)").Scan(&ip, &hash))
		require.Equal(t, []string{"10.0.0.1", "5"}, []string{ip, hash}, "rows are kept")
		// What a stock node writes still fits.
		execAll(t, db, "INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id, temp_auth_key_id, media_temp_auth_key_id) VALUES (3, 1, 0, 3, 0)")
	})
}

func TestManyProcessesMayMigrateAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		db := open(t)
		var wg sync.WaitGroup
		errs := make([]error, 4)
		counts := make([]int, 4)
		for i := range errs {
			wg.Go(func() {
				applied, err := Migrate(context.Background(), db, true, nil)
				errs[i], counts[i] = err, len(applied)
			})
		}
		wg.Wait()
		total := 0
		for i, err := range errs {
			require.NoError(t, err)
			total += counts[i]
		}
		require.Equal(t, len(files()), total, "each migration ran once")
	})
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		db := open(t)
		_, err := Migrate(t.Context(), db, true, nil)
		require.NoError(t, err)
		require.NoError(t, Check(t.Context(), db))
		for _, step := range []struct{ spoil, want string }{
			{"DROP TABLE auth_key_lifetimes", "table auth_key_lifetimes is missing"},
			{"ALTER TABLE auth_users DROP COLUMN revoked_by", "table auth_users lacks the column revoked_by"},
			{"ALTER TABLE auth_users DROP KEY idx_hash", "table auth_users lacks the index idx_hash (hash)"},
			{"ALTER TABLE auth_keys DROP KEY auth_key_id", "table auth_keys lacks the index UNIQUE KEY auth_key_id (auth_key_id)"},
			{"ALTER TABLE session_events DROP COLUMN event_id", "table session_events lacks the column event_id"},
		} {
			execAll(t, db, step.spoil)
			require.EqualError(t, Check(t.Context(), db), step.want)
			if strings.Contains(step.spoil, " auth_keys ") {
				execAll(t, db, "ALTER TABLE auth_keys ADD UNIQUE KEY by_another_name (auth_key_id)")
			}
			_, err := Migrate(t.Context(), db, false, nil)
			if strings.Contains(step.spoil, "session_events") { // no migration adds a column to a table of its own making
				require.ErrorContains(t, err, step.want)
				continue
			}
			require.NoError(t, err, "it is made again")
		}
	})
}

// Where no MySQL is at hand, this guards against what MariaDB alone
// understands, and against what one of the MySQL versions lacks.
func TestStatementsAreCommonToAllEngines(t *testing.T) {
	foreign := regexp.MustCompile(`(?i)(ADD|DROP|MODIFY|CREATE)\s+(UNIQUE\s+)?(COLUMN|KEY|INDEX)\s+IF|OR\s+REPLACE|RETURNING|\bSEQUENCE\b|INVISIBLE|\bAS\s+new\b|WITHOUT\s+OVERLAPS|ALGORITHM\s*=\s*(NOCOPY|INSTANT)|\buuid\b|\binet6\b|CHECK\s*\(|DEFAULT\s*\(|\bWITH\s+RECURSIVE\b|utf8mb4_0900|uca1400`)
	check := func(name, text string) {
		require.Empty(t, foreign.FindString(regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(text, "")), name)
	}
	check("schema.sql", final)
	for _, f := range files() {
		text, err := migrations.ReadFile(f)
		require.NoError(t, err)
		check(f, string(text))
	}
}
