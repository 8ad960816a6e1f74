package sessions_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

// The last session of a user, on any device or on one of a kind, is the one that
// began last, whatever was used since.
func TestTheLastSessionIsFound(t *testing.T) {
	w := newWorld(t, nil)
	_, phone := w.signIn(777, "phone")
	w.clock.Advance(time.Minute)
	_, desktop := w.signIn(777, "desktop")
	w.clock.Advance(time.Minute)
	again, tablet := w.signIn(777, "tablet")
	w.clock.Advance(time.Minute)
	w.signIn(888, "web")
	w.clock.Advance(time.Minute)
	require.Len(t, w.revoke(sessions.Selection{Hash: tablet}), 1)
	yes, no := true, false
	for _, tc := range []struct {
		name string
		f    sessions.Filter
		want int64 // 0: none
	}{
		{"any", sessions.Filter{UserID: 777}, tablet},
		{"live", sessions.Filter{UserID: 777, Active: &yes}, desktop},
		{"ended", sessions.Filter{UserID: 777, Active: &no}, tablet},
		{"of a type", sessions.Filter{UserID: 777, DeviceType: "android"}, tablet},
		{"of a type and live", sessions.Filter{UserID: 777, DeviceType: "android", Active: &yes}, phone},
		{"of an app", sessions.Filter{UserID: 777, APIID: 2040}, desktop},
		{"of an app of another type", sessions.Filter{UserID: 777, APIID: 2040, DeviceType: "ios"}, 0},
		{"of nobody", sessions.Filter{UserID: 99}, 0},
		{"of all users", sessions.Filter{}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := w.manager(1).FindLast(t.Context(), tc.f)
			if tc.want == 0 {
				require.ErrorIs(t, err, sessions.ErrNotFound)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got.Hash)
			require.Equal(t, w.get(tc.want), got)
		})
	}
	third := w.bind(0, again, 777)
	got, err := w.manager(0).FindLast(t.Context(), sessions.Filter{UserID: 777})
	require.NoError(t, err)
	require.Equal(t, third, got.Hash, "a sign-in on the same key is another session")
}

// Many logins that a stock node did not classify do not hide one behind them.
func TestTheLastSessionIsFoundBehindMany(t *testing.T) {
	w := newWorld(t, nil)
	_, hash := w.signIn(777, "iphone")
	for i := range 400 {
		w.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active) VALUES (?, 777, ?, ?, 1)",
			1000+i, 1000+i, w.clock.Now().Unix()+int64(i)+1)
	}
	got, err := w.manager(0).FindLast(t.Context(), sessions.Filter{UserID: 777, DeviceType: "ios"})
	require.NoError(t, err)
	require.Equal(t, hash, got.Hash)
}

func TestExists(t *testing.T) {
	w := newWorld(t, nil)
	_, live := w.signIn(777, "phone")
	_, ended := w.signIn(777, "desktop")
	require.Len(t, w.revoke(sessions.Selection{Hash: ended}), 1)
	for _, tc := range []struct {
		hash, user int64
		want       bool
	}{{live, 0, true}, {live, 777, true}, {live, 888, false}, {ended, 0, false}, {ended, 777, false}, {12345, 0, false}, {0, 777, false}} {
		got, err := w.manager(1).Exists(t.Context(), tc.hash, tc.user)
		require.NoError(t, err)
		require.Equal(t, tc.want, got, strconv.FormatInt(tc.hash, 10))
	}
	for _, tc := range []struct {
		f    sessions.Filter
		want bool
	}{
		{sessions.Filter{UserID: 777}, true},
		{sessions.Filter{UserID: 777, Active: new(false)}, true},
		{sessions.Filter{UserID: 777, DeviceType: "android"}, true},
		{sessions.Filter{UserID: 777, DeviceType: "desktop"}, false},
		{sessions.Filter{UserID: 777, APIID: 6}, true},
		{sessions.Filter{UserID: 888}, false},
	} {
		got, err := w.manager(1).ExistsOf(t.Context(), tc.f)
		require.NoError(t, err)
		require.Equal(t, tc.want, got, "%+v", tc.f)
	}
}
