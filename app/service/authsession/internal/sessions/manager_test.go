package sessions_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	pb "github.com/tgsession/tgsession/proto/authsession"
)

func TestASignInIsARecord(t *testing.T) {
	w := newWorld(t, nil)
	w.nodes[0].Dao.UseLocator(func(ip string) (country, region string) { return "Amsterdam, Netherlands of " + ip, "NL" })
	key, hash := w.signIn(777, "phone")
	now := w.clock.Now()
	want := sessions.Session{
		Hash: hash, UserID: 777, AuthKeyID: key, DeviceType: device.Android, DeviceModel: "Pixel 9", Platform: "Android",
		SystemVersion: "SDK 35", AppName: "Telegram Android", AppVersion: "11.4", LangCode: "de", APIID: 6, IP: "10.1.2.3",
		Country: "Amsterdam, Netherlands of 10.1.2.3", Region: "NL", SignedIn: now, LastActive: now, ExpiresAt: now.Add(180 * days),
		Addresses: []sessions.Address{{IP: "10.1.2.3", Country: "Amsterdam, Netherlands of 10.1.2.3", Region: "NL", First: now, Last: now}},
	}
	require.Equal(t, want, w.get(hash))
	found, err := w.manager(1).FindByKey(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, want, found)
	require.Equal(t, "NL", w.text("SELECT region FROM auths WHERE auth_key_id = ?", key), "kept with the address")

	_, err = w.manager(0).Get(t.Context(), hash+1)
	require.ErrorIs(t, err, sessions.ErrNotFound)
	_, err = w.manager(0).Get(t.Context(), 0)
	require.ErrorIs(t, err, sessions.ErrNotFound)
	for _, id := range []int64{1, w.device("phone")} {
		_, err = w.manager(0).FindByKey(t.Context(), id)
		require.ErrorIs(t, err, sessions.ErrNotFound)
	}

	// Signing in again, on the other node, is the same session.
	w.clock.Advance(time.Hour)
	require.Equal(t, hash, w.bind(1, key, 777))
	want.LastActive, want.ExpiresAt = w.clock.Now(), w.clock.Now().Add(180*days)
	want.Addresses[0].Last = w.clock.Now()
	require.Equal(t, want, w.get(hash))
	require.EqualValues(t, 1, w.events(events.Created))

	// Another app on it is an event, the same one is none.
	w.introduce(key, "phone")
	require.Zero(t, w.events(events.Changed))
	w.introduce(key, "desktop")
	require.EqualValues(t, 1, w.events(events.Changed))
	require.Equal(t, device.Desktop, w.get(hash).DeviceType)
	require.Equal(t, device.Desktop, w.text("SELECT device_type FROM auth_users WHERE auth_key_id = ?", key))
}

func (w *world) text(query string, args ...any) (s string) {
	w.t.Helper()
	require.NoError(w.t, w.db.QueryRow(query, args...).Scan(&s))
	return s
}

func TestASessionIsFoundByItsTempKey(t *testing.T) {
	w := newWorld(t, nil)
	perm, temp, media := w.key(dao.Permanent), w.key(dao.Temporary), w.key(dao.MediaTemporary)
	w.bindKey(perm, temp)
	w.bindKey(perm, media)
	hash := w.bind(0, perm.IntID(), 777)
	for _, k := range []crypto.AuthKey{perm, temp, media} {
		s, err := w.manager(1).FindByKey(t.Context(), k.IntID())
		require.NoError(t, err)
		require.Equal(t, hash, s.Hash)
	}
	// A revocation names them: they, too, are logged out.
	list := w.revoke(sessions.Selection{Hash: hash})
	require.Len(t, list, 1)
	require.ElementsMatch(t, []int64{temp.IntID(), media.IntID()}, list[0].TempAuthKeyIDs)
	_, err := w.manager(0).FindByKey(t.Context(), temp.IntID())
	require.ErrorIs(t, err, sessions.ErrNotFound)
}

func (w *world) bindKey(perm, temp crypto.AuthKey) {
	w.t.Helper()
	_, err := w.nodes[0].Dao.BindKey(w.t.Context(), perm.IntID(), temp.IntID(), func(int64) (int64, error) { return w.clock.Now().Unix() + 3600, nil })
	require.NoError(w.t, err)
}

