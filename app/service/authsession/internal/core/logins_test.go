package core

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tgsession/tgsession/proto/authsession"
)

func reset(user, own, hash int64) *authsession.TLAuthsessionResetAuthorization {
	return &authsession.TLAuthsessionResetAuthorization{UserId: user, AuthKeyId: own, Hash: hash}
}

func unbind(k, user int64) *authsession.TLAuthsessionUnbindAuthKeyUser {
	return &authsession.TLAuthsessionUnbindAuthKeyUser{AuthKeyId: k, UserId: user}
}

func TestAKeysStateFollowsItsLife(t *testing.T) {
	c := start(t)
	perm, temp := c.key(0, 0), c.key(1, 86400)
	is := func(wantState int32, wantUser int64, step string) {
		t.Helper()
		for _, k := range []crypto.AuthKey{perm, temp} {
			for i := range 2 {
				state, user := c.state(i, k)
				require.Equal(t, []int64{int64(wantState), wantUser}, []int64{int64(state), user}, "%s, node %d", step, i)
			}
		}
	}
	_, err := c.on(0).AuthsessionGetAuthStateData(&authsession.TLAuthsessionGetAuthStateData{AuthKeyId: temp.IntID()})
	refused(t, err, 401, "AUTH_KEY_PERM_EMPTY")
	c.bind(perm, temp)
	is(1, 0, "new")
	_, err = c.on(0).AuthsessionSetLayer(&authsession.TLAuthsessionSetLayer{AuthKeyId: temp.IntID(), Layer: 223})
	require.NoError(t, err)
	is(4, 0, "introduced")
	c.login(temp, 777)
	is(6, 777, "logged in")
	_, err = c.on(1).AuthsessionUnbindAuthKeyUser(unbind(perm.IntID(), 777))
	require.NoError(t, err)
	is(4, 0, "logged out")
	c.login(perm, 778)
	is(6, 778, "logged in as another")
	perms, err := c.on(1).AuthsessionResetAuthorization(reset(778, 0, 0))
	require.NoError(t, err)
	require.Equal(t, []int64{perm.IntID()}, perms.Datas)
	is(4, 0, "reset")
}

// A login whose device never introduced itself is a login all the same.
func TestALoginWithoutADeviceIsALogin(t *testing.T) {
	c := start(t)
	k := c.key(0, 0)
	state, _ := c.state(0, k)
	require.EqualValues(t, 1, state)
	c.login(k, 777)
	for i := range 2 {
		state, user := c.state(i, k)
		require.EqualValues(t, 6, state)
		require.EqualValues(t, 777, user)
	}
	list, err := c.on(0).AuthsessionGetAuthorizations(&authsession.TLAuthsessionGetAuthorizations{UserId: 777, ExcludeAuthKeyId: k.IntID()})
	require.NoError(t, err)
	require.Len(t, list.Authorizations, 1)
}

// The second factor must survive whatever makes session load the state anew:
// stock keeps it in memory, and answers "logged in" from then on.
func TestWeakness05PendingPasswordIsRemembered(t *testing.T) {
	c := startMini(t)
	k := c.device()
	c.is(k, "4 0", "nobody is logged in")
	c.mark(k, 1, 0, true)
	c.login(k, 777) // the BFF binds before the password is checked
	c.is(k, "5 777", "bound")
	c.mark(k, 1, 777, true)
	c.mini.FlushAll()
	c.is(k, "5 777", "read from MySQL")
	c.mark(k, 2, 0, true)
	c.mark(k, 2, 777, false)
	c.is(k, "6 777", "the password was checked")
	check, err := c.on(0).CheckSession(&authsession.CheckSessionRequest{AuthKeyId: k.IntID()})
	require.NoError(t, err)
	require.EqualValues(t, 777, check.UserId)
	require.Equal(t, k.IntID(), check.PermAuthKeyId)
	check, err = c.on(0).CheckSession(&authsession.CheckSessionRequest{AuthKeyId: randomKey(t).IntID()})
	require.NoError(t, err, "an unknown key is an answer")
	require.False(t, check.Valid)
}

