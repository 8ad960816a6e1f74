package events

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// A node that was replaced at a webhook while it was held up writes nothing any more when
// it goes on, and leaves: the place is the other one's, and so are the dead letters.
func TestAReplacedWebhookWritesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		takes bool // what the node has on its way when it is replaced
		again bool // it is a dead letter
	}{
		"delivered":             {takes: true},
		"given up":              {},
		"a dead letter, taken":  {takes: true, again: true},
		"a dead letter, no use": {again: true},
	} {
		t.Run(name, func(t *testing.T) {
			b, r := newBench(t, miniredis.RunT(t).Addr()), newReceiver(t)
			w := r.hook()
			w.Attempts, w.Timeout = 1, time.Minute
			begun, goOn, left := make(chan struct{}, 100), make(chan struct{}), make(chan error)
			r.failing(func(int64) bool { begun <- struct{}{}; <-goOn; return !c.takes })
			if c.again {
				_, err := b.db.Exec("INSERT INTO session_webhook_dead(name, event_id, type, user_id, attempts, died_at, retry, body) VALUES ('test', 'e', 'x', 1, 1, 1, 1, '{\"id\":\"e\",\"session\":{\"user_id\":\"1\"}}')")
				require.NoError(t, err)
			}
			_, err := b.db.Exec("INSERT INTO session_webhooks(name, published_no) VALUES ('test', 0)")
			require.NoError(t, err)
			if !c.again {
				b.tell(1, 1)
			}
			s, err := newSender(w)
			require.NoError(t, err)
			h := &hook{db: b.db, knows: everybody, poll: 5 * time.Millisecond, send: s}
			go func() { left <- h.follow(t.Context()) }()
			<-begun
			var other *dblock.Lock
			require.Eventually(t, func() (taken bool) {
				testenv.EndLease(t, b.db, hookLock+"test")
				var err error
				other, err = dblock.Take(t.Context(), b.db, hookLock+"test")
				return err == nil
			}, time.Minute, time.Millisecond)
			defer other.Release()
			_, err = b.db.Exec("UPDATE session_webhooks SET published_no = 50")
			require.NoError(t, err)
			dead := b.dead()
			close(goOn)
			require.NoError(t, <-left, "the other one goes on")
			require.Equal(t, 1, r.attempts())
			require.Equal(t, 50, b.place())
			require.Equal(t, dead, b.dead())
			require.NoError(t, other.Held(t.Context()))
		})
	}
}

// dead are the dead letters, with their attempts.
func (b *bench) dead() (list map[string]int) {
	b.t.Helper()
	rows, err := b.db.Query("SELECT event_id, attempts FROM session_webhook_dead")
	require.NoError(b.t, err)
	defer rows.Close()
	list = map[string]int{}
	for rows.Next() {
		var id string
		var attempts int
		require.NoError(b.t, rows.Scan(&id, &attempts))
		list[id] = attempts
	}
	require.NoError(b.t, rows.Err())
	return list
}
