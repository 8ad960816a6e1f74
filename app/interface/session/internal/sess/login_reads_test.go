package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// moveUnread moves a key while authsession, which does not answer, is asked about its login.
func (x *world) moveUnread() {
	x.t.Helper()
	require.Nil(x.t, x.handOff())
	x.now += int64(x.cfg.HandOffWait)
	var out Effects
	x.w.Step(x.now, x.now, &Tick{}, &out)
	require.NotNil(x.t, out.State)
	x.note(&out)
	w, err := Import(permKey, out.State, x.now, x.now, &x.cfg, x.schema, x.w.rnd)
	require.NoError(x.t, err)
	x.w, x.states = w, true
	out.Reset()
	w.Step(x.now, x.now, &Arrived{}, &out)
	x.carryOut(&out)
}

// A login that was suspected to have ended was read by nobody once its key had moved before
// authsession had answered: answers and updates were kept back until the client's next call.
func TestSuspectedLoginOfAKeyThatMoves(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	call := x.recv(1, x.method("help.getNearestDc"))
	x.take()
	x.states = false
	x.step(x.reset(alice, permKey, false))
	x.step(&PushUpdates{Updates: x.updates(1)})
	require.Empty(t, x.take())
	x.moveUnread()
	x.answer("help.getNearestDc", nearestDC("NL"))
	got := x.take()
	require.Contains(t, pushed(got), 1)
	_, ok := result(got, call.ID)
	require.True(t, ok)
}

// So was one that no node had read yet: updates waited for the client's next word.
func TestUnknownLoginOfAKeyThatMoves(t *testing.T) {
	x := newWorld(t, false)
	x.states = false
	x.met[msgKey{permKey, 1}] = true // it lived before, on a node that has ended
	x.recv(1, tlPing(1))
	x.step(&PushUpdates{Updates: x.updates(1)})
	require.Empty(t, pushed(x.take()))
	x.moveUnread()
	require.NotEmpty(t, pushed(x.take()))
}

// A key came back while its login was read. The answer was of a time before, and nobody read
// it again until the client's next word.
func TestReturnedKeyWhoseLoginIsBeingRead(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.advance(x.cfg.LoginRecheck)
	x.states = false
	x.recv(1, x.method("help.getNearestDc")) // beside it the login is read
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.take()
	x.step(&Returned{})
	x.states = true
	read, _ := find[*GetAuthState](x, nil)
	x.finish(read, &x.state, nil)
	require.Equal(t, []int{-1}, pushed(x.take()))
}

// It came back while its login was suspected to have ended, and the read failed. When the next
// one said that nobody was logged in, answers of the login that had ended were repeated, and
// what was pushed to its sessions was sent.
func TestReturnedKeyWhoseLoginIsSuspected(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	call := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	_, ok := result(x.take(), call.ID)
	require.True(t, ok)
	x.states = false
	x.step(x.reset(alice, permKey, false))
	x.step(&Returned{})
	read, _ := find[*GetAuthState](x, nil)
	x.finish(read, nil, ErrTimeout)
	x.states, x.state = true, AuthState{State: StateUnauthorized}
	x.step(&PushUpdates{Updates: x.updates(1)}) // the login is read again
	x.take()
	x.advance(3 * time.Second)
	x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 1, Updates: x.updates(2)})
	x.step(newConn(x.through("gw1", 1, tlPing(1))))
	got := x.take()
	require.Empty(t, pushed(got))
	_, ok = result(got, call.ID)
	require.False(t, ok)
}
