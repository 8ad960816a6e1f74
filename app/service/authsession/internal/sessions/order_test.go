package sessions_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// The events of a login have the order of its commits: a change that waits for a
// revocation tells of nothing afterwards. It told of a change after the end, and a
// consumer that keeps the state took the device for live.
func TestNoChangeIsToldAfterTheEnd(t *testing.T) {
	yes := true
	for name, change := range map[string]func(w *world, key, hash int64){
		"changeSession": func(w *world, _, hash int64) {
			err := w.manager(1).Change(context.Background(), 777, hash, sessions.Settings{CallRequestsDisabled: &yes})
			require.ErrorIs(w.t, err, sessions.ErrNotFound)
		},
		"setInitConnection": func(w *world, key, _ int64) { w.introduce(key, "tablet") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			key, hash := w.signIn(777, "phone")
			tx, err := w.db.Begin()
			require.NoError(t, err)
			t.Cleanup(func() { _ = tx.Rollback() })
			_, err = tx.Exec("SELECT id FROM auth_users WHERE auth_key_id = ? AND user_id = 777 FOR UPDATE", key)
			require.NoError(t, err)
			var both sync.WaitGroup
			both.Go(func() { w.revoke(sessions.Selection{Hash: hash}) })
			testenv.AwaitLockWaits(t, w.db, 1)
			both.Go(func() { change(w, key, hash) })
			testenv.AwaitLockWaits(t, w.db, 2)
			require.NoError(t, tx.Rollback())
			both.Wait()
			require.EqualValues(t, 1, w.events(events.Revoked))
			require.Zero(t, w.events(events.Changed))
			require.Zero(t, w.number("SELECT COUNT(*) FROM auth_users WHERE call_requests_disabled = 1"), "nor does the row change")
		})
	}
}
