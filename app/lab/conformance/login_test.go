package conformance

import (
	"regexp"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/conformance/wiretest"
)

type answer = func(body []byte) any

func always(e bin.Encoder) answer { return func([]byte) any { return e } }

func rpcError(code int, text string) answer {
	return always(&mt.RPCError{ErrorCode: code, ErrorMessage: text})
}

// loginServer logs everyone in. Ending a login is answered with ending, and from
// then on the user's calls with ended.
func loginServer(ending, ended answer) *scripted {
	state := always(&tg.UpdatesState{})
	var devices []tg.Authorization
	return &scripted{answers: map[uint32]answer{
		tg.HelpGetNearestDCRequestTypeID: always(&tg.NearestDC{}),
		tg.AuthSendCodeRequestTypeID: func(body []byte) any {
			init := tg.InitConnectionRequest{Query: &tg.AuthSendCodeRequest{}}
			if err := decode(body, &tg.InvokeWithLayerRequest{Query: &init}); err != nil {
				return &mt.RPCError{ErrorCode: 400, ErrorMessage: "INPUT_FETCH_ERROR"}
			}
			devices = append(devices, tg.Authorization{Hash: int64(len(devices) + 1), DeviceModel: init.DeviceModel})
			return &tg.AuthSentCode{Type: &tg.AuthSentCodeTypeApp{}}
		},
		tg.AuthSignInRequestTypeID:      always(&tg.AuthAuthorization{User: &tg.UserEmpty{}}),
		tg.UpdatesGetStateRequestTypeID: func(body []byte) any { return state(body) },
		tg.AccountGetAuthorizationsRequestTypeID: func([]byte) any {
			return &tg.AccountAuthorizations{Authorizations: devices}
		},
		tg.AccountResetAuthorizationRequestTypeID: func(body []byte) any {
			var r tg.AccountResetAuthorizationRequest
			if decode(body, &r) != nil || r.Hash != 1 { // who signed in first
				return &mt.RPCError{ErrorCode: 400, ErrorMessage: "HASH_INVALID"}
			}
			out := ending(body)
			if _, refused := out.(*mt.RPCError); !refused {
				state = ended
			}
			return out
		},
		tg.MessagesSendMessageRequestTypeID: always(&tg.Updates{}),
	}}
}

// row asks a server about one rule.
func row(t *testing.T, s *scripted, rule string) Row {
	t.Helper()
	rows, err := Run(t.Context(), &Target{
		Addr: wiretest.ServePushes(t, s.take), Key: &wiretest.RSAKey().PublicKey, DC: 2, Workers: 1, Patience: 20 * time.Second,
		Only: regexp.MustCompile("^" + rule + "$"), Phone: "1", Code: "1", PasswordPhone: "2",
	})
	require.NoError(t, err)
	require.Len(t, rows, 1)
	return rows[0]
}

func TestEndedLogin(t *testing.T) {
	yes := always(&tg.BoolTrue{})
	for _, c := range []struct {
		name          string
		ending, ended answer
		want          Status
		detail        string
	}{
		{"SESSION_REVOKED", yes, rpcError(401, "SESSION_REVOKED"), Pass, ""},
		{"no login any more", yes, rpcError(401, "AUTH_KEY_UNREGISTERED"), Pass, ""},
		{"another error", yes, rpcError(500, "AUTH_RESTART"), Fail, "AUTH_KEY_UNREGISTERED, got 500 AUTH_RESTART"},
		{"a login that goes on", yes, always(&tg.UpdatesState{}), Fail, "expected rpc_error 401, got results for 20s"},
		{"a login that is too new", rpcError(406, "FRESH_RESET_AUTHORISATION_FORBIDDEN"), nil, Skip, "406 FRESH_RESET_AUTHORISATION_FORBIDDEN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := row(t, loginServer(c.ending, c.ended), "ERR-4")
			require.Equal(t, c.want, got.Status, got.Detail)
			require.Contains(t, got.Detail, c.detail)
		})
	}
}

// A server whose list says too little is told from one that does wrong.
func TestLoginThatIsNotListed(t *testing.T) {
	s := loginServer(nil, nil)
	s.answers[tg.AccountGetAuthorizationsRequestTypeID] = always(&tg.AccountAuthorizations{Authorizations: []tg.Authorization{{Hash: 1}}})
	got := row(t, s, "ERR-4")
	require.Equal(t, Skip, got.Status, got.Detail)
	require.Contains(t, got.Detail, "account.getAuthorizations")
}

func TestOwedPassword(t *testing.T) {
	owed := rpcError(401, "SESSION_PASSWORD_NEEDED_7")
	for _, c := range []struct {
		name          string
		signIn, calls answer
		want          Status
		detail        string
	}{
		{"a password", owed, rpcError(401, "SESSION_PASSWORD_NEEDED"), Pass, ""},
		{"calls that are served before it", owed, always(&tg.UpdatesState{}), Fail, "got updates.state"},
		{"calls that end the login", owed, rpcError(401, "AUTH_KEY_UNREGISTERED"), Fail, "got rpc_error 401 AUTH_KEY_UNREGISTERED"},
		{"another error", rpcError(400, "PHONE_CODE_INVALID"), nil, Fail, "got 400 PHONE_CODE_INVALID"},
		{"no password", always(&tg.AuthAuthorization{User: &tg.UserEmpty{}}), nil, Skip, "has no password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := loginServer(nil, nil)
			s.answers[tg.AuthSignInRequestTypeID] = c.signIn
			s.answers[tg.UpdatesGetStateRequestTypeID] = c.calls
			got := row(t, s, "ERR-6")
			require.Equal(t, c.want, got.Status, got.Detail)
			require.Contains(t, got.Detail, c.detail)
		})
	}
}

// The account is made where there is none, and its password is asked for on
// the next device.
func TestOwedPasswordOfNewAccount(t *testing.T) {
	s := loginServer(nil, nil)
	s.answers[tg.UpdatesGetStateRequestTypeID] = rpcError(401, "SESSION_PASSWORD_NEEDED")
	s.answers[tg.AuthSignInRequestTypeID] = always(&tg.AuthAuthorizationSignUpRequired{})
	s.answers[tg.AuthSignUpRequestTypeID] = func([]byte) any {
		s.answers[tg.AuthSignInRequestTypeID] = rpcError(401, "SESSION_PASSWORD_NEEDED")
		return &tg.AuthAuthorization{User: &tg.UserEmpty{}}
	}
	got := row(t, s, "ERR-6")
	require.Equal(t, Pass, got.Status, got.Detail)
}
