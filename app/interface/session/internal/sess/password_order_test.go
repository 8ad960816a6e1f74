package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A client that gives its password at once does so while storage is still being told who
// owes it. Told of the login first, storage took it for one that owes its password, and
// every call was refused from then on.
func TestStorageHearsInOrderWhoOwesAPassword(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.others = false // storage takes its time from here on
	x.fail("auth.signIn", 401, "SESSION_PASSWORD_NEEDED_77")
	owed, mark := find(x, func(r *SetPasswordPending) bool { return r.Pending && r.UserID == 77 })
	require.NotNil(t, mark)
	m := x.recv(1, x.method("auth.checkPassword", tlID(0x9880f658)))
	ticket, _ := find(x, func(r *SetPasswordPending) bool { return r.Pending && r.UserID == 0 })
	x.finish(ticket, nil, nil)
	ticket, r := x.invoked("auth.checkPassword")
	x.finish(ticket, &MethodResult{Method: r.Method, PB: x.authorization(77)}, nil)
	x.advance(time.Second)
	for _, mark := range x.marks() {
		require.True(t, mark.Pending, "it is cleared before storage knows of it")
	}
	x.finish(owed, nil, nil)
	x.advance(time.Second)
	ticket, _ = find(x, func(r *SetPasswordPending) bool { return !r.Pending })
	x.finish(ticket, nil, nil)
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
	require.Equal(t, StateNormal, x.w.login.state)
}

// A client logs out and in again, and the new login is ended while its sign-in is still
// being settled. Where storage tells nothing of the mark, the answer of the sign-in
// was believed, and the key got updates of a login that was no more.
func TestALoginThatEndsWhileItIsMade(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(1, x.method("auth.logOut"))
	x.answer("auth.logOut", tlInt(tlID(0xc3a2835f), 0))
	require.Equal(t, StateLoggedOut, x.w.login.state)
	x.others = false
	m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	mark, _ := find[*SetPasswordPending](x, nil)
	x.finish(mark, nil, nil)
	x.signedIn(alice)
	cleared, _ := find[*SetPasswordPending](x, nil)
	x.state = AuthState{State: StateUnauthorized}
	x.step(&Revoked{})
	x.finish(cleared, nil, nil)
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
	require.NotEqual(t, StateNormal, x.w.login.state)
	m = x.recv(1, x.method("updates.getState"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
}