func TestRevokeSelects(t *testing.T) {
	// The user's sessions, the one active last first: d2 w1 p3 d1 p2 p1.
	order := []string{"p1", "p2", "d1", "p3", "w1", "d2"}
	kinds := map[byte]string{'p': "phone", 'd': "desktop", 'w': "web"}
	for name, tc := range map[string]struct {
		selection func(hash, key map[string]int64) sessions.Selection
		want      []string
	}{
		"one":             {func(h, _ map[string]int64) sessions.Selection { return sessions.Selection{Hash: h["p2"]} }, []string{"p2"}},
		"one of the user": {func(h, _ map[string]int64) sessions.Selection { return sessions.Selection{UserID: 777, Hash: h["p2"]} }, []string{"p2"}},
		"on a key": {func(_, k map[string]int64) sessions.Selection {
			return sessions.Selection{UserID: 777, AuthKeyID: k["d1"]}
		}, []string{"d1"}},
		"all": {func(h, _ map[string]int64) sessions.Selection { return sessions.Selection{UserID: 777} }, order},
		"all but one": {func(h, _ map[string]int64) sessions.Selection {
			return sessions.Selection{UserID: 777, ExceptHash: h["d1"]}
		}, []string{"p1", "p2", "p3", "w1", "d2"}},
		"all but that on a key": {func(_, k map[string]int64) sessions.Selection {
			return sessions.Selection{UserID: 777, ExceptAuthKeyID: k["d1"]}
		}, []string{"p1", "p2", "p3", "w1", "d2"}},
		"a device type": {func(h, _ map[string]int64) sessions.Selection {
			return sessions.Selection{UserID: 777, DeviceType: device.Android}
		}, []string{"p1", "p2", "p3"}},
		"a device type but one": {func(h, _ map[string]int64) sessions.Selection {
			return sessions.Selection{UserID: 777, DeviceType: device.Android, ExceptHash: h["p3"]}
		}, []string{"p1", "p2"}},
		"all but the newest 2": {func(h, _ map[string]int64) sessions.Selection { return sessions.Selection{UserID: 777, KeepNewest: 2} }, []string{"p1", "p2", "d1", "p3"}},
		"newest 1 of a type": {func(h, _ map[string]int64) sessions.Selection {
			return sessions.Selection{UserID: 777, DeviceType: device.Android, KeepNewest: 1}
		}, []string{"p1", "p2"}},
		"newest 1 and this one": {func(h, _ map[string]int64) sessions.Selection {
			return sessions.Selection{UserID: 777, ExceptHash: h["p1"], KeepNewest: 1}
		}, []string{"p2", "d1", "p3", "w1"}},
		"keep more than exist": {func(h, _ map[string]int64) sessions.Selection { return sessions.Selection{UserID: 777, KeepNewest: 9} }, nil},
		"a type nobody has": {func(h, _ map[string]int64) sessions.Selection {
			return sessions.Selection{UserID: 777, DeviceType: device.Bot}
		}, nil},
		"a user without any": {func(h, _ map[string]int64) sessions.Selection { return sessions.Selection{UserID: 779} }, nil},
		"nothing":            {func(h, _ map[string]int64) sessions.Selection { return sessions.Selection{} }, nil},
		"a key of somebody else": {func(_, k map[string]int64) sessions.Selection {
			return sessions.Selection{UserID: 778, AuthKeyID: k["p1"]}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			hash, key := map[string]int64{}, map[string]int64{}
			for _, n := range order {
				key[n], hash[n] = w.signIn(777, kinds[n[0]])
				w.clock.Advance(time.Minute)
			}
			stranger, _ := w.signIn(778, "phone")
			var want []int64
			for _, n := range tc.want {
				want = append(want, hash[n])
			}
			list := w.revoke(tc.selection(hash, key))
			require.ElementsMatch(t, want, hashes(list))
			for n := range hash {
				s := w.get(hash[n])
				if slices.Contains(tc.want, n) {
					w.loggedOut(key[n])
					require.Equal(t, []any{logins.ByAdmin, "admin:alice", w.clock.Now()}, []any{s.RevokeReason, s.RevokedBy, s.RevokedAt})
					require.False(t, s.Live())
				} else {
					w.loggedIn(key[n], 777)
					require.True(t, s.Live())
				}
			}
			w.loggedIn(stranger, 778)
			require.Len(t, w.told.Told(), len(want))
			require.EqualValues(t, len(want), w.events(events.Revoked))
		})
	}
}

