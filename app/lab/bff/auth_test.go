package bff

import (
	"testing"

	"github.com/gotd/td/telegram/auth"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/dhgroup"
)

func TestSignUpThenSignIn(t *testing.T) {
	w := newWorld(t, Config{})
	first := w.client(100)
	user := first.logIn(t, "+1 (555) 0001", "Ada")
	require.Equal(t, "Ada", user.FirstName)
	require.Equal(t, "15550001", user.Phone)
	require.True(t, user.Self)
	require.Equal(t, user.ID, w.auth.userOf(100), "the key is bound by its perm id")

	second := w.client(200)
	again := second.logIn(t, "15550001", "somebody else")
	require.Equal(t, user.ID, again.ID)
	require.Equal(t, "Ada", again.FirstName)
	require.Equal(t, user.ID, w.auth.userOf(200))
}

func TestAddUser(t *testing.T) {
	w := newWorld(t, Config{})
	id, err := w.bff.AddUser("+1 (555) 0001", "Ada")
	require.NoError(t, err)
	user := w.client(100).logIn(t, "15550001", "somebody else")
	require.Equal(t, id, user.ID)
	require.Equal(t, "Ada", user.FirstName)
	_, err = w.bff.AddUser("15550001", "Eve")
	require.ErrorContains(t, err, "has an account")
	_, err = w.bff.AddUser("call me", "Eve")
	require.ErrorContains(t, err, "no phone number")
}

func TestLoginErrors(t *testing.T) {
	w := newWorld(t, Config{Code: "77777"})
	d := w.client(100)
	sendCode := func(t *testing.T, phone string) string {
		sent, err := d.AuthSendCode(t.Context(), &tg.AuthSendCodeRequest{PhoneNumber: phone})
		require.NoError(t, err)
		code := sent.(*tg.AuthSentCode)
		require.Equal(t, &tg.AuthSentCodeTypeApp{Length: 5}, code.Type)
		return code.PhoneCodeHash
	}
	for _, tc := range []struct {
		name, phone, hash, code string
		status                  int
		want                    string
	}{
		{name: "no code", phone: "15550001", status: 400, want: "PHONE_CODE_EMPTY"},
		{name: "wrong code", phone: "15550001", code: "12345", status: 400, want: "PHONE_CODE_INVALID"},
		{name: "wrong hash", phone: "15550001", hash: "x", code: "77777", status: 400, want: "PHONE_CODE_EXPIRED"},
		{name: "no code was sent", phone: "15550009", hash: "x", code: "77777", status: 400, want: "PHONE_CODE_EXPIRED"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.hash == "" {
				tc.hash = sendCode(t, tc.phone)
			}
			_, err := d.AuthSignIn(t.Context(), &tg.AuthSignInRequest{PhoneNumber: tc.phone, PhoneCodeHash: tc.hash, PhoneCode: tc.code})
			requireRPCError(t, err, tc.status, tc.want)
		})
	}
	t.Run("phone is none", func(t *testing.T) {
		_, err := d.AuthSendCode(t.Context(), &tg.AuthSendCodeRequest{PhoneNumber: "call me"})
		requireRPCError(t, err, 400, "PHONE_NUMBER_INVALID")
	})
	t.Run("sign-up without the code", func(t *testing.T) {
		_, err := d.AuthSignUp(t.Context(), &tg.AuthSignUpRequest{PhoneNumber: "15550001", PhoneCodeHash: sendCode(t, "15550001"), FirstName: "Eve"})
		requireRPCError(t, err, 400, "PHONE_CODE_INVALID")
	})
	t.Run("sign-up cannot bind", func(t *testing.T) {
		hash := sendCode(t, "15550003")
		required, err := d.AuthSignIn(t.Context(), &tg.AuthSignInRequest{PhoneNumber: "15550003", PhoneCodeHash: hash, PhoneCode: "77777"})
		require.NoError(t, err)
		require.IsType(t, (*tg.AuthAuthorizationSignUpRequired)(nil), required)
		w.auth.failing(grpcstatus.Error(codes.Internal, "database"))
		defer w.auth.failing(nil)
		_, err = d.AuthSignUp(t.Context(), &tg.AuthSignUpRequest{PhoneNumber: "15550003", PhoneCodeHash: hash, FirstName: "Eve"})
		requireRPCError(t, err, 500, "INTERNAL_SERVER_ERROR")
	})
}

