package sessions_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

// manyOf signs a user in on n devices, each active after the one before, and makes
// revocations read three at a time. It returns the keys, the one active last first.
func (w *world) manyOf(user int64, n int) (keys []int64) {
	for _, node := range w.nodes {
		node.Manager.SetWindow(3)
	}
	for range n {
		key, _ := w.signIn(user, "phone")
		keys = append(keys, key)
		w.clock.Advance(time.Minute)
	}
	slices.Reverse(keys)
	return keys
}

// All sessions of a user are all of them, however few are read at a time; so they are
// for whoever counts them first.
func TestAllSessionsOfAUserEnd(t *testing.T) {
	for name, s := range map[string]sessions.Selection{
		"all":                     {UserID: 777},
		"as many as are expected": {UserID: 777, AtMost: 8},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			keys := w.manyOf(777, 8)
			stranger, _ := w.signIn(778, "phone")
			w.loggedIn(keys[0], 777)
			selected, err := w.manager(0).Selected(t.Context(), s)
			require.NoError(t, err)
			require.Len(t, selected, 8)
			require.True(t, slices.IsSortedFunc(selected, func(a, b sessions.Session) int { return b.LastActive.Compare(a.LastActive) }), "the one active last first")
			require.Len(t, w.revoke(s), 8)
			w.loggedOut(keys...)
			w.loggedIn(stranger, 778)
			require.EqualValues(t, 8, w.events(events.Revoked))
			require.Len(t, w.told.Told(), 8)
			require.Empty(t, w.revoke(s))
		})
	}
}

// Those that stay are the ones active last of all, wherever their rows are.
func TestTheNewestOfAllSessionsStay(t *testing.T) {
	w := newWorld(t, nil)
	keys := w.manyOf(777, 8)
	oldest := keys[7]
	w.exec("UPDATE auths SET date_active = ? WHERE auth_key_id = ?", w.clock.Now().Unix(), oldest) // a stock node's mark of use
	w.exec("UPDATE auth_users SET device_type = 'ios' WHERE auth_key_id = ?", keys[1])
	require.Len(t, w.revoke(sessions.Selection{UserID: 777, DeviceType: "android", KeepNewest: 2}), 5)
	w.loggedOut(keys[2:7]...)
	for _, key := range []int64{oldest, keys[0], keys[1]} {
		w.loggedIn(key, 777)
	}
}

// More than are expected are counted, all of them, and left alone.
func TestAllSessionsOfAUserAreCounted(t *testing.T) {
	w := newWorld(t, nil)
	keys := w.manyOf(777, 8)
	for _, atMost := range []int{1, 6} {
		s := sessions.Selection{UserID: 777, AtMost: atMost, KeepNewest: 1}
		_, err := w.manager(0).Revoke(t.Context(), s, byAdmin)
		require.Equal(t, &sessions.TooManyError{Count: 7, AtMost: atMost}, err)
		_, err = w.manager(0).Selected(t.Context(), s)
		require.Equal(t, &sessions.TooManyError{Count: 7, AtMost: atMost}, err)
	}
	for _, key := range keys {
		w.loggedIn(key, 777)
	}
}

func TestAllSessionsOfAUserAreErased(t *testing.T) {
	w := newWorld(t, nil)
	w.manyOf(777, 8)
	done, err := w.manager(0).Erase(t.Context(), 777, byAdmin)
	require.NoError(t, err)
	require.Equal(t, sessions.Erasure{LoggedOut: 8, Sessions: 8, Devices: 8}, done)
	require.Zero(t, w.number("SELECT COUNT(*) FROM auth_users WHERE user_id = 777"))
}

// A session that ends elsewhere while those of its user end is named, too: what ended it may
// have been cut off before it could tell the caches. It was in neither list, where the live
// ones were read after those that had ended.
func TestASessionThatEndsMeanwhileIsNamed(t *testing.T) {
	for _, part := range []int{1, 2} {
		t.Run(fmt.Sprint("after part ", part), func(t *testing.T) {
			w := newWorld(t, nil)
			keys := w.manyOf(777, 9) // in three parts, the newest in the last
			before := keys[8]
			require.Len(t, w.revoke(sessions.Selection{UserID: 777, AuthKeyID: before}), 1)
			var named []int64
			parts := 0
			require.NoError(t, w.manager(0).Parts(t.Context(), sessions.Selection{UserID: 777}, func(list []dao.Record) error {
				for _, r := range list {
					named = append(named, r.AuthKeyID)
				}
				_, err := w.manager(1).Revoke(t.Context(), sessions.Selection{Hash: list[len(list)-1].Hash}, byAdmin) // as Revoke does
				if parts++; parts == 1 {
					require.Contains(t, named, before, "many that end would hide it later")
				}
				if parts == part {
					_, err = w.manager(1).Revoke(t.Context(), sessions.Selection{UserID: 777, AuthKeyID: keys[0]}, byAdmin)
				}
				return err
			}))
			require.ElementsMatch(t, keys, named, "each once")
		})
	}
}