// More sessions than the caller expects are left alone. Those that have ended, and
// those that stay, do not count.
func TestMoreSessionsThanExpectedAreLeftAlone(t *testing.T) {
	w := newWorld(t, nil)
	keys := make([]int64, 3)
	for i := range keys {
		keys[i], _ = w.signIn(777, "phone")
		w.clock.Advance(time.Minute)
	}
	w.revoke(sessions.Selection{UserID: 777, AuthKeyID: keys[0]})
	s := sessions.Selection{UserID: 777, AtMost: 1}
	_, err := w.manager(0).Revoke(t.Context(), s, byAdmin)
	require.Equal(t, &sessions.TooManyError{Count: 2, AtMost: 1}, err)
	_, err = w.manager(0).Selected(t.Context(), s)
	require.Equal(t, &sessions.TooManyError{Count: 2, AtMost: 1}, err)
	w.loggedIn(keys[1], 777)
	w.loggedIn(keys[2], 777)
	s.KeepNewest = 1
	require.Len(t, w.revoke(s), 1)
	w.loggedOut(keys[1])
	w.loggedIn(keys[2], 777)
}

func TestPolicies(t *testing.T) {
	for name, tc := range map[string]struct {
		config config.Concurrency
		own    logins.Policy
		want   []string // of p1 p2 d1 p3 in this order, what stays
	}{
		"none":                         {config.Concurrency{Strategy: "none", Limit: 1}, logins.Policy{}, []string{"p1", "p2", "d1", "p3"}},
		"two of a type":                {config.Concurrency{Strategy: "limit-per-device-type", Limit: 2}, logins.Policy{}, []string{"p2", "d1", "p3"}},
		"one of a type":                {config.Concurrency{Strategy: "one-per-device-type", Limit: 9}, logins.Policy{}, []string{"d1", "p3"}},
		"one at all":                   {config.Concurrency{Strategy: "one", Limit: 9}, logins.Policy{}, []string{"p3"}},
		"two at all":                   {config.Concurrency{Strategy: "limit", Limit: 2}, logins.Policy{}, []string{"d1", "p3"}},
		"three at all":                 {config.Concurrency{Strategy: "limit", Limit: 3}, logins.Policy{}, []string{"p2", "d1", "p3"}},
		"as many as there are":         {config.Concurrency{Strategy: "limit", Limit: 4}, logins.Policy{}, []string{"p1", "p2", "d1", "p3"}},
		"a total alone":                {config.Concurrency{Strategy: "none", Limit: 1, Total: 2}, logins.Policy{}, []string{"d1", "p3"}},
		"a total beside two of a type": {config.Concurrency{Strategy: "limit-per-device-type", Limit: 2, Total: 2}, logins.Policy{}, []string{"d1", "p3"}},
		"two of a type within a total": {config.Concurrency{Strategy: "limit-per-device-type", Limit: 2, Total: 4}, logins.Policy{}, []string{"p2", "d1", "p3"}},
		"one of a type within a total": {config.Concurrency{Strategy: "one-per-device-type", Limit: 1, Total: 1}, logins.Policy{}, []string{"p3"}},
		"the smaller one counts":       {config.Concurrency{Strategy: "limit", Limit: 2, Total: 3}, logins.Policy{}, []string{"d1", "p3"}},
		"no total for this user":       {config.Concurrency{Strategy: "none", Limit: 1, Total: 1}, logins.Policy{Strategy: logins.Unlimited}, []string{"p1", "p2", "d1", "p3"}},
		"a total for this user":        {config.Concurrency{Strategy: "none", Limit: 1}, logins.Policy{Strategy: logins.LimitAll, Limit: 2}, []string{"d1", "p3"}},
		"a TTL alone changes no total": {config.Concurrency{Strategy: "none", Limit: 1, Total: 2}, logins.Policy{TTLDays: 7}, []string{"d1", "p3"}},
		"none for this user":           {config.Concurrency{Strategy: "one", Limit: 1}, logins.Policy{Strategy: logins.Unlimited}, []string{"p1", "p2", "d1", "p3"}},
		"one for this user":            {config.Concurrency{Strategy: "none", Limit: 1}, logins.Policy{Strategy: logins.OneLogin}, []string{"p3"}},
		"another limit for this user":  {config.Concurrency{Strategy: "limit-per-device-type", Limit: 1}, logins.Policy{Limit: 2}, []string{"p2", "d1", "p3"}},
		"a TTL alone changes no limit": {config.Concurrency{Strategy: "one-per-device-type", Limit: 1}, logins.Policy{TTLDays: 7}, []string{"d1", "p3"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *config.Config) { c.Concurrency = tc.config })
			require.NoError(t, w.manager(0).SetPolicy(t.Context(), 777, tc.own))
			own, err := w.manager(1).Policy(t.Context(), 777)
			require.NoError(t, err)
			require.Equal(t, tc.own, own)
			stranger, _ := w.signIn(778, "phone")
			keys := map[string]int64{}
			for _, n := range []string{"p1", "p2", "d1", "p3"} {
				keys[n], _ = w.signIn(777, map[byte]string{'p': "phone", 'd': "desktop"}[n[0]])
				w.clock.Advance(time.Minute)
			}
			for n, key := range keys {
				if slices.Contains(tc.want, n) {
					w.loggedIn(key, 777)
				} else {
					w.loggedOut(key)
				}
			}
			w.loggedIn(stranger, 778)
		})
	}
}

