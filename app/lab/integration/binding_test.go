package integration

import (
	"crypto/rand"
	"encoding/binary"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/keyexpiry"
	"github.com/tgsession/tgsession/proto/authsession"
)

// bindRequest makes a bind request for a temp key, encrypted with perm. The
// inner message names innerPerm, which an honest client sets to perm's id.
func bindRequest(t testing.TB, perm, temp *authKey, innerPerm, sessionID, msgID int64) *tg.AuthBindTempAuthKeyRequest {
	t.Helper()
	return bindRequestUntil(t, perm, temp, innerPerm, sessionID, msgID, time.Now().Add(time.Hour))
}

func bindRequestUntil(t testing.TB, perm, temp *authKey, innerPerm, sessionID, msgID int64, until time.Time) *tg.AuthBindTempAuthKeyRequest {
	t.Helper()
	return sealBind(t, perm, msgID, crypto.BindAuthKeyInner{
		Nonce: int64Random(), TempAuthKeyID: temp.id(), PermAuthKeyID: innerPerm,
		TempSessionID: sessionID, ExpiresAt: int(until.Unix()),
	})
}

// sealBind encrypts the inner message with perm for the message msgID.
func sealBind(t testing.TB, perm *authKey, msgID int64, inner crypto.BindAuthKeyInner) *tg.AuthBindTempAuthKeyRequest {
	t.Helper()
	sealed, err := crypto.EncryptBindMessage(rand.Reader, perm.key, msgID, &inner)
	require.NoError(t, err)
	return &tg.AuthBindTempAuthKeyRequest{
		PermAuthKeyID: perm.id(), Nonce: inner.Nonce, ExpiresAt: inner.ExpiresAt, EncryptedMessage: sealed,
	}
}

// bind binds the client's temp key to perm through session.
func (c *client) bind(perm *authKey) []byte {
	c.t.Helper()
	id := c.msgID()
	body := encode(c.t, bindRequest(c.t, perm, c.key, perm.id(), c.id, id))
	require.NoError(c.t, c.sendPacket(packet(id, c.seqNo(true), body)))
	return c.result(id)
}

func isTrue(body []byte) bool {
	return len(body) == 4 && binary.LittleEndian.Uint32(body) == tg.BoolTrueTypeID
}

// A temp key serves its perm key's user after it was bound, in the session
// that bound it, and the BFF sees both ids.
func TestTempKeyServesItsPermKey(t *testing.T) {
	c := share(t)
	perm := c.newKey(0)
	c.login(perm, 4711)
	temp := c.open(c.newKey(1))

	require.True(t, isTrue(temp.bind(perm)))
	temp.key.perm = perm.id() // what the gateway learns

	c.answer(getState, &tg.UpdatesState{Pts: 7})
	temp.result(temp.call(initialised(t, &tg.UpdatesGetStateRequest{})))
	calls := c.bff.seen(getState)
	require.Len(t, calls, 1)
	require.Equal(t, int64(4711), calls[0].Meta.UserId)
	require.Equal(t, temp.key.id(), calls[0].Meta.AuthId)
	require.Equal(t, perm.id(), calls[0].Meta.PermAuthKeyId)
	require.Equal(t, temp.id, calls[0].Meta.SessionId)
}

// Weakness 1: the owner of key A named victim V in the inner part of a bind
// message, and the stock authsession bound the temp key to V.
func TestWeakness01BindCannotNameAForeignPermKey(t *testing.T) {
	c := share(t)
	attacker, victim := c.newKey(0), c.newKey(0)
	c.login(victim, 1)
	temp := c.newKey(1)

	req := bindRequest(t, attacker, temp, victim.id(), 5, 4)
	_, err := c.auth.AuthsessionBindTempAuthKey(t.Context(), &authsession.TLAuthsessionBindTempAuthKey{
		PermAuthKeyId: req.PermAuthKeyID, Nonce: req.Nonce, ExpiresAt: int32(req.ExpiresAt), EncryptedMessage: req.EncryptedMessage,
	})
	require.Equal(t, codes.Code(400), status.Code(err))
	require.Equal(t, "ENCRYPTED_MESSAGE_INVALID", status.Convert(err).Message())

	_, err = c.auth.AuthsessionGetPermAuthKeyId(t.Context(), &authsession.TLAuthsessionGetPermAuthKeyId{AuthKeyId: temp.id()})
	require.Equal(t, codes.Code(401), status.Code(err), "the temp key stays unbound")
}

