package sess

import (
	"bytes"
	"compress/gzip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Each test here stages a situation in which a session server has been seen to
// fail, and names the failure.

// An unverified bind made the next packet of a temp key act as the owner of the
// perm key it named.
func TestBindGivesNothingBeforeItIsVerified(t *testing.T) {
	x := newWorld(t, true)
	bind := x.recv(1, tlBind(permKey))
	call := x.recv(1, x.method("users.getUsers", wireVector()))
	require.False(t, x.isInvoked("users.getUsers"))

	ticket, r := find[*BindTempKey](x, nil)
	require.Equal(t, int64(tempKey), r.Meta.AuthKeyID)
	require.Equal(t, bind.ID, r.Meta.MsgID)
	require.Equal(t, int64(1), r.Meta.SessionID)
	x.finish(ticket, nil, &RPCError{Code: 400, Message: "ENCRYPTED_MESSAGE_INVALID"})
	msgs := x.take()
	require.Equal(t, "400 ENCRYPTED_MESSAGE_INVALID", x.rpcError(msgs, bind.ID))
	require.Equal(t, "401 AUTH_KEY_PERM_EMPTY", x.rpcError(msgs, call.ID))
	require.Nil(t, x.adopted)

	call = x.recv(1, x.method("users.getUsers", wireVector()))
	require.Equal(t, "401 AUTH_KEY_PERM_EMPTY", x.rpcError(x.take(), call.ID))
}

// All unbound keys and HTTP clients shared one state and one user.
func TestUnboundKeysShareNothing(t *testing.T) {
	a, b := newWorld(t, true), newWorld(t, true)
	b.w.key = tempKey + 1
	signIn := a.recv(1, a.method("auth.logOut"))
	require.Equal(t, "401 AUTH_KEY_PERM_EMPTY", a.rpcError(a.take(), signIn.ID))
	for _, x := range []*world{a, b} {
		m := x.recv(1, x.method("help.getNearestDc"))
		_, r := x.invoked("help.getNearestDc")
		require.Zero(t, r.Meta.UserID)
		require.Zero(t, r.Meta.PermAuthKeyID)
		x.answer("help.getNearestDc", nearestDC("NL"))
		_, ok := result(x.take(), m.ID)
		require.True(t, ok)
		require.Zero(t, count[*GetAuthState](x))
	}
}

// A key that another user has taken over stays in use: its sign-in may be under
// way. The former user's pushes are not for the new one.
func TestResetThatNotifiesLooksAgain(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	m := x.recv(1, x.method("help.getNearestDc"))
	asked := count[*GetAuthState](x)
	x.state = AuthState{State: StateNormal, UserID: alice + 1}
	x.step(&PushUpdates{Notification: true, Updates: x.pbObject("Updates", "updateAccountResetAuthorization",
		map[string]any{"user_id": alice, "auth_key_id": permKey})})
	require.Equal(t, asked+1, count[*GetAuthState](x))
	require.Equal(t, StateNormal, x.w.login.state)
	require.EqualValues(t, alice+1, x.w.login.userID)
	require.Equal(t, 1, count[*SetOffline](x), "the former user is gone")
	x.answer("help.getNearestDc", nearestDC("NL"))
	_, ok := result(x.take(), m.ID)
	require.True(t, ok, "an answer in flight survives")
	x.step(&PushUpdates{Updates: x.updates(1)})
	require.Len(t, x.take(), 1, "the new user's updates arrive")
}

// A key without a login was answered 500 AUTH_RESTART, so that clients never
// logged out.
func TestNoLoginIs401(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	m := x.recv(1, x.method("updates.getState"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
	m = x.recv(1, x.method("auth.logOut"))
	x.answer("auth.logOut", tlInt(tlID(0xc3a2835f), 0)) // auth.loggedOut
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
	m = x.recv(1, x.method("updates.getState"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
}

// A failed bind tore down the perm key's wrapper.
func TestFailedBindLeavesTheLoginAlone(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	d := x.data(9, x.msg(9, tlBind(permKey)))
	d.AuthKeyID, d.KeyType = tempKey, TempKey
	x.step(d)
	ticket, _ := find[*BindTempKey](x, nil)
	x.finish(ticket, nil, &RPCError{Code: 400, Message: "ENCRYPTED_MESSAGE_INVALID"})
	x.take()
	x.step(&PushUpdates{Updates: x.updates(3)})
	require.Equal(t, []int{3}, pushed(x.take()))
	m := x.recv(1, x.method("updates.getState"))
	require.True(t, x.isInvoked("updates.getState"))
	x.answer("updates.getState", updatesState())
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
}

// Calls had effects before anybody was logged in.
func TestNoSideEffectsBeforeLogin(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.recv(1, tlDevice(7, "1"))
	x.recv(1, x.method("updates.getState"))
	x.recv(1, x.method("account.updateStatus", false))
	for _, name := range []string{"upload.getFile", "account.getPasskeys", "account.deleteAccount", "auth.acceptLoginToken"} {
		require.True(t, x.w.needsLogin(name, traits[name]), name)
	}
	require.Zero(t, count[*SetPushSession](x))
	require.Zero(t, count[*InvokeMethod](x))
	require.Zero(t, count[*SetOnline](x))
	require.Nil(t, x.w.pushes.target)
	require.Zero(t, x.w.pushes.pushSession)
}

// A client opened sessions without end.
func TestSessionsAreLimited(t *testing.T) {
	x := newWorld(t, false)
	for i := range int64(1000) {
		x.recv(1+i, tlPing(i))
		x.recv(1, tlPing(i))
		x.take()
		x.now += int64(time.Millisecond)
	}
	n := 0
	for range x.w.sessions() {
		n++
	}
	require.Equal(t, x.cfg.MaxSessions, n)
	require.NotNil(t, x.w.mainAuth.find(1), "the one in use stays")

	x.advance(10 * time.Minute)
	require.True(t, x.out.Done)
	require.Zero(t, x.out.WakeAt)
}

// An idle key cost two goroutines and a ticker; here it does not even wake.
func TestIdleKeyDoesNotWake(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlPing(1))
	x.ackAll(1)
	require.Equal(t, x.now+int64(75*time.Second), x.out.WakeAt)
	x.advance(75 * time.Second)
	require.Equal(t, x.now+int64(180*time.Second), x.out.WakeAt)
	x.advance(180 * time.Second)
	require.True(t, x.w.empty())
	require.False(t, x.out.Done, "a recorded ping is known for as long as its time is good")
	require.InDelta(t, epoch+int64(300*time.Second), x.out.WakeAt, float64(time.Millisecond))
	x.advance(46 * time.Second)
	require.True(t, x.out.Done)
}

// A gzip bomb filled the memory.
func TestGzipBomb(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	m := x.recv(1, gzipped(t, make([]byte, 64<<20)))
	require.Equal(t, "400 INPUT_REQUEST_TOO_LONG", x.rpcError(x.take(), m.ID))
}

// Many small bombs in one packet are worth no more than a large one: each costs what
// its size allows, and together they cost what a packet may.
func TestGzipBombsShareABudget(t *testing.T) {
	x := newWorld(t, false)
	bomb := gzipped(t, make([]byte, 2<<20))
	in := &incoming{budget: x.cfg.GunzipBytes}
	for range 2000 {
		_, err := x.w.inflate(bomb, in)
		require.Error(t, err)
		require.GreaterOrEqual(t, in.budget, 0)
	}
	require.Zero(t, in.budget)
}

// gzipped is body as gzip_packed.
func gzipped(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, 9)
	_, err := z.Write(body)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return wire.AppendGzip(nil, b.Bytes())
}

// incompressible is n bytes that do not shrink.
func incompressible(n int) string {
	b := make([]byte, n)
	state := uint64(1)
	for i := range b {
		state = state*6364136223846793005 + 1442695040888963407
		b[i] = byte(state >> 56)
	}
	return string(b)
}

// A destroyed key is of no more use.
func TestDestroyedKeyStaysRefused(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(1, tlID(wire.IDDestroyAuthKey))
	ticket, _ := find[*DestroyKey](x, nil)
	x.finish(ticket, &KeysGone{Existed: true}, nil)
	x.take()
	for _, body := range [][]byte{x.method("auth.signIn", int32(1), "1", "2", "3"), tlBind(permKey)} {
		m := x.recv(2, body)
		require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
	}
}

// A key that may have been destroyed, or not, is asked after with its next call.
func TestKeyThatMayBeDestroyedIsAskedAfter(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(1, tlID(wire.IDDestroyAuthKey))
	ticket, _ := find[*DestroyKey](x, nil)
	x.finish(ticket, nil, &RPCError{Code: 500, Message: "X"})
	x.take()
	x.stateErr = &RPCError{Code: 401, Message: "AUTH_KEY_UNREGISTERED"}
	x.recv(1, x.method("account.getAccountTTL"))
	x.fail("account.getAccountTTL", 400, "X")
	x.take()
	m := x.recv(1, x.method("account.getAccountTTL"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
}
