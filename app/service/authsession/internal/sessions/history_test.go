package sessions_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

// listed are the hashes of a whole list, in pages of one size.
func (w *world) listed(f sessions.Filter, size int) (out []int64) {
	w.t.Helper()
	page := sessions.Page{Size: size}
	for i := 0; ; i++ {
		list, next, err := w.manager(i%2).List(w.t.Context(), f, page)
		require.NoError(w.t, err)
		require.LessOrEqual(w.t, len(list), size)
		out = append(out, hashes(list)...)
		if page.Token = next; next == "" {
			return out
		}
	}
}

// A sign-in on the key of a login that has ended is another login; why, when and by
// whom the first one ended stays to be seen. It was wiped, and the new login bore
// the date of the old.
func TestASignInLeavesTheHistoryOfItsKey(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.Sessions.ConfirmWithin = time.Hour })
	key, stolen := w.signIn(777, "phone")
	_, other := w.signIn(777, "desktop")
	yes := true
	require.NoError(t, w.manager(0).Change(t.Context(), 777, stolen, sessions.Settings{CallRequestsDisabled: &yes}))
	signedIn := w.clock.Now()
	w.clock.Advance(300 * 24 * time.Hour / 2)
	ended := w.clock.Now()
	require.Len(t, w.revoke(sessions.Selection{Hash: stolen}), 1)
	w.clock.Advance(time.Hour)
	again := w.bind(0, key, 777)
	require.NotEqual(t, stolen, again)

	before := w.get(stolen)
	require.Equal(t, []any{logins.ByAdmin, "admin:alice", signedIn.Unix(), ended.Unix()},
		[]any{before.RevokeReason, before.RevokedBy, before.SignedIn.Unix(), before.RevokedAt.Unix()})
	now := w.get(again)
	require.True(t, now.Live())
	require.Equal(t, w.clock.Now().Unix(), now.SignedIn.Unix())
	require.False(t, now.CallRequestsDisabled, "a setting of the login that ended")
	require.Equal(t, key, now.AuthKeyID)

	require.Empty(t, w.revoke(sessions.Selection{Hash: stolen}), "it has ended already")
	w.loggedIn(key, 777)
	list := []int64{again, other, stolen}
	for _, size := range []int{1, 2, 10} {
		require.Equal(t, list, w.listed(sessions.Filter{}, size), "by sign-in, the latest first")
		require.Equal(t, list, w.listed(sessions.Filter{UserID: 777}, size))
		require.Equal(t, []int64{stolen}, w.listed(sessions.Filter{Active: new(false)}, size))
	}
	n, err := w.manager(0).Statistics(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int64{2, 1}, []int64{n.Live, n.Ended})

	// A stock node that ends one says nothing of why.
	w.exec("UPDATE auth_users SET deleted = 1, date_created = 0, date_active = 0 WHERE hash = ?", again)
	third := w.bind(1, key, 777)
	require.Equal(t, logins.EndedByStockNode, w.get(again).RevokeReason)
	require.NotZero(t, w.get(again).RevokedAt)
	require.Equal(t, []int64{third, other, stolen, again}, w.listed(sessions.Filter{}, 1), "those of no date come last")
}

// Pages of two tables with many equal dates leave nothing out and show nothing
// twice.
func TestPagesOfTheHistory(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 40 {
		w.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active, device_type, deleted) VALUES (?, ?, ?, ?, 1, 'ios', ?)", i+1, i%3+1, i+1, i/8, i%2)
		w.exec("INSERT INTO auth_user_history(auth_key_id, user_id, hash, date_created, date_active, device_type, revoked_at, revoke_reason) VALUES (?, ?, ?, ?, 1, 'ios', 5, 2)", i+1, i%3+1, 100+i, i/8)
	}
	for _, f := range []sessions.Filter{{}, {UserID: 2}, {Active: new(false)}, {DeviceType: "ios"}} {
		whole := w.listed(f, 500)
		seen := map[int64]bool{}
		for _, hash := range whole {
			require.False(t, seen[hash])
			seen[hash] = true
		}
		for _, size := range []int{1, 3, 8} {
			require.Equal(t, whole, w.listed(f, size), "%+v in pages of %d", f, size)
		}
	}
	require.Len(t, w.listed(sessions.Filter{}, 7), 80)
	require.Len(t, w.listed(sessions.Filter{Active: new(true)}, 7), 20)
}