// Weakness 2: session believed the perm key id of any packet, so that an
// unbound temp key acted as whomever it named.
func TestWeakness02UnboundKeyCannotActForAnother(t *testing.T) {
	c := share(t)
	victim := c.newUser(1)
	thief := c.open(c.newKey(1))
	thief.key.perm = victim.key.id()

	c.answer(getUsers, &tg.UserClassVector{})
	e := thief.rpcError(thief.call(&tg.UsersGetUsersRequest{ID: []tg.InputUserClass{&tg.InputUserSelf{}}}))
	require.Equal(t, 401, e.ErrorCode)
	require.Equal(t, "AUTH_KEY_PERM_EMPTY", e.ErrorMessage)
	require.Empty(t, c.bff.seen(getUsers), "the BFF must not see the call")

	victim.result(victim.call(&tg.UsersGetUsersRequest{ID: []tg.InputUserClass{&tg.InputUserSelf{}}}))
	require.Len(t, c.bff.seen(getUsers), 1, "the victim is served as before")
}

// Weakness 3: all keys without a perm key id, HTTP clients among them,
// shared one state: the first login was everybody's.
func TestWeakness03KeysWithoutPermIDShareNothing(t *testing.T) {
	c := share(t)
	a, b := newHTTPClient(t, c), newHTTPClient(t, c)
	c.login(a.key, 77)
	c.answer(getUsers, &tg.UserClassVector{})
	query := &tg.UsersGetUsersRequest{ID: []tg.InputUserClass{&tg.InputUserSelf{}}}

	a.result(a.call(query))
	require.Len(t, c.bff.seen(getUsers), 1)
	require.Equal(t, int64(77), c.bff.seen(getUsers)[0].Meta.UserId)

	e := b.rpcError(b.call(query))
	require.Equal(t, 401, e.ErrorCode)
	require.Equal(t, "AUTH_KEY_UNREGISTERED", e.ErrorMessage)
	require.Len(t, c.bff.seen(getUsers), 1)
}

// Weakness 7: most of a bind request was not compared with what carried it, so
// that an old one could be replayed and any key bound.
func TestWeakness07EveryPartOfABindCounts(t *testing.T) {
	c := share(t)
	perm, other := c.newKey(0), c.newKey(0)
	hour := int(time.Now().Add(time.Hour).Unix())
	cases := map[string]struct {
		seal func(temp *client, id int64) *tg.AuthBindTempAuthKeyRequest
		want string
	}{
		"nonce": {func(temp *client, id int64) *tg.AuthBindTempAuthKeyRequest {
			r := bindRequest(t, perm, temp.key, perm.id(), temp.id, id)
			r.Nonce++
			return r
		}, "ENCRYPTED_MESSAGE_INVALID"},
		"expires_at": {func(temp *client, id int64) *tg.AuthBindTempAuthKeyRequest {
			r := bindRequest(t, perm, temp.key, perm.id(), temp.id, id)
			r.ExpiresAt++
			return r
		}, "ENCRYPTED_MESSAGE_INVALID"},
		"perm key id": {func(temp *client, id int64) *tg.AuthBindTempAuthKeyRequest {
			r := bindRequest(t, perm, temp.key, perm.id(), temp.id, id)
			r.PermAuthKeyID = other.id()
			return r
		}, "ENCRYPTED_MESSAGE_INVALID"},
		"temp key id": {func(temp *client, id int64) *tg.AuthBindTempAuthKeyRequest {
			return sealBind(t, perm, id, crypto.BindAuthKeyInner{
				Nonce: 1, TempAuthKeyID: other.id(), PermAuthKeyID: perm.id(), TempSessionID: temp.id, ExpiresAt: hour,
			})
		}, "ENCRYPTED_MESSAGE_INVALID"},
		"session id": {func(temp *client, id int64) *tg.AuthBindTempAuthKeyRequest {
			return bindRequest(t, perm, temp.key, perm.id(), temp.id+1, id)
		}, "ENCRYPTED_MESSAGE_INVALID"},
		"message id": {func(temp *client, id int64) *tg.AuthBindTempAuthKeyRequest {
			return bindRequest(t, perm, temp.key, perm.id(), temp.id, id-4)
		}, "ENCRYPTED_MESSAGE_INVALID"},
		"in the past": {func(temp *client, id int64) *tg.AuthBindTempAuthKeyRequest {
			return bindRequestUntil(t, perm, temp.key, perm.id(), temp.id, id, time.Now().Add(-time.Minute))
		}, "EXPIRES_AT_INVALID"},
	}
	for name, bad := range cases {
		t.Run(name, func(t *testing.T) {
			temp := c.open(c.newKey(1))
			id := temp.msgID()
			e := temp.rpcErrorOf(id, bad.seal(temp, id))
			require.Equal(t, 400, e.ErrorCode)
			require.Equal(t, bad.want, e.ErrorMessage)
			_, err := c.auth.AuthsessionGetPermAuthKeyId(t.Context(), &authsession.TLAuthsessionGetPermAuthKeyId{AuthKeyId: temp.key.id()})
			require.Equal(t, codes.Code(401), status.Code(err), "the temp key stays unbound")
			require.True(t, isTrue(temp.bind(perm)), "and may still be bound")
		})
	}
	t.Run("a clock that is ahead is no reason to refuse", func(t *testing.T) {
		temp := c.open(newKeyFor(t, c.conn, 1, time.Hour))
		id := temp.msgID()
		request := bindRequestUntil(t, perm, temp.key, perm.id(), temp.id, id, time.Now().Add(48*time.Hour))
		require.NoError(t, temp.sendPacket(packet(id, temp.seqNo(true), encode(t, request))))
		require.True(t, isTrue(temp.result(id)))
		var trailer metadata.MD
		_, err := c.auth.AuthsessionGetPermAuthKeyId(t.Context(), &authsession.TLAuthsessionGetPermAuthKeyId{AuthKeyId: temp.key.id()}, grpc.Trailer(&trailer))
		require.NoError(t, err)
		require.InDelta(t, time.Now().Add(time.Hour+time.Minute).Unix(), keyexpiry.Read(trailer), 30, "it ends with its key")
	})
	t.Run("a perm key is no temp key", func(t *testing.T) {
		victim := c.newClient()
		id := victim.msgID()
		e := victim.rpcErrorOf(id, bindRequest(t, perm, victim.key, perm.id(), victim.id, id))
		require.Equal(t, "TEMP_AUTH_KEY_EMPTY", e.ErrorMessage)
	})
	t.Run("a bound key stays where it is", func(t *testing.T) {
		temp := c.open(c.newKey(1))
		require.True(t, isTrue(temp.bind(perm)))
		require.True(t, isTrue(temp.bind(perm)), "again to the same")
		id := temp.msgID()
		e := temp.rpcErrorOf(id, bindRequest(t, other, temp.key, other.id(), temp.id, id))
		require.Equal(t, "TEMP_AUTH_KEY_ALREADY_BOUND", e.ErrorMessage)
	})
}

