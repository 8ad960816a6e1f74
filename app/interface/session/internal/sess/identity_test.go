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
	lang := x.w.client.langCode

	x.recv(1, tlLayer(170, x.method("updates.getState")))
	x.w.client.langCode = "xx" // as another initConnection would
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

// Who logs in makes no call of the time before, nor does who takes over.
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
	x.recv(1, tlAfter(second.ID, x.method("updates.getState")))
	x.signedIn(alice + 1)
	require.EqualValues(t, alice, user("updates.getState"))
	x.recv(1, x.method("help.getNearestDc"))
	require.EqualValues(t, alice+1, user("help.getNearestDc"))
}

// What waits for a session that takes updates is bounded by bytes, too.
func TestHeldPushesAreBoundedByBytes(t *testing.T) {
	x := newWorld(t, false)
	for range 3 {
		x.step(&PushUpdates{Updates: make([]byte, heldPushBytes/2)})
	}
	require.Empty(t, x.w.held)
	require.True(t, x.w.missed, "the client will be told to fetch the difference")
	require.Equal(t, 3, x.counts[CountPushesLost])
}
