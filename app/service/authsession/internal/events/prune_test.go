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

// Batches that were published long ago go at the next turns, and not so many a minute.
func TestManyOldBatchesGo(t *testing.T) {
	b := newBench(t, miniredis.RunT(t).Addr())
	_, err := b.db.Exec("INSERT INTO session_events(created_at, event_id, type, body, published_no, published_at)" +
		" WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1000) SELECT 1, LPAD(HEX(n), 32, '0'), 'x', '{}', n, 1 FROM s")
	require.NoError(t, err)
	_, err = b.db.Exec("INSERT INTO session_events(created_at, event_id, type, body, published_no, published_at)" +
		" SELECT 1, CONCAT('1', SUBSTR(event_id, 2)), 'x', '{}', published_no + 1000, 1 FROM session_events")
	require.NoError(t, err)
	r := b.idle()
	for range 2000 / pruneMost {
		require.NoError(t, r.run(t.Context()))
	}
	require.Equal(t, 1, b.kept(), "the last one")
}