// Whoever has stolen a code and not the password must not log the owner out.
func TestThePolicyWaitsForTheSecondFactor(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.Concurrency = config.Concurrency{Strategy: "one", Limit: 1} })
	owner, _ := w.signIn(777, "phone")
	key := w.device("desktop")
	pending := func(on bool) {
		_, err := w.on(1).SetPasswordPending(&pb.SetPasswordPendingRequest{AuthKeyId: key, UserId: 777, Pending: on})
		require.NoError(t, err)
	}
	pending(true)
	w.bind(0, key, 777)
	w.loggedIn(owner, 777)
	pending(false)
	w.loggedOut(owner)
	w.loggedIn(key, 777)
	require.Len(t, w.told.Told(), 1)
	pending(false) // nothing was owed
	require.EqualValues(t, 1, w.events(events.Revoked))
}

func TestSessionsExpire(t *testing.T) {
	for name, tc := range map[string]struct {
		config, own int
		want        time.Duration // 0: never
	}{
		"as configured":            {180, 0, 180 * days},
		"as the user wants":        {180, 7, 7 * days},
		"longer than configured":   {7, 30, 30 * days},
		"never":                    {0, 0, 0},
		"never, but for this user": {0, 30, 30 * days},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *config.Config) { c.Sessions.TTLDays = tc.config })
			key, hash := w.signIn(777, "phone")
			w.loggedIn(key, 777) // cached before the user chose
			require.NoError(t, w.manager(0).SetTTL(t.Context(), 777, tc.own))
			if tc.want == 0 {
				w.clock.Advance(10_000 * days)
				w.loggedIn(key, 777)
				require.Zero(t, w.get(hash).ExpiresAt)
				return
			}
			require.Equal(t, w.clock.Now().Add(tc.want), w.get(hash).ExpiresAt)
			w.clock.Advance(tc.want - time.Second)
			w.loggedIn(key, 777)
			w.clock.Advance(time.Second)
			check, err := w.on(1).CheckSession(&pb.CheckSessionRequest{AuthKeyId: key})
			require.NoError(t, err)
			require.False(t, check.Valid)
			w.loggedOut(key)
			require.EqualValues(t, 1, w.events(events.Expired))
			s := w.get(hash)
			require.Equal(t, []any{logins.TTLExpired, w.clock.Now()}, []any{s.RevokeReason, s.RevokedAt})
			w.bind(0, key, 777) // starts anew
			w.loggedIn(key, 777)
		})
	}
}

// A cached copy does not follow every touch: what it says has expired is
// looked up first.
func TestAUsedSessionOutlivesItsCachedDate(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.Sessions.TTLDays = 7 })
	key, _ := w.signIn(777, "phone")
	w.loggedIn(key, 777)
	w.clock.Advance(6 * days)
	w.exec("UPDATE auth_users SET date_active = ? WHERE auth_key_id = ?", w.clock.Now().Unix(), key) // as a touch does
	w.clock.Advance(2 * days)
	w.loggedIn(key, 777)

	// Stock nodes move the device's date alone.
	w.clock.Advance(4 * days)
	w.exec("UPDATE auths SET date_active = ? WHERE auth_key_id = ?", w.clock.Now().Unix(), key)
	w.clock.Advance(6 * days)
	w.loggedIn(key, 777)
	ended, _, err := w.manager(0).Idle(7*days).Revoke(t.Context(), 100, byAdmin)
	require.NoError(t, err)
	require.Empty(t, ended)
	w.clock.Advance(1 * days)
	w.loggedOut(key)
}

