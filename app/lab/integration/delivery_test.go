package integration

import (
	"testing"
	"time"

	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/session"
)

// updates encodes updates as sync carries them.
func (c *cluster) updates(u tg.UpdatesClass) []byte {
	c.t.Helper()
	out, _, err := c.bff.schema.Decode(nil, c.bff.schema.Message("Updates"), encode(c.t, u))
	require.NoError(c.t, err)
	return out
}

// push hands updates to session as sync does.
func (c *cluster) push(k *authKey, updates []byte) {
	c.t.Helper()
	res, err := session.NewRPCSessionClient(c.conn).SessionPushUpdatesData(c.t.Context(), &session.TLSessionPushUpdatesData{
		PermAuthKeyId: k.perm, Updates: updates,
	})
	require.NoError(c.t, err)
	require.Equal(c.t, "boolTrue", res.PredicateName)
}

// A user who asked for the state is online at this node, and gets what sync
// pushes; when the gateway closes the session, the user goes offline.
func TestOnlineUsersGetPushes(t *testing.T) {
	c := share(t)
	cl := c.newUser(42)
	eventually(t, "the user is online", func() bool { return c.status.entry(cl.key.perm) != nil })
	entry := c.status.entry(cl.key.perm)
	require.Equal(t, int64(42), entry.UserId)
	require.Equal(t, c.session.addr, entry.Gateway, "where sync finds the key")
	require.Equal(t, "android", entry.Client)

	c.push(cl.key, c.updates(&tg.UpdateShort{Update: &tg.UpdateUserTyping{UserID: 7, Action: &tg.SendMessageTypingAction{}}, Date: 1}))
	cl.awaitConstructor(tg.UpdateShortTypeID)

	_, err := session.NewRPCSessionClient(c.conn).SessionCloseSession(t.Context(), &session.TLSessionCloseSession{
		Client: &session.SessionClientEvent{ServerId: c.gateway.addr, AuthKeyId: cl.key.id(), PermAuthKeyId: cl.key.perm, SessionId: cl.id},
	})
	require.NoError(t, err)
	eventually(t, "the user is offline", func() bool { return c.status.entry(cl.key.perm) == nil })
}

// An answer that found no connection is sent again as soon as the client is
// back, under the same message id.
func TestWeakness23AnswersAreRepeatedAtOnceAfterReconnect(t *testing.T) {
	c := share(t)
	cl := c.newUser(1)
	c.answer(nearestDC, &tg.NearestDC{Country: "ZZ", ThisDC: 1, NearestDC: 1})

	c.gateway.close(connKey{cl.key.id(), cl.id})
	call := cl.call(&tg.HelpGetNearestDCRequest{})
	eventually(t, "the BFF answered", func() bool { return len(c.bff.seen(nearestDC)) == 1 })

	cl.conn, cl.fresh = c.gateway.open(connKey{cl.key.id(), cl.id}), true
	cl.send(encode(t, &mt.PingRequest{PingID: 1}), true)
	var dc tg.NearestDC
	require.NoError(t, decode(cl.result(call), &dc))
	require.Equal(t, "ZZ", dc.Country)
	require.Len(t, c.bff.seen(nearestDC), 1, "the call ran once")
}

// Weakness 9: the news that one login of a user had ended goes to all the
// user's keys, and ended the sessions of each, with the answers in flight.
func TestWeakness09ResetConcernsTheNamedKeyOnly(t *testing.T) {
	c := share(t)
	user := newUserID()
	ended, other := c.newUser(user), c.newUser(user)
	release := c.hold(getUsers, &tg.UserClassVector{})
	inFlight := other.call(getSelf)
	eventually(t, "a call is in flight", func() bool { return len(c.bff.seen(getUsers)) == 1 })

	number := func(name string) protowire.Number {
		n, ok := c.bff.schema.FieldNumber("Updates", name)
		require.True(t, ok, name)
		return protowire.Number(n)
	}
	reset := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "updateAccountResetAuthorization")
	reset = protowire.AppendVarint(protowire.AppendTag(reset, number("user_id"), protowire.VarintType), uint64(user))
	reset = protowire.AppendVarint(protowire.AppendTag(reset, number("auth_key_id"), protowire.VarintType), uint64(ended.key.perm))
	_, err := c.auth.AuthsessionUnbindAuthKeyUser(c.t.Context(), &authsession.TLAuthsessionUnbindAuthKeyUser{AuthKeyId: ended.key.perm, UserId: user})
	require.NoError(t, err)
	c.push(ended.key, reset)
	c.push(other.key, reset) // sync tells all keys of the user
	var e mt.RPCError
	eventually(t, "the login has ended", func() bool {
		e = ended.rpcError(ended.call(getSelf))
		return e.ErrorCode == 401
	})
	require.Equal(t, "AUTH_KEY_UNREGISTERED", e.ErrorMessage)
	release()
	other.result(inFlight)
	other.result(other.call(getSelf))

	update := c.updates(&tg.UpdateShort{Update: &tg.UpdateConfig{}, Date: 1})
	c.push(ended.key, update)
	c.push(other.key, update)
	other.awaitConstructor(tg.UpdateShortTypeID)
	for {
		m, ok := ended.next(300 * time.Millisecond)
		if !ok {
			break
		}
		require.NotEqual(t, uint32(tg.UpdateShortTypeID), m.constructor(), "a push reached the ended login")
	}
}

// Weakness 4: the end of a login was felt only where sync found the key in
// status and pushed. authsession now tells the key's node itself, before its
// call returns.
func TestWeakness04RevocationNeedsNoPush(t *testing.T) {
	c := share(t)
	ended, other, user := c.newClient(), c.newClient(), newUserID()
	for _, cl := range []*client{ended, other} {
		c.login(cl.key, user)
	}
	c.answer(getUsers, &tg.UserClassVector{})
	ended.result(ended.call(getSelf))

	res, err := c.auth.AuthsessionResetAuthorization(t.Context(), &authsession.TLAuthsessionResetAuthorization{
		UserId: user, AuthKeyId: other.key.perm, // hash 0: all but this one
	})
	require.NoError(t, err)
	require.Equal(t, []int64{ended.key.perm}, res.Datas)

	e := ended.rpcError(ended.call(getSelf))
	require.Equal(t, 401, e.ErrorCode)
	require.Equal(t, "AUTH_KEY_UNREGISTERED", e.ErrorMessage)
	other.result(other.call(getSelf))
}
