package testenv

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// AwaitLockWaits returns when n transactions on db's own database wait for locks. Those on
// other databases of the server are other tests', and say nothing of this one.
func AwaitLockWaits(t testing.TB, db *sql.DB, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		var waiting int
		err := db.QueryRow("SELECT COUNT(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p" +
			" ON p.id = t.trx_mysql_thread_id WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()").Scan(&waiting)
		return err == nil && waiting >= n
	}, time.Minute, 200*time.Millisecond, "%d transactions wait for locks", n) // read more often than every 100 ms, the table stays as it is
}