func TestUnconfirmedSessions(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.Sessions.ConfirmWithin = 7 * days })
	_, first := w.signIn(777, "phone")
	_, second := w.signIn(777, "desktop")
	_, third := w.signIn(777, "web")
	require.False(t, w.get(first).Unconfirmed, "nobody was there to confirm it")
	require.True(t, w.get(second).Unconfirmed)
	count, err := w.manager(0).Statistics(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, count.Unconfirmed)

	require.NoError(t, w.manager(0).Change(t.Context(), 777, second, sessions.Settings{Confirmed: true, CallRequestsDisabled: new(true)}))
	s := w.get(second)
	require.Equal(t, []bool{false, false, true}, []bool{s.Unconfirmed, s.EncryptedRequestsDisabled, s.CallRequestsDisabled})
	require.NoError(t, w.manager(1).Change(t.Context(), 777, second, sessions.Settings{EncryptedRequestsDisabled: new(true)}))
	s = w.get(second)
	require.Equal(t, []bool{false, true, true}, []bool{s.Unconfirmed, s.EncryptedRequestsDisabled, s.CallRequestsDisabled})
	require.ErrorIs(t, w.manager(0).Change(t.Context(), 778, second, sessions.Settings{Confirmed: true}), sessions.ErrNotFound)

	w.clock.Advance(7 * days)
	require.False(t, w.get(third).Unconfirmed, "it counts as confirmed by then")
}

// Rows of stock nodes say less, and are understood all the same.
func TestRowsOfStockNodes(t *testing.T) {
	w := newWorld(t, nil)
	key := w.device("phone")
	insert := "INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active) VALUES (?, 777, 42, 1000, 1000)" +
		" ON DUPLICATE KEY UPDATE hash = VALUES(hash), date_active = VALUES(date_active), deleted = 0"
	w.exec(insert, key)
	w.exec("UPDATE auths SET country = '', region = ''")
	s := w.get(42)
	require.Equal(t, []any{device.Android, true, w.clock.Now()}, []any{s.DeviceType, s.Live(), s.LastActive})
	list, _, err := w.manager(0).List(t.Context(), sessions.Filter{DeviceType: device.Android}, sessions.Page{})
	require.NoError(t, err)
	require.Len(t, list, 1)

	w.exec("UPDATE auth_users SET deleted = 1, date_created = 0, date_active = 0") // resetAuthorization of stock
	s = w.get(42)
	require.Equal(t, logins.EndedByStockNode, s.RevokeReason)
	require.WithinDuration(t, time.Now(), s.RevokedAt, time.Minute)
	require.Zero(t, s.SignedIn)

	// Ours ends it, a stock node revives it: it is live, whatever was.
	w.exec(insert, key)
	w.revoke(sessions.Selection{Hash: 42})
	require.Equal(t, logins.ByAdmin, w.get(42).RevokeReason)
	w.exec(insert, key)
	require.True(t, w.get(42).Live())
	require.Zero(t, w.get(42).RevokedAt)
}

