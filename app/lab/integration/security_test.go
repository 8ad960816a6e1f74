package integration

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// requireRefused sends a call that has to end with an rpc_error.
func (c *client) requireRefused(e bin.Encoder, code int, text string) {
	c.t.Helper()
	err := c.rpcError(c.call(e))
	require.Equal(c.t, code, err.ErrorCode, err.ErrorMessage)
	require.Equal(c.t, text, err.ErrorMessage)
}

// Weakness 5: a login was bound before its password was asked for, and that
// the password was owed was known in memory alone: whatever made the key's
// state anew, half a minute's pause or a restart, completed the login.
func TestWeakness05OwedPasswordOutlivesTheKeysState(t *testing.T) {
	c := share(t)
	cl, user := c.newClient(), newUserID()
	c.bff.on(signIn, func(ctx context.Context, _ bffCall) ([]byte, error) {
		_, err := c.auth.AuthsessionBindAuthKeyUser(ctx, &authsession.TLAuthsessionBindAuthKeyUser{AuthKeyId: cl.key.id(), UserId: user})
		if err != nil {
			return nil, err
		}
		return nil, status.Error(401, fmt.Sprintf("SESSION_PASSWORD_NEEDED_%d", user))
	})
	request := &tg.AuthSignInRequest{PhoneNumber: "1", PhoneCodeHash: "2"}
	request.SetPhoneCode("3")
	cl.requireRefused(initialised(t, request), 401, "SESSION_PASSWORD_NEEDED")

	state, err := c.auth.AuthsessionGetAuthStateData(t.Context(), &authsession.TLAuthsessionGetAuthStateData{AuthKeyId: cl.key.id()})
	require.NoError(t, err)
	require.EqualValues(t, 5, state.KeyState)

	cl.forgotten()
	c.answer(getUsers, &tg.UserClassVector{})
	cl.requireRefused(getSelf, 401, "SESSION_PASSWORD_NEEDED")
	require.Empty(t, c.bff.seen(getUsers))
}

func (c *cluster) queryKey(id int64) error {
	_, err := session.NewRPCSessionClient(c.conn).SessionQueryAuthKey(c.t.Context(), &session.TLSessionQueryAuthKey{AuthKeyId: id})
	return err
}

// Weakness 6: temp keys and their bindings never ended, and destroy_auth_key
// said ok and destroyed nothing.
func TestWeakness06KeysEnd(t *testing.T) {
	t.Parallel()
	t.Run("a temp key at its time", func(t *testing.T) {
		c := share(t)
		k := newKeyFor(t, c.conn, 1, 2*time.Second) // of whole seconds, the first of which may be over at once
		require.NoError(t, c.queryKey(k.id()))
		eventually(t, "the key is unknown", func() bool { return status.Code(c.queryKey(k.id())) == 401 })
		cl := c.open(k)
		eventually(t, "its packets are refused", func() bool {
			return status.Code(cl.sendPacket(packet(cl.msgID(), cl.seqNo(true), encode(t, getSelf)))) == 401
		})
	})
	t.Run("a binding at its time", func(t *testing.T) {
		c := share(t)
		perm, temp := c.newKey(0), c.open(newKeyFor(t, c.conn, 1, time.Minute))
		id := temp.msgID()
		request := bindRequestUntil(t, perm, temp.key, perm.id(), temp.id, id, time.Now().Add(2*time.Second))
		require.NoError(t, temp.sendPacket(packet(id, temp.seqNo(true), encode(t, request))))
		require.True(t, isTrue(temp.result(id)))
		eventually(t, "the temp key speaks for nobody", func() bool {
			_, err := c.auth.AuthsessionGetPermAuthKeyId(t.Context(), &authsession.TLAuthsessionGetPermAuthKeyId{AuthKeyId: temp.key.id()})
			return status.Code(err) == 401
		})
		temp.key.perm = perm.id()
		eventually(t, "nor to session", func() bool {
			return status.Code(temp.sendPacket(packet(temp.msgID(), temp.seqNo(true), encode(t, getSelf)))) == 401
		})
	})
	t.Run("a key that its client destroys", func(t *testing.T) {
		c := share(t)
		cl := c.newUser(newUserID())
		const destroyAuthKey, destroyed = 0xd1435160, 0xf660e1d4
		var b bin.Buffer
		b.PutID(destroyAuthKey)
		answer := bin.Buffer{Buf: cl.result(cl.send(b.Buf, true))}
		require.NoError(t, answer.ConsumeID(destroyed))
		require.Equal(t, codes.Code(401), status.Code(c.queryKey(cl.key.id())))
		c.open(cl.key).requireRefused(getSelf, 401, "AUTH_KEY_UNREGISTERED")
		require.Empty(t, c.bff.seen(getUsers))
	})
}