// A copy in the cache that an older node wrote does not say whose mark it is.
func TestCopiesOfOlderNodes(t *testing.T) {
	for name, tc := range map[string]struct{ cached, want string }{
		"nobody is logged in":          {`"password_pending":{"user_id":0}`, "4 0"},
		"nobody is logged in any more": {`"password_pending":{"user_id":777}`, "4 0"},
		"of who is logged in":          {`"bind_user":{"user_id":777,"hash":5},"password_pending":{"user_id":0}`, "5 777"},
		"of another":                   {`"bind_user":{"user_id":777,"hash":5},"password_pending":{"user_id":778}`, "6 777"},
	} {
		t.Run(name, func(t *testing.T) {
			c := startMini(t)
			k := c.device()
			name := "auth_data.2#" + strconv.FormatInt(k.IntID(), 10)
			require.NoError(t, c.mini.Set(name, `{"cache_epoch":"","client":{"predicate_name":"clientSession","layer":223},`+tc.cached+`}`))
			c.is(k, tc.want, "cached")
		})
	}
}

// Stock keeps a row per user and answers with any of them.
func TestWeakness64OneActiveUserAKey(t *testing.T) {
	c := start(t)
	k := c.device()
	first := c.login(k, 777)
	c.login(k, 778)
	require.EqualValues(t, 778, c.number("SELECT user_id FROM auth_users WHERE auth_key_id = ? AND deleted = 0", k.IntID()))
	again := c.login(k, 777)
	require.NotEqual(t, first, again, "another login, since the first has ended")
	require.Equal(t, again, c.login(k, 777), "the hash of a login is stable")

	// Many at once: one stays, and everyone agrees on which.
	var wg sync.WaitGroup
	for user := range int64(16) {
		wg.Go(func() {
			_, err := New(background(), c.nodes[user%2]).AuthsessionBindAuthKeyUser(&authsession.TLAuthsessionBindAuthKeyUser{AuthKeyId: k.IntID(), UserId: 1000 + user})
			if err != nil {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, c.number("SELECT COUNT(*) FROM auth_users WHERE auth_key_id = ? AND deleted = 0", k.IntID()))
	want := c.number("SELECT user_id FROM auth_users WHERE auth_key_id = ? AND deleted = 0", k.IntID())
	for i := range 2 {
		_, user := c.state(i, k)
		require.Equal(t, want, user)
	}

	// Where stock left two, the one active last counts.
	c.exec("UPDATE auth_users SET deleted = 0, date_active = user_id WHERE auth_key_id = ?", k.IntID())
	_, err := c.on(0).AuthsessionSetLayer(&authsession.TLAuthsessionSetLayer{AuthKeyId: k.IntID(), Layer: 1})
	require.NoError(t, err)
	_, user := c.state(0, k)
	require.EqualValues(t, 1015, user)
}

func TestHistoryIsKept(t *testing.T) {
	c := start(t)
	k := c.device()
	hash := c.login(k, 777)
	require.NotZero(t, hash)
	created := c.number("SELECT date_created FROM auth_users WHERE auth_key_id = ?", k.IntID())
	require.Equal(t, c.clock.Now().Unix(), created)
	c.clock.Advance(time.Hour)
	_, err := c.on(0).AuthsessionUnbindAuthKeyUser(unbind(k.IntID(), 777))
	require.NoError(t, err)
	require.Equal(t, created, c.number("SELECT date_created FROM auth_users WHERE auth_key_id = ? AND deleted = 1", k.IntID()))
	require.Equal(t, created, c.number("SELECT date_active FROM auth_users WHERE auth_key_id = ?", k.IntID()))
	require.NotEqual(t, hash, c.login(k, 777), "another login")
	require.Equal(t, c.clock.Now().Unix(), c.number("SELECT date_created FROM auth_users WHERE auth_key_id = ? AND deleted = 0", k.IntID()))
	require.Equal(t, created, c.number("SELECT date_created FROM auth_user_history WHERE hash = ?", hash))
	require.Equal(t, c.clock.Now().Unix(), c.number("SELECT date_active FROM auth_users WHERE auth_key_id = ?", k.IntID()))
	// What stock wiped starts anew.
	c.exec("UPDATE auth_users SET deleted = 1, date_created = 0, date_active = 0 WHERE auth_key_id = ?", k.IntID())
	c.login(k, 777)
	require.Equal(t, c.clock.Now().Unix(), c.number("SELECT date_created FROM auth_users WHERE auth_key_id = ?", k.IntID()))
}

func TestResetAuthorization(t *testing.T) {
	c := start(t)
	own, phone, tablet, stranger := c.device(), c.device(), c.device(), c.device()
	temp := c.key(1, 86400)
	c.bind(own, temp)
	c.login(own, 777)
	phoneHash := c.login(phone, 777)
	c.login(tablet, 777)
	strangerHash := c.login(stranger, 888)

	_, err := c.on(0).AuthsessionResetAuthorization(reset(777, own.IntID(), strangerHash))
	refused(t, err, 400, "HASH_INVALID")
	_, user := c.state(1, stranger)
	require.EqualValues(t, 888, user, "another user's login is out of reach")

	out, err := c.on(0).AuthsessionResetAuthorization(reset(777, own.IntID(), phoneHash))
	require.NoError(t, err)
	require.Equal(t, []int64{phone.IntID()}, out.Datas)
	state, _ := c.state(1, phone)
	require.EqualValues(t, 4, state)

	out, err = c.on(0).AuthsessionResetAuthorization(reset(777, temp.IntID(), 0))
	require.NoError(t, err)
	require.Equal(t, []int64{tablet.IntID()}, out.Datas, "all but the caller's, by its temp key too")
	out, err = c.on(0).AuthsessionResetAuthorization(reset(777, temp.IntID(), 0))
	require.NoError(t, err)
	require.Empty(t, out.Datas)
	_, user = c.state(0, own)
	require.EqualValues(t, 777, user)

	_, err = c.on(0).AuthsessionResetAuthorization(reset(777, randomKey(t).IntID(), 0))
	refused(t, err, 401, "AUTH_KEY_UNREGISTERED")

	// As deleteAccount does.
	out, err = c.on(0).AuthsessionResetAuthorization(reset(777, 0, 0))
	require.NoError(t, err)
	require.Equal(t, []int64{own.IntID()}, out.Datas)
	_, err = c.on(0).AuthsessionUnbindAuthKeyUser(unbind(0, 888))
	require.NoError(t, err)
	state, _ = c.state(1, stranger)
	require.EqualValues(t, 4, state)
}

func TestGetAuthorizations(t *testing.T) {
	c := start(t)
	own, phone := c.device(), c.device()
	c.login(own, 777)
	c.clock.Advance(time.Minute)
	phoneHash := c.login(phone, 777)
	list, err := c.on(1).AuthsessionGetAuthorizations(&authsession.TLAuthsessionGetAuthorizations{UserId: 777, ExcludeAuthKeyId: own.IntID()})
	require.NoError(t, err)
	require.Equal(t, "account_authorizations", list.PredicateName)
	require.Len(t, list.Authorizations, 2)
	first, second := list.Authorizations[0], list.Authorizations[1]
	require.True(t, first.Current)
	require.Zero(t, first.Hash)
	require.False(t, second.Current)
	require.Equal(t, phoneHash, second.Hash)
	require.Equal(t, "authorization", second.PredicateName)
	require.Equal(t, []any{"Pixel", "Android", "SDK 35", int32(6), "Telegram Android", "11.4", "10.1.2.3", "", "", true},
		[]any{second.DeviceModel, second.Platform, second.SystemVersion, second.ApiId, second.AppName, second.AppVersion, second.Ip, second.Country, second.Region, second.OfficialApp})
	require.EqualValues(t, c.clock.Now().Unix(), second.DateCreated)

	one, err := c.on(0).AuthsessionGetAuthorization(&authsession.TLAuthsessionGetAuthorization{AuthKeyId: phone.IntID()})
	require.NoError(t, err)
	require.Equal(t, "Pixel", one.DeviceModel)
	require.Zero(t, one.Hash+int64(one.DateCreated))
	_, err = c.on(0).AuthsessionGetAuthorization(&authsession.TLAuthsessionGetAuthorization{AuthKeyId: c.key(0, 0).IntID()})
	require.NoError(t, err, "a device that has not introduced itself")
	_, err = c.on(0).AuthsessionGetAuthorizations(&authsession.TLAuthsessionGetAuthorizations{UserId: 777})
	refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
}

// One statement for any number of devices: stock reads the cache per device.
func TestWeakness70ThousandDevicesAreOneStatement(t *testing.T) {
	c := start(t)
	own := c.device()
	c.login(own, 777)
	values := make([]string, 1000)
	for i := range values {
		values[i] = fmt.Sprintf("(%d, 777, %d, 1, 1)", i+1, i+1)
	}
	c.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active) VALUES " + strings.Join(values, ","))
	selects := func() (n int) {
		var name string
		require.NoError(t, c.db.QueryRow("SHOW GLOBAL STATUS LIKE 'Com_select'").Scan(&name, &n))
		return n
	}
	read := func() int {
		before := selects()
		list, err := c.on(0).AuthsessionGetAuthorizations(&authsession.TLAuthsessionGetAuthorizations{UserId: 777, ExcludeAuthKeyId: own.IntID()})
		require.NoError(t, err)
		require.Len(t, list.Authorizations, 1001)
		require.True(t, list.Authorizations[0].Current)
		return selects() - before
	}
	// Others use the server at the same time: far below one per device, once, is the point.
	require.Eventually(t, func() bool { return read() < 500 }, time.Minute, time.Millisecond)
}

func TestClientFields(t *testing.T) {
	c := start(t)
	k := c.device()
	id := k.IntID()
	get := func(want ...any) {
		t.Helper()
		for i := range 2 {
			layer, err := c.on(i).AuthsessionGetLayer(&authsession.TLAuthsessionGetLayer{AuthKeyId: id})
			require.NoError(t, err)
			code, err := c.on(i).AuthsessionGetLangCode(&authsession.TLAuthsessionGetLangCode{AuthKeyId: id})
			require.NoError(t, err)
			pack, err := c.on(i).AuthsessionGetLangPack(&authsession.TLAuthsessionGetLangPack{AuthKeyId: id})
			require.NoError(t, err)
			client, err := c.on(i).AuthsessionGetClient(&authsession.TLAuthsessionGetClient{AuthKeyId: id})
			require.NoError(t, err)
			require.Equal(t, want, []any{layer.V, code.V, pack.V, client.V})
		}
	}
	get(int32(0), "de", "android", "android")
	_, err := c.on(0).AuthsessionSetLayer(&authsession.TLAuthsessionSetLayer{AuthKeyId: id, Layer: 223})
	require.NoError(t, err)
	get(int32(223), "de", "android", "android")
	_, err = c.on(1).AuthsessionSetClientSessionInfo(&authsession.TLAuthsessionSetClientSessionInfo{Data: &authsession.ClientSession{
		AuthKeyId: id, Layer: 1, ApiId: 4, AppVersion: "10.1 A", LangCode: "",
	}})
	require.NoError(t, err)
	get(int32(223), "en", "weba", "weba")
	_, err = c.on(1).AuthsessionSetClientSessionInfo(&authsession.TLAuthsessionSetClientSessionInfo{})
	refused(t, err, 400, "INPUT_REQUEST_INVALID")
	id = c.key(0, 0).IntID()
	get(int32(0), "en", "", "")
}

// IPv6 text is longer than stock's column: the write fails there and the
// device is missing from the list. An empty address wipes the stored one.
func TestAddresses(t *testing.T) {
	c := start(t)
	k := c.device()
	ip := func() string { return c.text("SELECT client_ip FROM auths WHERE auth_key_id = ?", k.IntID()) }
	set := func(address string) {
		t.Helper()
		_, err := c.on(0).AuthsessionSetLayer(&authsession.TLAuthsessionSetLayer{AuthKeyId: k.IntID(), Layer: 223, Ip: address})
		require.NoError(t, err)
	}
	for in, want := range map[string]string{
		"2001:db8:85a3:1234:5678:8a2e:370:7334":   "2001:db8:85a3:1234:5678:8a2e:370:7334",
		"2001:0db8:0000:0000:0000:0000:0000:0001": "2001:db8::1",
		"::ffff:10.0.0.7":                         "10.0.0.7",
		"fe80::1%eth0":                            "fe80::1",
		strings.Repeat("x", 100):                  strings.Repeat("x", 45),
	} {
		set(in)
		require.Equal(t, want, ip())
		set("")
		require.Equal(t, want, ip(), "kept")
	}
	_, err := c.on(0).AuthsessionSetInitConnection(&authsession.TLAuthsessionSetInitConnection{AuthKeyId: k.IntID(), ApiId: 1})
	require.NoError(t, err)
	require.NotEmpty(t, ip())
}

func TestTextsAreMadeToFit(t *testing.T) {
	c := start(t)
	k := c.key(0, 0)
	long := strings.Repeat("ж", 300)
	_, err := c.on(0).AuthsessionSetInitConnection(&authsession.TLAuthsessionSetInitConnection{
		AuthKeyId: k.IntID(), ApiId: 1,
		DeviceModel: long, SystemVersion: "a\xffb", AppVersion: "😀", LangPack: long, LangCode: long, SystemLangCode: long,
		Proxy: strings.Repeat("p", 600), Params: "{not json",
	})
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("ж", 255), c.text("SELECT device_model FROM auths WHERE auth_key_id = ?", k.IntID()))
	require.Equal(t, "a\uFFFDb", c.text("SELECT system_version FROM auths WHERE auth_key_id = ?", k.IntID()))
	require.Equal(t, "😀", c.text("SELECT app_version FROM auths WHERE auth_key_id = ?", k.IntID()))
	require.EqualValues(t, 512, c.number("SELECT LENGTH(proxy) FROM auths WHERE auth_key_id = ?", k.IntID()))
	require.Equal(t, "null", c.text("SELECT params FROM auths WHERE auth_key_id = ?", k.IntID()))
	_, err = c.on(0).AuthsessionSetInitConnection(&authsession.TLAuthsessionSetInitConnection{AuthKeyId: k.IntID(), ApiId: 1, Proxy: "socks", Params: `{"tz": 7}`})
	require.NoError(t, err)
	require.Contains(t, c.text("SELECT params FROM auths WHERE auth_key_id = ?", k.IntID()), `"tz"`)
	for i := range 2 { // from MySQL, then from the cache
		s, err := c.on(i).AuthsessionGetAuthStateData(&authsession.TLAuthsessionGetAuthStateData{AuthKeyId: k.IntID()})
		require.NoError(t, err)
		require.Equal(t, "socks", s.Client.Proxy)
		require.JSONEq(t, `{"tz": 7}`, s.Client.Params)
	}
}

func TestAndroidPushSession(t *testing.T) {
	c := start(t)
	k := c.device()
	c.login(k, 777)
	const push = int64(math.MinInt64 + 5) // unsigned ids above 2^63 are negative here
	_, err := c.on(0).AuthsessionSetAndroidPushSessionId(&authsession.TLAuthsessionSetAndroidPushSessionId{UserId: 777, AuthKeyId: k.IntID(), SessionId: push})
	require.NoError(t, err)
	for i := range 2 {
		got, err := c.on(i).AuthsessionGetPushSessionId(&authsession.TLAuthsessionGetPushSessionId{UserId: 777, AuthKeyId: k.IntID(), TokenType: 7})
		require.NoError(t, err)
		require.Equal(t, push, got.V)
		s, err := c.on(i).AuthsessionGetAuthStateData(&authsession.TLAuthsessionGetAuthStateData{AuthKeyId: k.IntID()})
		require.NoError(t, err)
		require.Equal(t, wrapperspb.Int64(push).Value, s.AndroidPushSessionId.GetValue())
	}
	other := c.device()
	s, err := c.on(0).AuthsessionGetAuthStateData(&authsession.TLAuthsessionGetAuthStateData{AuthKeyId: other.IntID()})
	require.NoError(t, err)
	require.Nil(t, s.AndroidPushSessionId)
}
