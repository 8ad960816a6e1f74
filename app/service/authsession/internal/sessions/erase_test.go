package sessions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

// Of an erased user nothing is left in any table but events and the keys, and
// nothing of others is missing.
func TestAUserIsErased(t *testing.T) {
	w := newWorld(t, nil)
	phone, first := w.signIn(777, "phone")
	require.Len(t, w.revoke(sessions.Selection{Hash: first}), 1)
	w.bind(0, phone, 777) // the first one is history
	desktop, ended := w.signIn(777, "desktop")
	require.Len(t, w.revoke(sessions.Selection{Hash: ended}), 1)
	shared, _ := w.signIn(777, "tablet") // and then given to somebody else
	other := w.bind(0, shared, 888)
	lent, theirs := w.signIn(888, "iphone") // and used by the user last
	w.bind(0, lent, 777)
	_, stranger := w.signIn(999, "web")
	require.NoError(t, w.manager(0).SetTTL(t.Context(), 777, 30))
	require.NoError(t, w.manager(0).SetTTL(t.Context(), 888, 30))
	w.loggedIn(phone, 777) // cached
	w.told.Told()
	revoked := w.events(events.Revoked)

	want := sessions.Erasure{LoggedOut: 2, Sessions: 4, History: 1, Devices: 3}
	counted, err := w.manager(1).Erasable(t.Context(), 777)
	require.NoError(t, err)
	require.Equal(t, want, counted)
	w.loggedIn(phone, 777)
	require.EqualValues(t, 4, w.number("SELECT COUNT(*) FROM auth_users WHERE user_id = 777"), "whoever counts changes nothing")

	done, err := w.manager(1).Erase(t.Context(), 777, byAdmin)
	require.NoError(t, err)
	require.Equal(t, want, done)
	for _, table := range []string{"auth_users", "auth_user_history", "auth_user_settings", "auth_password_pendings"} {
		require.Zero(t, w.number("SELECT COUNT(*) FROM "+table+" WHERE user_id = 777"), table)
	}
	for _, key := range []int64{phone, desktop, lent} {
		require.Zero(t, w.number("SELECT COUNT(*) FROM auths WHERE auth_key_id = ?", key))
		state, user := w.state(0, key)
		require.EqualValues(t, []any{int32(1), int64(0)}, []any{state, user}, "its client has not introduced itself")
	}
	var told []int64
	for _, e := range w.told.Told() {
		if !e.Replaced { // not a reminder
			told = append(told, e.AuthKeyID)
		}
	}
	require.ElementsMatch(t, []int64{phone, lent}, told, "the session nodes hear of it")
	require.EqualValues(t, revoked+2, w.events(events.Revoked))

	w.loggedIn(shared, 888)
	require.Equal(t, "Pixel Tablet", w.get(other).DeviceModel, "it is theirs now")
	require.Equal(t, logins.ReplacedOnKey, w.get(theirs).RevokeReason, "what they did stays")
	require.True(t, w.get(stranger).Live())
	require.EqualValues(t, 2, w.number("SELECT COUNT(*) FROM auth_users WHERE user_id = 888"))
	require.EqualValues(t, 1, w.number("SELECT COUNT(*) FROM auth_user_settings WHERE user_id = 888 AND authorization_ttl_days = 30"))
	require.EqualValues(t, 5, w.number("SELECT COUNT(*) FROM auth_keys"))

	done, err = w.manager(0).Erase(t.Context(), 777, byAdmin)
	require.NoError(t, err)
	require.Equal(t, sessions.Erasure{}, done, "there is nothing left")
	hash := w.bind(0, phone, 777)
	require.True(t, w.get(hash).Live(), "somebody may use the key again")
}

// More rows than one transaction takes go in several.
func TestAUserWithManyRowsIsErased(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 1100 {
		w.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active, deleted, revoked_at, revoke_reason) VALUES (?, 777, ?, 1, 1, 1, 1, 2)", i+1, i+1)
	}
	w.exec("INSERT INTO auth_user_history(auth_key_id, user_id, hash, date_created, date_active, revoked_at, revoke_reason) SELECT auth_key_id, 777, -hash, 1, 1, 1, 2 FROM auth_users")
	began := time.Now()
	done, err := w.manager(0).Erase(t.Context(), 777, byAdmin)
	require.NoError(t, err)
	require.Equal(t, sessions.Erasure{Sessions: 1100, History: 1100}, done)
	t.Logf("2,200 rows in %v", time.Since(began))
}

// What a webhook does not take of an erased user's events leaves no dead letter: with their
// sessions' ends they tell who the user was and where, long after the erasure. Those of
// others do, and of a user of whom no more than one thing is stored.
func TestAnErasedUserHasNoDeadLetters(t *testing.T) {
	w := newWorld(t, nil)
	w.signIn(777, "phone")
	w.signIn(888, "iphone")
	_, ended := w.signIn(999, "web")
	require.Len(t, w.revoke(sessions.Selection{Hash: ended}), 1)
	lent, _ := w.signIn(1000, "web")
	w.bind(0, lent, 1001)
	_, gone := w.signIn(1002, "web")
	require.Len(t, w.revoke(sessions.Selection{Hash: gone}), 1)
	require.NoError(t, w.manager(0).SetTTL(t.Context(), 1002, 30))
	w.exec("DELETE FROM auth_users WHERE user_id = 1002") // as the clean-up does
	w.exec("INSERT INTO auth_user_history(auth_key_id, user_id, hash, date_created, date_active, revoked_at, revoke_reason) SELECT auth_key_id, 1003, 1, 1, 1, 1, 2 FROM auth_users LIMIT 1")
	w.exec("INSERT INTO session_events(created_at, event_id, type, body) VALUES (1, REPEAT('3', 32), 'session.revoked', '{\"session\":{\"user_id\":\"1003\"}}')")
	w.exec("INSERT INTO session_webhooks(name, published_no) VALUES ('down', 0)")
	w.exec("INSERT INTO session_webhook_dead(name, event_id, type, user_id, died_at, body) SELECT 'down', LPAD(HEX(seq.n), 32, '0'), 'x', 777, 1, ''" +
		" FROM (WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 900) SELECT n FROM s) AS seq")
	_, err := w.manager(0).Erase(t.Context(), 777, byAdmin)
	require.NoError(t, err)
	require.Zero(t, w.number("SELECT COUNT(*) FROM session_webhook_dead"))
	w.exec("UPDATE session_events SET published_no = 1, published_at = 1")

	hook := w.nodes[0].Dao.StartHooks(events.Options{Poll: 5 * time.Millisecond, Webhooks: []events.Webhook{{
		Name: "down", URL: "http://127.0.0.1:1/", Secret: func() ([]byte, error) { return []byte("x"), nil },
		Timeout: time.Second, Attempts: 1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond, Parallel: 4, Queue: 100,
	}}})[0]
	t.Cleanup(func() { <-hook.Stop() })
	require.Eventually(t, func() bool { return w.number("SELECT MAX(published_no) FROM session_webhooks") == 1 }, time.Minute, 5*time.Millisecond)
	require.Zero(t, w.number("SELECT COUNT(*) FROM session_webhook_dead WHERE user_id = 777"))
	for _, user := range []int64{888, 999, 1000, 1001, 1002, 1003} {
		require.Positive(t, w.number("SELECT COUNT(*) FROM session_webhook_dead WHERE user_id = ?", user), user)
	}
}
