package sess

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Calls wait until the state is known; service messages do not.
func TestCallsWaitForTheState(t *testing.T) {
	x := newWorld(t, false)
	x.states = false
	m := x.recv(1, x.method("updates.getState"))
	x.recv(1, tlPing(1))
	require.Len(t, x.takeOnly(wire.IDPong), 1)
	require.Equal(t, 1, count[*GetAuthState](x))
	require.False(t, x.isInvoked("updates.getState"))
	ticket, _ := find[*GetAuthState](x, nil)
	x.finish(ticket, &AuthState{State: StateNormal, UserID: 5, Client: ClientInfo{
		Layer: 201, LangPack: "android", LangCode: "nl", AppVersion: "1",
	}}, nil)
	_, r := x.invoked("updates.getState")
	require.Equal(t, Meta{
		ClientAddr: "192.0.2.1", AuthKeyID: permKey, PermAuthKeyID: permKey, SessionID: 1, MsgID: m.ID,
		ReceiveTime: x.now / 1e9, UserID: 5, Layer: 201, Client: "android", LangPack: "android", LangCode: "nl",
	}, r.Meta)
}

// ERR-15: a fault of authsession is no 401, neither before the state is known
// nor when it is read again.
func TestFaultIsNo401(t *testing.T) {
	x := newWorld(t, false)
	x.stateErr = &RPCError{Code: 500, Message: "INTERNAL_SERVER_ERROR"}
	m := x.recv(1, x.method("updates.getState"))
	require.Equal(t, "500 INTERNAL_SERVER_ERROR", x.rpcError(x.take(), m.ID))
	x.stateErr = nil
	m = x.recv(1, x.method("updates.getState"))
	require.True(t, x.isInvoked("updates.getState"), "asked again")
	x.answer("updates.getState", updatesState())

	y := newWorld(t, false)
	y.state = AuthState{State: StateUnauthorized}
	m = y.recv(1, y.method("updates.getState"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", y.rpcError(y.take(), m.ID))
	y.stateErr = &RPCError{Code: 500, Message: "INTERNAL_SERVER_ERROR"}
	y.now += int64(5 * time.Second)
	m = y.recv(1, y.method("updates.getState"))
	require.Equal(t, "500 INTERNAL_SERVER_ERROR", y.rpcError(y.take(), m.ID))
	m = y.recv(1, y.method("updates.getState"))
	require.Equal(t, "500 INTERNAL_SERVER_ERROR", y.rpcError(y.take(), m.ID), "a failed read is none, however recent")
	y.stateErr = &RPCError{Code: 401, Message: "AUTH_KEY_UNREGISTERED"}
	y.now += int64(5 * time.Second)
	m = y.recv(1, y.method("updates.getState"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", y.rpcError(y.take(), m.ID), "authsession's own word")
}

// The state was read on every call without a login.
func TestRefusedCallsReadTheStateNowAndThen(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	for range 100 {
		x.recv(1, x.method("updates.getState"))
		x.recv(1, x.method("help.getNearestDc"))
		x.now += int64(50 * time.Millisecond)
	}
	require.LessOrEqual(t, count[*GetAuthState](x), 4)
}

// A login accepted on another device is noticed by the call that needs it.
func TestLoginElsewhereIsNoticed(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.recv(1, x.method("help.getNearestDc"))
	x.state = AuthState{State: StateNormal, UserID: alice}
	x.now += int64(3 * time.Second)
	x.recv(1, x.method("updates.getState"))
	_, r := x.invoked("updates.getState")
	require.EqualValues(t, alice, r.Meta.UserID)

	// However soon, once a result hints at it.
	y := newWorld(t, false)
	y.state = AuthState{State: StateUnauthorized}
	m := y.recv(1, y.method("updates.getState"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", y.rpcError(y.take(), m.ID))
	y.recv(1, y.method("auth.importLoginToken", "token"))
	ticket, r := y.invoked("auth.importLoginToken")
	y.state = AuthState{State: StateNormal, UserID: alice}
	y.finish(ticket, &MethodResult{Method: r.Method, PB: y.pbObject("auth_LoginToken", "auth_loginTokenSuccess",
		map[string]any{"authorization": y.authorization(alice)})}, nil)
	y.recv(1, y.method("updates.getState"))
	require.True(t, y.isInvoked("updates.getState"))
}

// A login that has ended without a word is noticed within a minute.
func TestLostLoginIsNoticed(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.state = AuthState{State: StateUnauthorized}
	x.advance(61 * time.Second)
	x.recv(1, x.method("updates.getState"))
	m := x.recv(1, x.method("updates.getState"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
	require.Equal(t, 1, count[*SetOffline](x))
}

// A state read before a login does not undo it.
func TestLateStateDoesNotUndoALogin(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.states = false
	x.now += int64(10 * time.Second)
	x.recv(1, x.method("updates.getState"))
	x.signedIn(alice)
	ticket, _ := find[*GetAuthState](x, nil)
	x.finish(ticket, &AuthState{State: StateUnauthorized}, nil)
	require.Equal(t, StateNormal, x.w.login.state)
	require.True(t, x.isInvoked("updates.getState"))
}

func (x *world) signedIn(user int) {
	x.t.Helper()
	ticket, r := x.invoked("auth.signIn")
	x.finish(ticket, &MethodResult{Method: r.Method, PB: x.authorization(user)}, nil)
}

// How long logins last is the BFF's to accept, and authsession's to know.
func TestSetAuthorizationTTL(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(1, x.method("account.setAuthorizationTTL", int32(7)))
	require.Zero(t, count[*SetTTL](x), "the BFF has not accepted it yet")
	x.answer("account.setAuthorizationTTL", tlID(0x997275b5))
	require.Contains(t, x.calls, Request(&SetTTL{UserID: alice, Days: 7}))
	x.recv(1, x.method("account.setAuthorizationTTL", int32(9)))
	x.fail("account.setAuthorizationTTL", 400, "TTL_DAYS_INVALID")
	require.Equal(t, 1, count[*SetTTL](x))
}

func TestLogOut(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	m := x.recv(1, x.method("auth.logOut"))
	x.answer("auth.logOut", tlInt(tlID(0xc3a2835f), 0))
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
	require.Equal(t, 1, count[*SetOffline](x))
	x.step(&PushUpdates{Updates: x.updates(1)})
	x.now += int64(time.Minute)
	m = x.recv(1, x.method("updates.getState"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
	x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	require.True(t, x.isInvoked("auth.signIn"), "the key may log in again")

	// An error leaves it to authsession to say what is true.
	y := newWorld(t, false)
	y.login(1)
	y.recv(1, y.method("auth.logOut"))
	y.fail("auth.logOut", 500, "INTERNAL_SERVER_ERROR")
	y.recv(1, y.method("updates.getState"))
	require.Equal(t, 2, count[*GetAuthState](y))
	require.True(t, y.isInvoked("updates.getState"))
}

// A login that has ended, here or unheard elsewhere, makes no more calls: not
// even those that it let in, and that wait for their turn.
func TestEndedLoginStopsWaitingCalls(t *testing.T) {
	for _, here := range []bool{true, false} {
		x := newWorld(t, false)
		x.login(1)
		running := x.recv(1, x.method("help.getNearestDc"))
		x.take()
		waiting := x.recv(1, tlAfter(running.ID, x.method("updates.getState")))
		open := x.recv(1, tlAfter(running.ID, x.method("help.getAppConfig", int32(0))))
		if here {
			x.recv(1, x.method("auth.logOut"))
			x.answer("auth.logOut", tlInt(tlID(0xc3a2835f), 0))
		} else {
			x.w.login.readAt -= int64(time.Hour)
			x.state = AuthState{State: StateUnauthorized}
			x.recv(1, x.method("help.getConfig"))
		}
		msgs := x.take()
		require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(msgs, waiting.ID))
		require.Equal(t, here, x.rpcError(msgs, running.ID) == "")
		x.answer("help.getNearestDc", nearestDC("NL"))
		require.False(t, x.isInvoked("updates.getState"))
		if !here { // its predecessor was refused
			require.Equal(t, "500 MSG_WAIT_FAILED", x.rpcError(x.take(), open.ID))
			continue
		}
		_, call := x.invoked("help.getAppConfig")
		require.Zero(t, call.Meta.UserID)
		require.Equal(t, open.ID, call.Meta.MsgID)
	}
}

// Who has logged out may log in again in ways that only authsession knows the
// outcome of.
func TestLoginElsewhereAfterLogOut(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(1, x.method("auth.logOut"))
	x.answer("auth.logOut", tlInt(tlID(0xc3a2835f), 0))
	reads := count[*GetAuthState](x)
	for range 3 {
		x.now += int64(time.Minute)
		m := x.recv(1, x.method("updates.getState"))
		require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
	}
	require.Equal(t, reads, count[*GetAuthState](x), "nothing has changed")
	x.recv(1, x.method("auth.importBotAuthorization", int32(0), int32(1), "hash", "token"))
	ticket, r := x.invoked("auth.importBotAuthorization")
	x.finish(ticket, &MethodResult{Method: r.Method, PB: x.authorization(alice)}, nil)
	x.states = false
	x.recv(1, x.method("updates.getState"))
	x.recv(1, x.method("help.getPromoData"))
	read, _ := find[*GetAuthState](x, nil)
	x.finish(read, &AuthState{State: StateNormal, UserID: alice}, nil)
	require.True(t, x.isInvoked("updates.getState"))
	require.True(t, x.isInvoked("help.getPromoData"))
}

// What may have changed while the state was being read is read again, before
// a call is refused for it.
func TestDoubtDuringARead(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.recv(1, x.method("auth.importBotAuthorization", int32(0), int32(1), "hash", "token"))
	x.states = false
	x.now += int64(time.Minute)
	refused := x.recv(1, x.method("updates.getState"))
	old, _ := find[*GetAuthState](x, nil)
	ticket, r := x.invoked("auth.importBotAuthorization")
	x.finish(ticket, &MethodResult{Method: r.Method, PB: x.authorization(alice)}, nil)
	x.take()
	x.recv(1, x.method("help.getPromoData"))
	x.finish(old, &AuthState{State: StateUnauthorized}, nil)
	require.Empty(t, x.rpcError(x.take(), refused.ID))
	read, _ := find[*GetAuthState](x, nil)
	x.finish(read, &AuthState{State: StateNormal, UserID: alice}, nil)
	require.True(t, x.isInvoked("updates.getState"))
	require.True(t, x.isInvoked("help.getPromoData"))
}

// The session that takes push messages is registered for each user.
func TestPushSessionOfTheNextUser(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(1, tlDevice(7, "5"))
	x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.signedIn(alice + 1)
	x.recv(1, tlDevice(7, "5"))
	require.Equal(t, 2, count[*SetPushSession](x))
	last := x.calls[len(x.calls)-2].(*SetPushSession)
	require.Equal(t, SetPushSession{AuthKeyID: permKey, UserID: alice + 1, SessionID: 5}, *last)
}

// Word that nobody is logged in ends the login that was there when it was
// asked for, and no other: a client that has logged out may log in again.
func TestRevokedWhenAsked(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.now += int64(time.Second)
	x.step(&Revoked{Asked: x.now})
	m := x.recv(1, x.method("help.getPromoData"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))

	y := newWorld(t, false)
	y.login(1)
	y.recv(1, y.method("auth.logOut"))
	y.answer("auth.logOut", tlInt(tlID(0xc3a2835f), 0))
	y.now += int64(time.Second)
	asked := y.now
	y.step(&Revoked{Asked: asked})
	y.now += int64(time.Second)
	y.recv(1, y.method("auth.signIn", int32(1), "1", "2", "3"))
	y.signedIn(alice)
	y.step(&Revoked{Asked: asked})
	y.recv(1, y.method("updates.getState"))
	require.True(t, y.isInvoked("updates.getState"))
}

// What initConnection tells is stored when it changes, and only then.
func TestClientInfoIsStoredOnChange(t *testing.T) {
	x := newWorld(t, false)
	for range 3 {
		x.recv(1, tlLayer(223, tlInit(x.method("help.getNearestDc"))))
	}
	require.Equal(t, 1, count[*SetInitConnection](x))
	require.Zero(t, count[*SetLayer](x), "it is what storage has")
	d := x.data(1, x.msg(1, tlLayer(220, tlInit(x.method("help.getNearestDc")))))
	d.ClientIP = "2001:db8::1"
	x.step(d)
	require.Equal(t, 2, count[*SetInitConnection](x))
	require.Equal(t, 1, count[*SetLayer](x))

	// A restart with the same client stores nothing.
	stored := x.calls[len(x.calls)-2].(*SetInitConnection).Client
	stored.Layer = 220
	y := newWorld(t, false)
	y.state.Client = stored
	d.Salt = y.currentSalt()
	y.step(d)
	require.Zero(t, count[*SetInitConnection](y))
	require.Zero(t, count[*SetLayer](y))
}

// Wherever the layer is stored, the address that goes with it is the client's:
// a stock authsession would forget it otherwise.
func TestLayerIsStoredWithAnAddress(t *testing.T) {
	x := newWorld(t, false)
	for _, layer := range []int32{200, 201} { // before the state is known, and after
		x.recv(1, tlLayer(layer, x.method("help.getNearestDc")))
		at := slices.IndexFunc(x.calls, func(r Request) bool { l, ok := r.(*SetLayer); return ok && l.Layer == layer })
		require.Positive(t, at)
		require.Equal(t, "192.0.2.1", x.calls[at].(*SetLayer).IP)
	}
}

func TestClientName(t *testing.T) {
	for _, c := range []struct{ pack, version, want string }{
		{"android", "12.1", "android"},
		{"android", "TDLib 1.8", "react"},
		{"", "10 A", "weba"},
		{"", "10 Z", "weba"},
		{"tdesktop", "5 A", "tdesktop"},
		{"", "1", ""},
	} {
		require.Equal(t, c.want, clientOf(&ClientInfo{LangPack: c.pack, AppVersion: c.version}).name)
	}
}

// Before the login, calls wait until what they came wrapped in is stored.
func TestCallsWaitForClientInfoBeforeLogin(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateNew}
	x.others = false
	x.recv(1, tlLayer(223, tlInit(x.method("help.getNearestDc"))))
	require.False(t, x.isInvoked("help.getNearestDc"))
	ticket, _ := find[*SetInitConnection](x, nil)
	x.finish(ticket, nil, nil)
	require.True(t, x.isInvoked("help.getNearestDc"))
	require.Equal(t, StateUnauthorized, x.w.login.state)
}

// A key that authsession no longer has is no login.
func TestKeyIsGone(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.stateErr = &RPCError{Code: 401, Message: "AUTH_KEY_UNREGISTERED"}
	x.advance(61 * time.Second)
	x.recv(1, x.method("updates.getState"))
	m := x.recv(1, x.method("updates.getState"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
}

// A login goes on while authsession is at fault, whichever error says so: one of another
// package is no other than the package's own.
func TestALoginOutlivesAFault(t *testing.T) {
	for name, fault := range map[string]*RPCError{
		"the package's own": ErrInternal,
		"a time-out":        ErrTimeout,
		"another":           {Code: 500, Message: "INTERNAL_SERVER_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.stateErr = fault
			x.advance(61 * time.Second)
			x.recv(1, x.method("updates.getState"))
			x.recv(1, x.method("updates.getState"))
			require.Equal(t, StateNormal, x.w.login.state)
			require.True(t, x.isInvoked("updates.getState"))
		})
	}
}

// An authsession that is down is not asked by every ping.
func TestPingsDoNotInsist(t *testing.T) {
	x := newWorld(t, false)
	x.stateErr = &RPCError{Code: 500, Message: "X"}
	for range 100 {
		x.recv(1, tlPing(1))
		x.now += int64(10 * time.Millisecond)
	}
	require.Equal(t, 1, count[*GetAuthState](x))
}