// Weakness 10: a key whose login had ended was told to restart its
// authorisation (500), and clients went round in circles instead of logging
// out.
func TestWeakness10NoLoginIs401(t *testing.T) {
	c := share(t)
	never, ended := c.newClient(), c.newUser(newUserID())
	never.requireRefused(initialised(t, getSelf), 401, "AUTH_KEY_UNREGISTERED")

	const logOut = "/mtproto.RPCAuthorization/auth_logOut"
	c.bff.on(logOut, func(ctx context.Context, call bffCall) ([]byte, error) {
		_, err := c.auth.AuthsessionUnbindAuthKeyUser(ctx, &authsession.TLAuthsessionUnbindAuthKeyUser{AuthKeyId: call.Meta.PermAuthKeyId, UserId: call.Meta.UserId})
		return c.bff.encodeResult(t, logOut, &tg.AuthLoggedOut{}), err
	})
	ended.result(ended.call(&tg.AuthLogOutRequest{}))
	ended.requireRefused(getSelf, 401, "AUTH_KEY_UNREGISTERED")
	ended.forgotten()
	ended.requireRefused(getSelf, 401, "AUTH_KEY_UNREGISTERED")
}

// Weakness 12: calls of keys without a login had effects: they set the push
// session, made their session the one for updates, and some reached the BFF.
func TestWeakness12NothingHappensBeforeLogin(t *testing.T) {
	c := share(t)
	cl := c.newClient()
	for _, call := range []bin.Object{
		&tg.AccountRegisterDeviceRequest{TokenType: 7, Token: fmt.Sprint(cl.id)},
		&tg.UpdatesGetStateRequest{},
		&tg.AccountUpdateStatusRequest{},
		&tg.AccountGetPasskeysRequest{},
		&tg.UploadGetFileRequest{Location: &tg.InputFileLocation{}, Limit: 1024},
		&tg.AccountDeleteAccountRequest{Reason: "none"},
		&tg.AuthAcceptLoginTokenRequest{Token: []byte{1}},
	} {
		cl.requireRefused(initialised(t, call), 401, "AUTH_KEY_UNREGISTERED")
	}
	require.Empty(t, c.bff.all(), "the BFF was called")
	require.Nil(t, c.status.entry(cl.key.perm))

	// Nor does any of it count once there is a login.
	user := newUserID()
	c.login(cl.key, user)
	push, err := c.auth.AuthsessionGetPushSessionId(t.Context(), &authsession.TLAuthsessionGetPushSessionId{UserId: user, AuthKeyId: cl.key.perm, TokenType: 7})
	require.NoError(t, err)
	require.Zero(t, push.V)
	const getFile = "/mtproto.RPCFiles/upload_getFile"
	c.answer(getFile, &tg.UploadFile{Type: &tg.StorageFileUnknown{}})
	eventually(t, "session knows of the login", func() bool {
		id := cl.call(&tg.UploadGetFileRequest{Location: &tg.InputFileLocation{}, Limit: 1024}) // subscribes to nothing
		cl.answer(id)
		return len(c.bff.seen(getFile)) > 0
	})
	_, err = session.NewRPCSessionClient(c.conn).SessionPushUpdatesData(t.Context(), &session.TLSessionPushUpdatesData{
		PermAuthKeyId: cl.key.perm, Notification: true, Updates: c.typing(7),
	})
	require.NoError(t, err)
	said := cl.until()
	require.Zero(t, count(said, tg.UpdateShortTypeID), "it takes no updates")
	require.Zero(t, count(said, tg.UpdatesTooLongTypeID), "nor push messages")
}

