package admin

import (
	"context"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
)

// Old rows go with the logins that they name, however many there are: no statement
// takes more of them than a batch, and what one has removed stays removed.
func TestRowsThatNameManyLoginsAreRemovedInBatches(t *testing.T) {
	a := serve(t, true, plainTokens)
	now := time.Now()
	log := audit.New(a.db, func() time.Time { return now })
	const each, rows = 4000, 3
	names := make([]audit.Ended, each)
	for i := range names {
		names[i] = audit.Ended{UserID: 7, Hash: int64(i + 1)}
	}
	write := func(caller string) {
		id, err := log.Write(t.Context(), audit.Entry{Caller: caller})
		require.NoError(t, err)
		require.NoError(t, log.Complete(t.Context(), id, audit.Outcome{Code: "OK", Ended: names}))
	}
	for range rows {
		write("old")
	}
	now = now.Add(2 * time.Hour)
	write("young")
	count := func(query string) (n int) {
		t.Helper()
		require.NoError(t, a.db.QueryRow(query).Scan(&n))
		return n
	}
	_, err := a.db.Exec("CREATE TABLE removed (connection bigint, statement bigint, n int NOT NULL DEFAULT 1, PRIMARY KEY (connection, statement))")
	require.NoError(t, err)
	_, err = a.db.Exec("CREATE TRIGGER counts BEFORE DELETE ON auth_admin_log_sessions FOR EACH ROW" +
		" INSERT INTO removed(connection, statement) VALUES (CONNECTION_ID(), UNIX_TIMESTAMP(NOW(6)) * 1000000) ON DUPLICATE KEY UPDATE n = n + 1")
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	k := &keeper{rows: log, keep: time.Hour, brief: time.Hour}
	require.NoError(t, k.prune(ctx))
	require.Equal(t, []string{"young"}, callers(a.written()))
	require.Equal(t, each, count("SELECT COUNT(*) FROM auth_admin_log_sessions"))
	require.Equal(t, rows*each, count("SELECT SUM(n) FROM removed"), "each of them was seen")
	require.LessOrEqual(t, count("SELECT MAX(n) FROM removed"), 5000)

	// What a statement has removed before another fails stays removed.
	_, err = a.db.Exec("DROP TRIGGER counts")
	require.NoError(t, err)
	_, err = a.db.Exec("TRUNCATE removed")
	require.NoError(t, err)
	write("old")
	write("old")
	now = now.Add(2 * time.Hour)
	_, err = a.db.Exec("CREATE TRIGGER refuses BEFORE DELETE ON auth_admin_logs FOR EACH ROW SIGNAL SQLSTATE '45000'")
	require.NoError(t, err)
	var refused *mysql.MySQLError
	require.ErrorAs(t, k.prune(ctx), &refused)
	require.Zero(t, count("SELECT COUNT(*) FROM auth_admin_log_sessions"), "the names are gone, and the rows are left for the next time")
	require.Equal(t, 3, count("SELECT COUNT(*) FROM auth_admin_logs"))
	_, err = a.db.Exec("DROP TRIGGER refuses")
	require.NoError(t, err)
	require.NoError(t, k.prune(ctx))
	require.Zero(t, count("SELECT COUNT(*) FROM auth_admin_logs"))
}