func TestListPagesAreStable(t *testing.T) {
	w := newWorld(t, nil)
	const n = 1234
	values := make([]string, n)
	for i := range values {
		kind := []string{"android", "ios", ""}[i%3] // "" is of a stock node, without a client: other
		values[i] = fmt.Sprintf("(%d, %d, %d, 1, 1, '%s', %d)", i+1, i%7+1, i+1, kind, i%2)
	}
	w.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active, device_type, deleted) VALUES " + strings.Join(values, ","))
	w.exec("INSERT INTO auths(auth_key_id, api_id, params) SELECT auth_key_id, 6 + auth_key_id % 2, 'null' FROM auth_users WHERE device_type <> ''")
	for name, tc := range map[string]struct {
		filter sessions.Filter
		want   func(i int) bool
	}{
		"all":         {sessions.Filter{}, func(int) bool { return true }},
		"of a user":   {sessions.Filter{UserID: 3}, func(i int) bool { return i%7 == 2 }},
		"live":        {sessions.Filter{Active: new(true)}, func(i int) bool { return i%2 == 0 }},
		"ended":       {sessions.Filter{Active: new(false)}, func(i int) bool { return i%2 == 1 }},
		"type":        {sessions.Filter{DeviceType: device.IOS}, func(i int) bool { return i%3 == 1 }},
		"other type":  {sessions.Filter{DeviceType: device.Other}, func(i int) bool { return i%3 == 2 }},
		"app":         {sessions.Filter{APIID: 6}, func(i int) bool { return i%3 != 2 && (i+1)%2 == 0 }},
		"user's live": {sessions.Filter{UserID: 3, Active: new(true), DeviceType: device.Android}, func(i int) bool { return i%7 == 2 && i%2 == 0 && i%3 == 0 }},
		"nobody":      {sessions.Filter{UserID: 99}, func(int) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			var want []int64
			for i := n - 1; i >= 0; i-- {
				if tc.want(i) {
					want = append(want, int64(i+1))
				}
			}
			for _, size := range []int{0, 7, 500, 100_000} {
				var got []int64
				page := sessions.Page{Size: size}
				for pages := 0; ; pages++ {
					require.Less(t, pages, n+2)
					list, next, err := w.manager(pages%2).List(t.Context(), tc.filter, page)
					require.NoError(t, err)
					limit := min(size, sessions.MaxPageSize)
					if size == 0 {
						limit = sessions.DefaultPageSize
					}
					require.LessOrEqual(t, len(list), limit)
					got = append(got, hashes(list)...)
					if page.Token = next; next == "" {
						break
					}
					require.NotEmpty(t, list)
				}
				require.Equal(t, want, got, "pages of %d", size)
			}
		})
	}

	// What begins meanwhile comes before the first page, what ends stays.
	first, next, err := w.manager(0).List(t.Context(), sessions.Filter{}, sessions.Page{Size: 10})
	require.NoError(t, err)
	w.exec("INSERT INTO auth_users(auth_key_id, user_id, hash) VALUES (-1, 3, -1)")
	w.exec("UPDATE auth_users SET date_active = 5000, deleted = 1 WHERE hash < 1230")
	second, _, err := w.manager(1).List(t.Context(), sessions.Filter{}, sessions.Page{Size: 10, Token: next})
	require.NoError(t, err)
	require.Equal(t, first[9].Hash-1, second[0].Hash)

	for _, token := range []string{next[:4], next + "AA", "####", "AAAAAAAAAAAAAAAA"} {
		_, _, err = w.manager(0).List(t.Context(), sessions.Filter{}, sessions.Page{Token: token})
		require.ErrorIs(t, err, sessions.ErrBadToken)
	}
	_, _, err = w.manager(0).List(t.Context(), sessions.Filter{UserID: 3}, sessions.Page{Token: next})
	require.ErrorIs(t, err, sessions.ErrBadToken, "of another list")

	count, err := w.manager(0).Statistics(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, w.number("SELECT COUNT(*) FROM auth_users WHERE deleted = 0"), count.Live)
	require.EqualValues(t, w.number("SELECT COUNT(*) FROM auth_users WHERE deleted = 1"), count.Ended)
	require.EqualValues(t, w.number("SELECT COUNT(*) FROM auth_users WHERE deleted = 0 AND device_type = 'ios'"), count.ByDeviceType[device.IOS])
}

func TestInactiveSessions(t *testing.T) {
	w := newWorld(t, nil)
	short, _ := w.signIn(1, "phone") // TTL of 10 days
	require.NoError(t, w.manager(0).SetTTL(t.Context(), 1, 10))
	long, _ := w.signIn(2, "phone") // of a year
	require.NoError(t, w.manager(0).SetTTL(t.Context(), 2, 365))
	plain, _ := w.signIn(3, "phone")
	unknown, _ := w.signIn(4, "phone")
	w.exec("UPDATE auth_users SET date_active = 0 WHERE auth_key_id = ?", unknown)
	w.exec("UPDATE auths SET date_active = 0 WHERE auth_key_id = ?", unknown)
	step := func(age time.Duration, limit, want int, more bool) {
		t.Helper()
		n, left, err := w.manager(0).CountInactive(t.Context(), age, limit)
		require.NoError(t, err)
		require.Equal(t, []any{want, more}, []any{n, left}, "a dry run")
		ended, left, err := w.manager(1).Idle(age).Revoke(t.Context(), limit, byAdmin)
		require.NoError(t, err)
		require.Len(t, ended, want)
		require.True(t, left || !more)
	}
	step(30*days, 100, 0, false)
	w.clock.Advance(31 * days)
	step(30*days, 1, 1, true)
	step(30*days, 100, 1, false)
	step(30*days, 100, 0, false)
	w.loggedOut(short, plain)
	w.loggedIn(long, 2)
	w.loggedIn(unknown, 4)
	for key, reason := range map[int64]logins.Reason{short: logins.TTLExpired, plain: logins.Inactive} {
		require.EqualValues(t, reason, w.number("SELECT revoke_reason FROM auth_users WHERE auth_key_id = ?", key))
	}
	require.EqualValues(t, 2, w.events(events.Expired))
	require.Len(t, w.told.Told(), 2)
}
