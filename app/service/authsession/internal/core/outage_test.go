package core

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/proto/authsession"
)

// What we cache of a login is what stock reads, with the epoch of its Redis (a
// Redis of tests says none) before it; what stock caches is not believed.
func TestLoginCacheFormIsStocks(t *testing.T) {
	c := startMini(t)
	k := c.device()
	c.login(k, 777)
	c.state(0, k)
	cached := fmt.Sprintf("auth_data.2#%d", k.IntID())
	text, err := c.mini.Get(cached)
	require.NoError(t, err)
	now := c.clock.Now().Unix()
	require.Equal(t, fmt.Sprintf(`{"cache_epoch":"","client":{"predicate_name":"clientSession","auth_key_id":%d,"ip":"10.1.2.3","api_id":6,"device_model":"Pixel",`+
		`"system_version":"SDK 35","app_version":"11.4","lang_pack":"android","lang_code":"de"},`+
		`"bind_user":{"user_id":777,"hash":%d,"date_created":%d,"date_activated":%d,"android_push_sessionId":0}}`,
		k.IntID(), c.number("SELECT hash FROM auth_users"), now, now), text)
	require.NoError(t, c.mini.Set(cached, `{"cache_epoch":"","client":{"layer":99},"bind_user":{"user_id":5,"hash":1,"date_created":2,"date_activated":3,"android_push_sessionId":4}}`))
	s, err := c.on(1).AuthsessionGetAuthStateData(&authsession.TLAuthsessionGetAuthStateData{AuthKeyId: k.IntID()})
	require.NoError(t, err)
	require.Equal(t, []any{int32(6), int64(5), int32(99), int64(4)}, []any{s.KeyState, s.UserId, s.Client.Layer, s.AndroidPushSessionId.GetValue()})
	for _, stocks := range []string{"*", `{"client":{"layer":99}}`} {
		require.NoError(t, c.mini.Set(cached, stocks))
		state, user := c.state(1, k)
		require.Equal(t, []int64{6, 777}, []int64{int64(state), user})
	}
}

// One failed statement: stock remembers "nobody is logged in" for a week, and
// answers writes with success.
func TestWeakness63FailedStatementIsAnErrorAndIsForgotten(t *testing.T) {
	c := start(t)
	k := c.device()
	c.login(k, 777)
	c.exec("RENAME TABLE auth_users TO away")
	for name, call := range map[string]func() error{
		"getAuthStateData": func() error {
			_, err := c.on(0).AuthsessionGetAuthStateData(&authsession.TLAuthsessionGetAuthStateData{AuthKeyId: k.IntID()})
			return err
		},
		"getUserId": func() error {
			_, err := c.on(0).AuthsessionGetUserId(&authsession.TLAuthsessionGetUserId{AuthKeyId: k.IntID()})
			return err
		},
		"bindAuthKeyUser": func() error {
			_, err := c.on(0).AuthsessionBindAuthKeyUser(&authsession.TLAuthsessionBindAuthKeyUser{AuthKeyId: k.IntID(), UserId: 778})
			return err
		},
		"unbindAuthKeyUser": func() error {
			_, err := c.on(0).AuthsessionUnbindAuthKeyUser(unbind(k.IntID(), 777))
			return err
		},
		"resetAuthorization": func() error {
			_, err := c.on(0).AuthsessionResetAuthorization(reset(777, 0, 0))
			return err
		},
		"getAuthorizations": func() error {
			_, err := c.on(0).AuthsessionGetAuthorizations(&authsession.TLAuthsessionGetAuthorizations{UserId: 777, ExcludeAuthKeyId: k.IntID()})
			return err
		},
		"checkSession": func() error {
			_, err := c.on(0).CheckSession(&authsession.CheckSessionRequest{AuthKeyId: k.IntID()})
			return err
		},
	} {
		err := call()
		require.Error(t, err, name)
		refused(t, err, 500, "INTERNAL_SERVER_ERROR")
	}
	c.exec("RENAME TABLE away TO auth_users")
	for i := range 2 {
		state, user := c.state(i, k)
		require.EqualValues(t, 6, state)
		require.EqualValues(t, 777, user)
	}
	_, err := c.on(0).AuthsessionBindAuthKeyUser(&authsession.TLAuthsessionBindAuthKeyUser{AuthKeyId: k.IntID()})
	refused(t, err, 400, "INPUT_REQUEST_INVALID")
}

// Redis goes away and comes back empty, under traffic: nobody is logged out,
// and everything can still be done.
func TestRedisMayGoAndComeBackEmpty(t *testing.T) {
	c := startMini(t)
	perm := c.device()
	temp := c.key(1, 86400)
	c.bind(perm, temp)
	c.login(perm, 777)
	is := func(step string) {
		t.Helper()
		for i := range 2 {
			state, user := c.state(i, temp)
			require.Equal(t, []int64{6, 777}, []int64{int64(state), user}, step)
			got, err := c.on(i).AuthsessionGetFutureSalts(&authsession.TLAuthsessionGetFutureSalts{AuthKeyId: temp.IntID()})
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(got.Salts), 2)
		}
	}
	is("warm")
	c.mini.FlushAll()
	is("flushed")
	address := c.mini.Addr()
	c.mini.Close()
	is("gone")
	other := c.device()
	c.login(other, 778)
	_, user := c.state(1, other)
	require.EqualValues(t, 778, user)
	_, err := c.on(0).AuthsessionUnbindAuthKeyUser(unbind(other.IntID(), 778))
	require.NoError(t, err)
	state, _ := c.state(1, other)
	require.EqualValues(t, 4, state)
	require.NoError(t, c.mini.StartAddr(address))
	is("back")
}

// MySQL goes away: what is cached can be read on, what is written is refused
// with a clear code. A warm read needs one answer of Redis and none of MySQL.
func TestMySQLMayGo(t *testing.T) {
	c := startMini(t)
	network := tcpproxy.Start(t, c.mini.Addr())
	c.nodes[0] = c.node(network.Addr())
	k := c.device()
	c.login(k, 777)
	for i := range 2 {
		c.state(i, k)
	}
	for _, table := range []string{"auth_keys", "auth_key_infos", "auths", "auth_users", "auth_password_pendings", "auth_key_lifetimes"} {
		c.exec("RENAME TABLE " + table + " TO gone_" + table)
	}
	before := network.Requests()
	state, user := c.state(0, k)
	require.EqualValues(t, 6, state)
	require.EqualValues(t, 777, user)
	require.EqualValues(t, 1, network.Requests()-before)
	_, err := c.on(0).AuthsessionSetLayer(&authsession.TLAuthsessionSetLayer{AuthKeyId: k.IntID(), Layer: 5})
	refused(t, err, 500, "INTERNAL_SERVER_ERROR")
}