// A stock BFF binds the key before it asks for the password.
func TestPassword(t *testing.T) {
	const phone, password = "15550001", "correct horse"
	w := newWorld(t, Config{Passwords: map[string]string{phone: password}})
	owner := w.client(100)
	user := owner.logIn(t, phone, "Ada") // signing up asks for no password

	d := w.client(200)
	sent, err := d.AuthSendCode(t.Context(), &tg.AuthSendCodeRequest{PhoneNumber: phone})
	require.NoError(t, err)
	_, err = d.AuthSignIn(t.Context(), &tg.AuthSignInRequest{
		PhoneNumber: phone, PhoneCodeHash: sent.(*tg.AuthSentCode).PhoneCodeHash, PhoneCode: DefaultCode,
	})
	requireRPCError(t, err, 401, "SESSION_PASSWORD_NEEDED_1001")
	require.Equal(t, user.ID, w.auth.userOf(200))

	try := func(t *testing.T, password string) (tg.AuthAuthorizationClass, error) {
		state, err := d.AccountGetPassword(t.Context())
		require.NoError(t, err)
		require.True(t, state.HasPassword)
		proof, err := auth.PasswordHash([]byte(password), state.SRPID, state.SRPB, state.SecureRandom, state.CurrentAlgo)
		require.NoError(t, err)
		return d.AuthCheckPassword(t.Context(), proof)
	}
	_, err = try(t, "wrong")
	requireRPCError(t, err, 400, "PASSWORD_HASH_INVALID")
	_, err = d.AuthCheckPassword(t.Context(), &tg.InputCheckPasswordSRP{SRPID: 1, A: []byte{1}, M1: []byte{1}})
	requireRPCError(t, err, 400, "SRP_ID_INVALID")
	_, err = d.AuthCheckPassword(t.Context(), &tg.InputCheckPasswordEmpty{})
	requireRPCError(t, err, 400, "PASSWORD_HASH_INVALID")

	authorization, err := try(t, password)
	require.NoError(t, err)
	require.Equal(t, user.ID, authorization.(*tg.AuthAuthorization).User.GetID())

	t.Run("none set", func(t *testing.T) {
		other := w.client(300)
		other.logIn(t, "15550002", "Bob")
		state, err := other.AccountGetPassword(t.Context())
		require.NoError(t, err)
		require.False(t, state.HasPassword)
	})
	t.Run("nobody asks", func(t *testing.T) {
		_, err := w.client(400).AccountGetPassword(t.Context())
		requireRPCError(t, err, 401, "AUTH_KEY_UNREGISTERED")
	})
}

// A multiple of the prime as A would make every password prove right.
func TestPasswordRefusesDegenerateA(t *testing.T) {
	v, err := newVerifier("x")
	require.NoError(t, err)
	c := v.challenge()
	for name, a := range map[string][]byte{"zero": make([]byte, 256), "prime": dhgroup.Prime.Bytes(), "empty": nil} {
		t.Run(name, func(t *testing.T) { require.False(t, c.proves(a, nil)) })
	}
}

func TestLogOut(t *testing.T) {
	w := newWorld(t, Config{})
	d := w.client(100)
	d.logIn(t, "15550001", "Ada")
	_, err := d.AuthLogOut(t.Context())
	require.NoError(t, err)
	require.Zero(t, w.auth.userOf(100))
}

func TestLoginRequired(t *testing.T) {
	d := newWorld(t, Config{}).client(100)
	for name, call := range map[string]func() error{
		"account.getAuthorizations":  func() error { _, err := d.AccountGetAuthorizations(t.Context()); return err },
		"account.resetAuthorization": func() error { _, err := d.AccountResetAuthorization(t.Context(), 1); return err },
		"account.updateStatus":       func() error { _, err := d.AccountUpdateStatus(t.Context(), false); return err },
		"auth.resetAuthorizations":   func() error { _, err := d.AuthResetAuthorizations(t.Context()); return err },
		"contacts.getContacts":       func() error { _, err := d.ContactsGetContacts(t.Context(), 0); return err },
		"messages.getDialogs": func() error {
			_, err := d.MessagesGetDialogs(t.Context(), &tg.MessagesGetDialogsRequest{OffsetPeer: &tg.InputPeerEmpty{}})
			return err
		},
		"messages.getHistory": func() error {
			_, err := d.MessagesGetHistory(t.Context(), &tg.MessagesGetHistoryRequest{Peer: &tg.InputPeerSelf{}})
			return err
		},
		"messages.sendMessage": func() error {
			_, err := d.MessagesSendMessage(t.Context(), &tg.MessagesSendMessageRequest{Peer: &tg.InputPeerSelf{}, Message: "x"})
			return err
		},
		"updates.getState": func() error { _, err := d.UpdatesGetState(t.Context()); return err },
		"updates.getDifference": func() error {
			_, err := d.UpdatesGetDifference(t.Context(), &tg.UpdatesGetDifferenceRequest{Pts: 1})
			return err
		},
		"users.getUsers":    func() error { _, err := d.UsersGetUsers(t.Context(), nil); return err },
		"users.getFullUser": func() error { _, err := d.UsersGetFullUser(t.Context(), &tg.InputUserSelf{}); return err },
	} {
		t.Run(name, func(t *testing.T) { requireRPCError(t, call(), 401, "AUTH_KEY_UNREGISTERED") })
	}
}
