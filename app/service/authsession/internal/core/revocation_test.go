package core

import (
	"slices"
	"testing"

	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/metadata"
)

// Whoever ends a login finds its session node told when the call returns.
func TestSessionNodesAreToldBeforeTheCallReturns(t *testing.T) {
	sessions := testenv.NewSessionNode(t)
	c := startTelling(t, sessions.Address)
	devices := func() (ids [3]crypto.AuthKey) {
		for i := range ids {
			ids[i] = c.device()
			c.login(ids[i], 777)
		}
		require.Empty(t, sessions.Told(), "a first login is not an end")
		return ids
	}
	told := func(user int64, keys ...crypto.AuthKey) {
		t.Helper()
		var want []testenv.Ended
		for _, k := range keys {
			want = append(want, testenv.Ended{AuthKeyID: k.IntID(), UserID: user})
		}
		// Of ends before, their nodes are reminded.
		require.ElementsMatch(t, want, slices.DeleteFunc(sessions.Told(), func(e testenv.Ended) bool { return e.Replaced }))
	}

	d := devices()
	_, err := c.on(0).AuthsessionResetAuthorization(reset(777, d[0].IntID(), 0))
	require.NoError(t, err)
	told(777, d[1], d[2])
	_, err = c.on(0).AuthsessionResetAuthorization(reset(777, d[0].IntID(), 0))
	require.NoError(t, err)
	require.ElementsMatch(t, []testenv.Ended{{AuthKeyID: d[1].IntID(), UserID: 777, Replaced: true}, {AuthKeyID: d[2].IntID(), UserID: 777, Replaced: true}}, sessions.Told(),
		"nothing was left to end: their node looks again")

	_, err = c.on(0).AuthsessionUnbindAuthKeyUser(unbind(d[0].IntID(), 777))
	require.NoError(t, err)
	told(777) // auth.logOut: the key waits for its answer

	d = devices()
	_, err = c.on(1).AuthsessionUnbindAuthKeyUser(unbind(0, 777))
	require.NoError(t, err)
	told(777, d[:]...)

	d = devices()
	_, err = c.with(&metadata.RpcMetadata{PermAuthKeyId: d[1].IntID()}).AuthsessionResetAuthorization(reset(777, 0, 0))
	require.NoError(t, err)
	told(777, d[0], d[2]) // the caller's own is known here, and spared

	d = devices()
	temp := c.key(1, 86400)
	c.bind(d[0], temp)
	_, err = c.on(0).DestroyAuthKey(&authsession.DestroyAuthKeyRequest{AuthKeyId: temp.IntID()})
	require.NoError(t, err)
	told(777) // the perm key and its login are still there
	_, err = c.on(0).DestroyAuthKey(&authsession.DestroyAuthKeyRequest{AuthKeyId: d[0].IntID()})
	require.NoError(t, err)
	told(777, d[0])

	c.login(d[1], 778)
	require.Equal(t, []testenv.Ended{{AuthKeyID: d[1].IntID(), UserID: 777, Replaced: true}}, sessions.Told(),
		"not an end: a sign-in is under way there")
	_, err = c.with(&metadata.RpcMetadata{PermAuthKeyId: d[1].IntID()}).AuthsessionBindAuthKeyUser(
		&authsession.TLAuthsessionBindAuthKeyUser{AuthKeyId: d[1].IntID(), UserId: 779})
	require.NoError(t, err)
	told(777) // its node learns of it by the answer
	c.login(d[1], 778)
	require.Len(t, sessions.Told(), 1)
	state, user := c.state(0, d[1])
	require.Equal(t, []int64{6, 778}, []int64{int64(state), user})
}

// Ended logins are ended, whether or not a node hears of it.
func TestSessionNodesThatCannotBeToldFailNoCall(t *testing.T) {
	c := startTelling(t, "127.0.0.1:1")
	k := c.device()
	c.login(k, 777)
	_, err := c.on(0).AuthsessionResetAuthorization(reset(777, 0, 0))
	require.NoError(t, err)
	state, _ := c.state(1, k)
	require.EqualValues(t, 4, state)
}

func startTelling(t *testing.T, sessions ...string) *cluster {
	c := startMini(t)
	c.sessions = sessions
	for i := range c.nodes {
		c.nodes[i] = c.node(c.mini.Addr())
	}
	return c
}
