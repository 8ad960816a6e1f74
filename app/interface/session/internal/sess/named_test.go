package sess

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// The key came back while storage was being told which session takes push messages, and did
// not know it yet: the session was forgotten, and not woken any more.
func TestPushSessionNamedWhileTheKeyReturns(t *testing.T) {
	for name, failed := range map[string]*RPCError{"it is stored": nil, "the answer is lost": ErrTimeout} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.recv(5, tlPing(1))
			x.ackAll(5)
			x.others = false // they are not answered at once
			x.recv(1, tlDevice(7, "5"))
			x.answer("account.registerDevice", wire.AppendBool(nil, true))
			x.state.PushSessionID = 9 // as it was before
			x.step(&Returned{})
			ticket, _ := find[*SetPushSession](x, nil)
			x.finish(ticket, nil, failed)
			x.recv(1, x.method("help.getNearestDc"))
			x.ackAll(5)
			x.step(&PushUpdates{Updates: x.updates(1), Notification: true})
			woken := wokenSessions(x)
			require.Contains(t, woken, int64(5))
		})
	}
}

// Another node had the key for a while, and its client named another session for push
// messages there: that one is woken, not the one that is known here.
func TestPushSessionNamedWhereTheKeyWas(t *testing.T) {
	x := newWorld(t, false)
	x.loginWithPushSession()
	x.recv(2, tlPing(1))
	x.take()
	x.state.PushSessionID = 2
	x.step(&Returned{})
	x.recv(1, x.method("help.getNearestDc"))
	woken := wokenSessions(x)
	require.Contains(t, woken, int64(2))
	require.NotContains(t, woken, int64(5))
}

// wokenSessions are those that were told to fetch the difference.
func wokenSessions(x *world) (ids []int64) {
	for _, m := range x.takeOnly(wire.IDUpdatesTooLong) {
		ids = append(ids, m.SessionID)
	}
	return ids
}

// loginWithPushSession logs in, and has session 1 name session 5 for push messages, which is
// there.
func (x *world) loginWithPushSession() {
	x.t.Helper()
	x.login(1)
	x.recv(1, tlDevice(7, "5"))
	x.answer("account.registerDevice", wire.AppendBool(nil, true))
	x.recv(5, tlPing(1))
	x.ackAll(5)
}
