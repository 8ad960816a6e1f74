package sessions_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

func network(list ...string) (out []netip.Prefix) {
	for _, text := range list {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// crowd signs in five devices of four users, and one that has ended; by name, their
// keys and hashes.
func (w *world) crowd() (keys, marks map[string]int64) {
	keys, marks = map[string]int64{}, map[string]int64{}
	for name, user := range map[string]int64{"phone": 1, "tablet": 1, "iphone": 2, "desktop": 3, "web": 4} {
		keys[name], marks[name] = w.signIn(user, name)
	}
	w.exec("UPDATE auths SET region = 'DE', country = 'Berlin, Germany' WHERE auth_key_id IN (?, ?)", keys["phone"], keys["desktop"])
	_, gone := w.signIn(5, "phone")
	w.revoke(sessions.Selection{Hash: gone})
	marks["gone"] = gone
	return keys, marks
}

func names(marks map[string]int64, hashes []int64) (list []string) {
	for name, hash := range marks {
		if slices.Contains(hashes, hash) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// What a match selects, in a list and in a bulk revocation's dry run alike; the
// revocation selects live sessions alone.
func TestMatches(t *testing.T) {
	w := newWorld(t, nil)
	_, marks := w.crowd()
	now := w.clock.Now()
	for name, tc := range map[string]struct {
		match sessions.Match
		want  []string // live ones
		ended bool     // the ended one, too
	}{
		"a network":         {sessions.Match{Networks: network("10.1.2.0/29")}, []string{"iphone", "phone", "tablet", "web"}, true},
		"an odd network":    {sessions.Match{Networks: network("10.1.2.4/31")}, []string{"iphone", "web"}, false},
		"an address":        {sessions.Match{Networks: network("10.1.2.5/32")}, []string{"web"}, false},
		"an IPv6 network":   {sessions.Match{Networks: network("2001:db8::/32")}, []string{"desktop"}, false},
		"all of IPv4":       {sessions.Match{Networks: network("0.0.0.0/0")}, []string{"iphone", "phone", "tablet", "web"}, true},
		"all of IPv6":       {sessions.Match{Networks: network("::/0")}, []string{"desktop"}, false},
		"several":           {sessions.Match{Networks: network("10.1.2.5/32", "2001:db8::7/128")}, []string{"desktop", "web"}, false},
		"a country":         {sessions.Match{Countries: []string{"de"}}, []string{"desktop", "phone"}, false},
		"another country":   {sessions.Match{Countries: []string{"FR"}}, nil, false},
		"an app":            {sessions.Match{APIIDs: []int32{6, 2040}}, []string{"desktop", "phone", "tablet"}, true},
		"a platform":        {sessions.Match{Platforms: []string{"android"}}, []string{"phone", "tablet"}, true},
		"a device type":     {sessions.Match{DeviceTypes: []string{"web", "ios"}}, []string{"iphone", "web"}, false},
		"a model":           {sessions.Match{DeviceModel: "PIXEL"}, []string{"phone", "tablet"}, true},
		"no pattern":        {sessions.Match{DeviceModel: "%"}, nil, false},
		"an app's name":     {sessions.Match{Text: "telegram android"}, []string{"phone", "tablet"}, true},
		"a system version":  {sessions.Match{Text: "windows"}, []string{"desktop"}, false},
		"all members":       {sessions.Match{Platforms: []string{"Android"}, Countries: []string{"DE"}, Networks: network("10.0.0.0/8")}, []string{"phone"}, false},
		"signed in before":  {sessions.Match{SignedInBefore: now}, nil, false},
		"signed in since":   {sessions.Match{SignedInAfter: now.Add(-time.Hour), APIIDs: []int32{8}}, []string{"iphone"}, false},
		"active later":      {sessions.Match{ActiveAfter: now.Add(time.Hour)}, nil, false},
		"active until then": {sessions.Match{ActiveBefore: now.Add(time.Hour), APIIDs: []int32{8}}, []string{"iphone"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			want := slices.Clone(tc.want)
			if tc.ended {
				want = append(want, "gone")
				slices.Sort(want)
			}
			list, next, err := w.manager(0).List(t.Context(), sessions.Filter{Match: tc.match}, sessions.Page{})
			require.NoError(t, err)
			require.Empty(t, next)
			require.Equal(t, want, names(marks, hashes(list)))
			for _, order := range []sessions.Sort{sessions.BySignIn, sessions.ByLastActive, sessions.ByIdleness} {
				live := true
				list, next, err := w.manager(0).List(t.Context(), sessions.Filter{Active: &live, Match: tc.match}, sessions.Page{Sort: order})
				require.NoError(t, err)
				require.Empty(t, next)
				require.Equal(t, tc.want, names(marks, hashes(list)))
			}
			n, more, err := w.manager(0).Count(t.Context(), sessions.Filter{Match: tc.match})
			require.NoError(t, err)
			require.Equal(t, []any{len(want), false}, []any{n, more})
			done, err := w.manager(0).RevokeMatching(t.Context(), sessions.Bulk{Match: tc.match}, 100, true, "", byAdmin)
			require.NoError(t, err)
			require.Equal(t, tc.want, names(marks, hashes(done.Named)))
			require.Equal(t, []any{len(tc.want), ""}, []any{done.Matched, done.Next})
			require.Empty(t, done.Ended)
		})
	}
	require.EqualValues(t, 5, w.number("SELECT COUNT(*) FROM auth_users WHERE deleted = 0"), "dry runs end nothing")
}

// The live logins of an address are found by it and listed page by page, each once,
// and so they are where the address has more devices than are read at once.
func TestLoginsOfAnAddress(t *testing.T) {
	w := newWorld(t, nil)
	_, marks := w.crowd()
	live := true
	f := sessions.Filter{Active: &live, Match: sessions.Match{Networks: network("10.1.2.3/32")}}
	w.exec("UPDATE auths SET client_ip = '10.1.2.3'")
	for _, devices := range []int{0, 1001} {
		for i := range devices {
			w.exec("INSERT INTO auths(auth_key_id, layer, api_id, params, client_ip) VALUES (?, 223, 6, 'null', '10.1.2.3')", 880_000_000+i)
		}
		for _, order := range []sessions.Sort{sessions.BySignIn, sessions.ByLastActive, sessions.ByIdleness} {
			var found []int64
			for page := (sessions.Page{Sort: order, Size: 2}); ; {
				list, next, err := w.manager(0).List(t.Context(), f, page)
				require.NoError(t, err)
				require.LessOrEqual(t, len(list), 2)
				found = append(found, hashes(list)...)
				if page.Token = next; next == "" {
					break
				}
			}
			require.Len(t, found, 5)
			require.Equal(t, []string{"desktop", "iphone", "phone", "tablet", "web"}, names(marks, found))
		}
	}
}

// A bulk revocation ends what matches, in parts, by the way of every end: events,
// session nodes and caches hear of it, and each session keeps why.
func TestABulkRevocation(t *testing.T) {
	w := newWorld(t, nil)
	keys, marks := w.crowd()
	for name, user := range map[string]int64{"phone": 1, "tablet": 1, "iphone": 2, "web": 4} {
		w.loggedIn(keys[name], user) // cached
	}
	w.told.Told()
	before := w.events(events.Revoked)
	by := sessions.By{Reason: logins.ByAdmin, Actor: "admin:alice", Note: "stolen addresses", Ticket: "T-7"}
	bulk := sessions.Bulk{Match: sessions.Match{Networks: network("10.1.2.0/24")}, ExceptUsers: []int64{4}}
	var ended []int64
	token, calls := "", 0
	for calls == 0 || token != "" {
		done, err := w.manager(0).RevokeMatching(t.Context(), bulk, 1, false, token, by)
		require.NoError(t, err)
		require.LessOrEqual(t, len(done.Ended), 1)
		ended = append(ended, hashes(done.Ended)...)
		token = done.Next
		calls++
	}
	require.Equal(t, []string{"iphone", "phone", "tablet"}, names(marks, ended))
	w.loggedOut(keys["phone"], keys["tablet"], keys["iphone"])
	w.loggedIn(keys["web"], 4)
	w.loggedIn(keys["desktop"], 3)
	var told []int64
	for _, e := range w.told.Told() {
		told = append(told, e.AuthKeyID)
	}
	require.ElementsMatch(t, []int64{keys["phone"], keys["tablet"], keys["iphone"]}, told)
	require.EqualValues(t, before+3, w.events(events.Revoked))
	s := w.get(marks["phone"])
	require.Equal(t, []any{logins.ByAdmin, "admin:alice", "stolen addresses", "T-7"}, []any{s.RevokeReason, s.RevokedBy, s.RevokeNote, s.RevokeTicket})

	w.bind(0, keys["phone"], 1) // a new login on the key: the old one is history
	s = w.get(marks["phone"])
	require.Equal(t, []string{"stolen addresses", "T-7"}, []string{s.RevokeNote, s.RevokeTicket})
	live, err := w.manager(0).FindByKey(t.Context(), keys["phone"])
	require.NoError(t, err)
	require.Equal(t, []string{"", ""}, []string{live.RevokeNote, live.RevokeTicket})
}

// Users are named by a list, of any length, and a token is good for its own
// selection alone.
func TestABulkRevocationOfUsers(t *testing.T) {
	w := newWorld(t, nil)
	_, marks := w.crowd()
	users := []int64{3, 1, 1, 77}
	for i := range int64(250) {
		users = append(users, 1000+i)
	}
	bulk := sessions.Bulk{UserIDs: users}
	done, err := w.manager(0).RevokeMatching(t.Context(), bulk, 2, false, "", byAdmin)
	require.NoError(t, err)
	require.Equal(t, []string{"phone", "tablet"}, names(marks, hashes(done.Ended)))
	require.NotEmpty(t, done.Next)
	_, err = w.manager(0).RevokeMatching(t.Context(), sessions.Bulk{UserIDs: users[1:]}, 2, false, done.Next, byAdmin)
	require.ErrorIs(t, err, sessions.ErrBadToken)
	for _, bad := range []string{"x", "====", done.Next + "AA"} {
		_, err = w.manager(0).RevokeMatching(t.Context(), bulk, 2, false, bad, byAdmin)
		require.ErrorIs(t, err, sessions.ErrBadToken)
	}
	done, err = w.manager(0).RevokeMatching(t.Context(), bulk, 2, false, done.Next, byAdmin)
	require.NoError(t, err)
	require.Equal(t, []string{"desktop"}, names(marks, hashes(done.Ended)))
	require.Empty(t, done.Next)
}

// Lists by activity have each session once, in both orders, whatever the pages.
func TestListsByActivity(t *testing.T) {
	w := newWorld(t, nil)
	_, marks := w.crowd()
	i := int64(0)
	var order []int64
	for _, name := range []string{"web", "phone", "iphone", "desktop", "tablet"} { // the one active last first
		at := w.clock.Now().Unix() - 100*i
		w.exec("UPDATE auth_users u JOIN auths a ON a.auth_key_id = u.auth_key_id SET u.date_active = ?, a.date_active = ? WHERE u.hash = ?", at, at, marks[name])
		order = append(order, marks[name])
		i++
	}
	active := true
	read := func(f sessions.Filter, by sessions.Sort) (list []int64) {
		f.Active = &active
		for token := ""; ; {
			page, next, err := w.manager(0).List(t.Context(), f, sessions.Page{Size: 2, Token: token, Sort: by})
			require.NoError(t, err)
			list = append(list, hashes(page)...)
			if token = next; token == "" {
				return list
			}
		}
	}
	require.Equal(t, order, read(sessions.Filter{}, sessions.ByLastActive))
	back := slices.Clone(order)
	slices.Reverse(back)
	require.Equal(t, back, read(sessions.Filter{}, sessions.ByIdleness))
	require.Equal(t, []int64{marks["tablet"], marks["phone"]}, read(sessions.Filter{UserID: 1}, sessions.ByIdleness))
	require.Equal(t, []int64{marks["phone"], marks["tablet"]}, read(sessions.Filter{DeviceType: "android"}, sessions.ByLastActive))
	_, next, err := w.manager(0).List(t.Context(), sessions.Filter{Active: &active}, sessions.Page{Size: 2, Sort: sessions.ByLastActive})
	require.NoError(t, err)
	_, _, err = w.manager(0).List(t.Context(), sessions.Filter{Active: &active}, sessions.Page{Size: 2, Sort: sessions.ByIdleness, Token: next})
	require.ErrorIs(t, err, sessions.ErrBadToken)
}
