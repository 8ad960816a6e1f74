package sessions_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// A session that is used again after the window with it was read stays, and those
// after it end all the same.
func TestASessionInUseAgainDoesNotEndTheCleanUp(t *testing.T) {
	w := newWorld(t, nil)
	keys := make([]int64, 3)
	for i := range keys {
		keys[i], _ = w.signIn(int64(i+1), "phone")
	}
	w.clock.Advance(31 * days)
	idle := w.manager(0).Idle(30 * days)
	ended, more, err := idle.Revoke(t.Context(), 1, byAdmin)
	require.NoError(t, err)
	require.Len(t, ended, 1)
	require.True(t, more)
	w.exec("UPDATE auth_users SET date_active = ? WHERE auth_key_id = ?", w.clock.Now().Unix(), keys[1])

	ended, _, err = idle.Revoke(t.Context(), 1, byAdmin)
	require.NoError(t, err)
	require.Len(t, ended, 1)
	require.Equal(t, keys[2], ended[0].AuthKeyID)
	ended, more, err = idle.Revoke(t.Context(), 1, byAdmin)
	require.NoError(t, err)
	require.Empty(t, ended)
	require.False(t, more)
	w.loggedIn(keys[1], 2)
}

// So does one whose user has a TTL, which is used while it is about to end.
func TestAnExpiredSessionInUseAgainDoesNotEndTheCleanUp(t *testing.T) {
	w := newWorld(t, nil)
	keys := make([]int64, 2)
	for i := range keys {
		keys[i], _ = w.signIn(int64(i+1), "phone")
		require.NoError(t, w.manager(0).SetTTL(t.Context(), int64(i+1), 10))
	}
	w.clock.Advance(11 * days)
	use, err := w.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = use.Rollback() }()
	_, err = use.Exec("UPDATE auth_users SET date_active = ? WHERE auth_key_id = ?", w.clock.Now().Unix(), keys[0])
	require.NoError(t, err)

	type outcome struct {
		keys []int64
		more bool
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		ended, more, err := w.manager(0).Idle(30*days).Revoke(t.Context(), 1, byAdmin)
		o := outcome{more: more, err: err}
		for _, e := range ended {
			o.keys = append(o.keys, e.AuthKeyID)
		}
		done <- o
	}()
	testenv.AwaitLockWaits(t, w.db, 1)
	require.NoError(t, use.Commit())
	o := <-done
	require.NoError(t, o.err)
	require.Equal(t, []int64{keys[1]}, o.keys)
	w.loggedIn(keys[0], 1)
	w.loggedOut(keys[1])
}
