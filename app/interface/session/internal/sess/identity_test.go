package sess

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A call that waits for its turn is made by whom it was accepted from: with the
// user, the layer and the language of that moment, whatever its session and
// its key are told meanwhile.
func TestCallsCarryWhatTheyWereAcceptedWith(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.MaxInFlight = 1 })
	x.recv(1, tlLayer(223, tlInit(x.method("help.getNearestDc"))))
	_, running := x.invoked("help.getNearestDc")
	x.recv(1, x.method("help.getConfig")) // waits for its turn
	lang := x.w.profile.client.langCode

	x.recv(1, tlLayer(170, x.method("updates.getState")))
	x.w.profile.client.langCode = "xx" // as another initConnection would
	x.answer("help.getNearestDc", nearestDC("NL"))
	_, waited := x.invoked("help.getConfig")
	require.Equal(t, running.Meta.UserID, waited.Meta.UserID)
	require.EqualValues(t, alice, waited.Meta.UserID)
	require.EqualValues(t, 223, waited.Meta.Layer)
	require.Equal(t, lang, waited.Meta.LangCode)

	x.fail("help.getConfig", 500, "X")
	_, later := x.invoked("updates.getState")
	require.EqualValues(t, 170, later.Meta.Layer)
}

// Who logs in makes no call of the time before, nor does who takes over: what waited
// for that went on as made by the user before, whose login it had ended.
func TestCallsBelongToTheirLogin(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	user := func(method string) int64 {
		_, r := x.invoked(method)
		return r.Meta.UserID
	}
	first := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.recv(1, tlAfter(first.ID, x.method("help.getConfig")))
	x.signedIn(alice)
	require.Zero(t, user("help.getConfig"))

	second := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	member := x.recv(1, tlAfter(second.ID, x.method("users.getUsers", wireVector())))
	x.recv(1, tlAfter(second.ID, x.method("help.getConfig")))
	x.signedIn(alice + 1)
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), member.ID))
	require.Zero(t, user("help.getConfig"), "it needs nobody")
	x.recv(1, x.method("users.getUsers", wireVector()))
	require.EqualValues(t, alice+1, user("users.getUsers"))
}

// What waits for a session that takes updates is bounded by bytes, too.
func TestHeldPushesAreBoundedByBytes(t *testing.T) {
	x := newWorld(t, false)
	for range 3 {
		x.step(&PushUpdates{Updates: make([]byte, heldPushBytes/2)})
	}
	require.Empty(t, x.w.pushes.held)
	require.True(t, x.w.pushes.gap, "the client will be told to fetch the difference")
	require.Equal(t, 3, x.counts[CountPushesLost])
}

// What a call did to its user's settings, or to their login, was taken as said of
// whoever was logged in when its answer came.
func TestOutcomesBelongToWhoAsked(t *testing.T) {
	const bob = alice + 1
	bobIn := func(x *world) {
		x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
		x.signedIn(bob)
	}
	for name, change := range map[string]func(x *world){
		"nobody else":  func(*world) {},
		"another user": bobIn,
		"ended":        func(x *world) { x.step(&Revoked{}) },
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.recv(1, x.method("account.setAuthorizationTTL", int32(7)))
			change(x)
			x.answer("account.setAuthorizationTTL", tlID(0x997275b5))
			require.Equal(t, 1, count[*SetTTL](x))
			require.Contains(t, x.calls, Request(&SetTTL{UserID: alice, Days: 7}))
		})
	}
	x := newWorld(t, false)
	x.login(1)
	out := x.recv(1, x.method("auth.logOut"))
	bobIn(x)
	x.state.UserID = bob
	x.answer("auth.logOut", tlInt(tlID(0xc3a2835f), 0))
	_, ok := result(x.take(), out.ID)
	require.True(t, ok)
	asked := count[*GetAuthState](x)
	x.recv(1, x.method("users.getUsers", wireVector()))
	require.Equal(t, asked+1, count[*GetAuthState](x), "storage knows who it is")
	_, r := x.invoked("users.getUsers")
	require.EqualValues(t, bob, r.Meta.UserID)
}