// Weakness 8: encrypted_message was sliced without a look at its length.
func TestWeakness08ShortBindMessagesAreRefused(t *testing.T) {
	c := share(t)
	perm := c.newKey(0)
	for _, size := range []int{0, 8, 23, 24, 40, 103, 105, 4096} {
		_, err := c.auth.AuthsessionBindTempAuthKey(t.Context(), &authsession.TLAuthsessionBindTempAuthKey{
			PermAuthKeyId: perm.id(), Nonce: 1, ExpiresAt: int32(time.Now().Unix()) + 60, EncryptedMessage: make([]byte, size),
		})
		require.Equal(t, codes.Code(400), status.Code(err), "%d bytes", size)
		require.Equal(t, "ENCRYPTED_MESSAGE_INVALID", status.Convert(err).Message(), "%d bytes", size)
	}
}

// Weakness 11: a bind that failed killed the wrapper of the perm key that it
// named: anyone could end anyone's sessions by key id.
func TestWeakness11FailedBindDoesNotHarmThePermKey(t *testing.T) {
	c := share(t)
	victim := c.newUser(1)

	// A call of the victim is in flight while the bind fails.
	release := c.hold(getUsers, &tg.UserClassVector{})
	call := victim.call(&tg.UsersGetUsersRequest{ID: []tg.InputUserClass{&tg.InputUserSelf{}}})
	eventually(t, "the call is in flight", func() bool { return len(c.bff.seen(getUsers)) == 1 })

	thief := c.open(c.newKey(1))
	thief.key.perm = victim.key.id()
	garbage := &tg.AuthBindTempAuthKeyRequest{
		PermAuthKeyID: victim.key.id(), Nonce: 1, ExpiresAt: int(time.Now().Unix()) + 60, EncryptedMessage: make([]byte, 104),
	}
	e := thief.rpcError(thief.call(garbage))
	require.Equal(t, 400, e.ErrorCode)
	require.Equal(t, "ENCRYPTED_MESSAGE_INVALID", e.ErrorMessage)

	release()
	victim.result(call)
	require.Zero(t, count(victim.until(), 0x9ec20908), "the victim's session must not start anew")
}
