package events

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
)

// However many dead letters came since they were looked at last, the latest are left.
func TestDeadLettersThatAreTooManyGo(t *testing.T) {
	b, r := newBench(t, miniredis.RunT(t).Addr()), newReceiver(t)
	s, err := newSender(r.hook())
	require.NoError(t, err)
	add := func(first, count int) {
		_, err := b.db.Exec("INSERT INTO session_webhook_dead(name, event_id, type, died_at, body)"+
			" SELECT 'test', LPAD(HEX(? + a.n * 1000 + b.n), 32, '0'), 'x', 1, '' FROM"+
			" (WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 199) SELECT n FROM s) a,"+
			" (WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 999) SELECT n FROM s) b"+
			" WHERE a.n * 1000 + b.n < ? ORDER BY a.n, b.n", first, count)
		require.NoError(t, err)
	}
	add(0, deadMost)
	add(deadMost, 2*deadBatch+500)
	h := &hook{db: b.db, send: s}
	require.NoError(t, h.pruneDead(t.Context()))
	var left int
	require.NoError(t, b.db.QueryRow("SELECT COUNT(*) FROM session_webhook_dead").Scan(&left))
	require.Equal(t, deadMost, left)
	require.NoError(t, b.db.QueryRow("SELECT COUNT(*) FROM session_webhook_dead WHERE event_id >= LPAD(HEX(?), 32, '0')", 2*deadBatch+500).Scan(&left))
	require.Equal(t, deadMost, left, "the latest")
}