// Weakness 13: errors about a message that did not decrypt held the key they
// were made with, and were logged.
func TestWeakness13NoSecretInLogsOrErrors(t *testing.T) {
	c := share(t)
	perm, temp := c.newKey(0), c.open(c.newKey(1))
	secret := perm.key.Value[:]
	var errs []string
	for i := range 4 { // the msg_key, the ciphertext, both ids
		id := temp.msgID()
		request := bindRequest(t, perm, temp.key, perm.id(), temp.id, id)
		request.EncryptedMessage[8+24*i] ^= 1
		errs = append(errs, temp.rpcErrorOf(id, request).ErrorMessage)
	}
	for _, info := range []*mtproto.AuthKeyInfo{
		{AuthKeyId: perm.id() + 1, AuthKey: secret, PermAuthKeyId: perm.id() + 1}, // not its id
		{AuthKeyId: perm.id(), AuthKey: secret[:255], PermAuthKeyId: perm.id()},
		{AuthKeyId: perm.id(), AuthKey: secret, AuthKeyType: 9},
	} {
		_, err := session.NewRPCSessionClient(c.conn).SessionSetAuthKey(t.Context(), &session.TLSessionSetAuthKey{AuthKey: info})
		require.Error(t, err)
		errs = append(errs, err.Error())
	}
	require.Error(t, c.queryKey(perm.id()+1))
	require.NoError(t, c.queryKey(perm.id()))

	for where, text := range map[string]string{
		"errors": strings.Join(errs, "\n"), "session's log": c.session.output.String(), "authsession's log": c.authsession.output.String(),
	} {
		for start := 0; start+16 <= len(secret); start += 8 {
			part := secret[start : start+16]
			for _, form := range []string{
				string(part), hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)),
				strings.Trim(fmt.Sprintf("%d", part), "[]"), strings.Trim(fmt.Sprintf("%#v", part), "[]byte{}"),
			} {
				require.NotContains(t, text, form, where)
			}
			for shift := range 3 {
				encoded := base64.RawStdEncoding.EncodeToString(part[shift : shift+12])
				require.NotContains(t, text, encoded, where)
			}
		}
	}
}

// rpcErrorOf sends a call under a given id, which has to end with an rpc_error.
func (c *client) rpcErrorOf(id int64, e bin.Encoder) mt.RPCError {
	c.t.Helper()
	require.NoError(c.t, c.sendPacket(packet(id, c.seqNo(true), encode(c.t, e))))
	return c.rpcError(id)
}

// Weakness 14: a key was stored under whatever id came with it, and salts had
// 63 bits of a weak generator.
func TestWeakness14KeysAndSaltsAreWhatTheySay(t *testing.T) {
	c := share(t)
	k := c.newKey(0)
	for name, info := range map[string]*mtproto.AuthKeyInfo{
		"another id": {AuthKeyId: int64Random(), AuthKey: k.key.Value[:]},
		"short":      {AuthKeyId: k.id(), AuthKey: k.key.Value[:128]},
		"long":       {AuthKeyId: k.id(), AuthKey: append(k.key.Value[:], 0)},
		"none":       {AuthKeyId: k.id()},
	} {
		info.PermAuthKeyId = info.AuthKeyId
		_, err := c.auth.AuthsessionSetAuthKey(t.Context(), &authsession.TLAuthsessionSetAuthKey{AuthKey: info})
		require.Equal(t, codes.Code(400), status.Code(err), "%s: %v", name, err)
	}
	salts, negative := map[int64]bool{}, 0
	for len(salts) < 200 {
		before := len(salts)
		res, err := c.auth.AuthsessionGetFutureSalts(t.Context(), &authsession.TLAuthsessionGetFutureSalts{AuthKeyId: c.newKey(0).id(), Num: 64})
		require.NoError(t, err)
		for _, s := range res.Salts {
			salts[s.Data2.Salt] = true
			if s.Data2.Salt < 0 {
				negative++
			}
		}
		require.Greater(t, len(salts), before)
	}
	require.InDelta(t, len(salts)/2, negative, float64(len(salts))/4, "the top bit of %d salts", len(salts))
}
