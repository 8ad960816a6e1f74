package sess

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// A login is marked as owing its password before it is tried, and the mark is
// gone before the client learns that it succeeded.
func TestSignIn(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.others = false
	m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	require.False(t, x.isInvoked("auth.signIn"))
	ticket, mark := find[*SetPasswordPending](x, nil)
	owner := mark.Owner
	require.NotZero(t, owner)
	require.Equal(t, &SetPasswordPending{AuthKeyID: permKey, Owner: owner, Pending: true}, mark)
	x.finish(ticket, nil, nil)
	x.signedIn(alice)
	_, ok := result(x.take(), m.ID)
	require.False(t, ok)
	ticket, mark = find[*SetPasswordPending](x, nil)
	require.Equal(t, &SetPasswordPending{AuthKeyID: permKey, Owner: owner, UserID: alice}, mark)

	x.finish(ticket, nil, &RPCError{Code: 500, Message: "X"}) // tried again
	x.advance(5 * time.Second)
	ticket, _ = find[*SetPasswordPending](x, nil)
	x.finish(ticket, nil, nil)
	_, ok = result(x.take(), m.ID)
	require.True(t, ok)
	require.Equal(t, StateNormal, x.w.login.state)
	x.recv(1, x.method("updates.getState"))
	_, r := x.invoked("updates.getState")
	require.EqualValues(t, alice, r.Meta.UserID)
}

// Without the mark there is no login: a crash would leave it open.
func TestSignInNeedsItsMark(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.others = false
	m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	ticket, _ := find[*SetPasswordPending](x, nil)
	x.finish(ticket, nil, &RPCError{Code: 500, Message: "X"})
	require.Equal(t, "500 INTERNAL_SERVER_ERROR", x.rpcError(x.take(), m.ID))
	require.Zero(t, count[*InvokeMethod](x))
	require.Zero(t, x.w.calls.running)
	require.Len(t, x.faults, 1)
}

func TestSecondFactor(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.fail("auth.signIn", 401, "SESSION_PASSWORD_NEEDED_77")
	require.Equal(t, "401 SESSION_PASSWORD_NEEDED", x.rpcError(x.take(), m.ID))
	marks := x.marks()
	owner := marks[0].Owner
	require.Equal(t, []SetPasswordPending{
		{AuthKeyID: permKey, Owner: owner, Pending: true}, {AuthKeyID: permKey, UserID: 77, Owner: owner, Pending: true},
	}, marks)

	x.state = AuthState{State: StateNeedPassword}
	m = x.recv(1, x.method("updates.getState"))
	require.Equal(t, "401 SESSION_PASSWORD_NEEDED", x.rpcError(x.take(), m.ID), "ERR-6")
	require.False(t, x.w.needsLogin("account.getPassword", traits["account.getPassword"]))
	require.False(t, x.w.needsLogin("account.deleteAccount", traits["account.deleteAccount"]))

	// auth.checkPassword password:inputCheckPasswordEmpty#9880f658
	m = x.recv(1, x.method("auth.checkPassword", tlID(0x9880f658)))
	ticket, r := x.invoked("auth.checkPassword")
	x.finish(ticket, &MethodResult{Method: r.Method, PB: x.authorization(alice)}, nil)
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
	another := x.marks()[2].Owner
	require.NotEqual(t, owner, another, "each call has marks of its own")
	require.Equal(t, []SetPasswordPending{
		{AuthKeyID: permKey, Owner: another, Pending: true}, {AuthKeyID: permKey, UserID: alice, Owner: another},
	}, x.marks()[2:])
	require.Equal(t, StateNormal, x.w.login.state)
}

// Who owes a password and asks for another code, or fails to sign in again,
// owes it still: the mark is what a restart would go by.
func TestOwedPasswordOutlivesOtherAttempts(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateNeedPassword}
	x.recv(1, x.method("auth.sendCode", "1", int32(4), "h", tlID(0xad253d78), int32(0)))
	ticket, r := x.invoked("auth.sendCode")
	x.finish(ticket, &MethodResult{Method: r.Method}, nil)
	x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.fail("auth.signIn", 400, "PHONE_CODE_INVALID")
	for _, m := range x.marks() {
		require.True(t, m.Pending, "the mark was cleared")
	}
}

// A login that was ended elsewhere, unheard, lends nothing to one that owes its
// password.
func TestOwedPasswordEndsAnOldLogin(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.state = AuthState{State: StateNeedPassword}
	m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.fail("auth.signIn", 401, "SESSION_PASSWORD_NEEDED_77")
	require.Equal(t, "401 SESSION_PASSWORD_NEEDED", x.rpcError(x.take(), m.ID))
	m = x.recv(1, x.method("updates.getState"))
	require.Equal(t, "401 SESSION_PASSWORD_NEEDED", x.rpcError(x.take(), m.ID))
	require.False(t, x.isInvoked("updates.getState"))
}

// Nor do the calls that it let in, and that wait for their turn.
func TestOwedPasswordStopsWaitingCalls(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.MaxInFlight = 1 })
	x.login(1)
	x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	m := x.recv(1, x.method("updates.getState"))
	free := x.recv(1, x.method("help.getNearestDc"))
	x.fail("auth.signIn", 401, "SESSION_PASSWORD_NEEDED_77")
	require.Equal(t, "401 SESSION_PASSWORD_NEEDED", x.rpcError(x.take(), m.ID))
	require.False(t, x.isInvoked("updates.getState"))
	_, r := x.invoked("help.getNearestDc")
	require.Equal(t, free.ID, r.Meta.MsgID)
	require.Zero(t, r.Meta.UserID)
}

// Nor is any let in, while it is decided who the key's user is: the login at
// hand may not be the key's any more.
func TestCallsWaitForALogin(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	m := x.recv(1, x.method("account.getAccountTTL"))
	x.recv(1, x.method("help.getNearestDc"))
	require.True(t, x.isInvoked("help.getNearestDc"), "which needs no login")
	require.False(t, x.isInvoked("account.getAccountTTL"))
	x.fail("auth.signIn", 400, "PHONE_CODE_INVALID")
	_, r := x.invoked("account.getAccountTTL")
	require.Equal(t, m.ID, r.Meta.MsgID)
	require.EqualValues(t, alice, r.Meta.UserID)
}

// A mark that storage showed may be that of a sign-in which another node has
// in work: when that is done, so is the mark.
func TestOwedPasswordIsReadAgain(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateNeedPassword}
	m := x.recv(1, x.method("updates.getState"))
	require.Equal(t, "401 SESSION_PASSWORD_NEEDED", x.rpcError(x.take(), m.ID))
	x.state = AuthState{State: StateNormal, UserID: alice}
	x.now += int64(3 * time.Second)
	x.recv(1, x.method("updates.getState"))
	require.True(t, x.isInvoked("updates.getState"))
}

// A second attempt waits for the first, whose mark it could clear.
func TestLoginsRunOneAtATime(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.recv(1, x.method("auth.sendCode", "1", int32(4), "h", tlID(0xad253d78), int32(0)))
	require.True(t, x.isInvoked("auth.signIn"))
	require.False(t, x.isInvoked("auth.sendCode"))
	x.fail("auth.signIn", 401, "SESSION_PASSWORD_NEEDED_77")
	require.True(t, x.isInvoked("auth.sendCode"))
}

func (x *world) marks() (out []SetPasswordPending) {
	for _, r := range x.calls {
		if m, ok := r.(*SetPasswordPending); ok {
			out = append(out, *m)
		}
	}
	return out
}

// A wrong code clears the mark; a fault does not, for nobody knows how far it
// came.
func TestMarkAfterFailure(t *testing.T) {
	for _, c := range []struct {
		code    int32
		message string
		marks   int
	}{{400, "PHONE_CODE_INVALID", 2}, {500, "INTERNAL_SERVER_ERROR", 1}, {-503, "Timeout", 1}} {
		x := newWorld(t, false)
		x.state = AuthState{State: StateUnauthorized}
		m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
		x.fail("auth.signIn", c.code, c.message)
		require.NotEmpty(t, x.rpcError(x.take(), m.ID))
		require.Len(t, x.marks(), c.marks, c.message)
	}
}

// An authsession that knows nothing of owed passwords does not open the login.
func TestOwedPasswordIsNotForgiven(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.fail("auth.signIn", 401, "SESSION_PASSWORD_NEEDED_77")
	x.take()
	x.state = AuthState{State: StateNormal, UserID: 77}
	for range 5 {
		x.now += int64(time.Minute)
		x.step(&PushUpdates{Updates: x.updates(1)})
		m := x.recv(1, x.method("updates.getState"))
		require.Equal(t, "401 SESSION_PASSWORD_NEEDED", x.rpcError(x.take(), m.ID))
	}
	require.Equal(t, StateNeedPassword, x.w.login.state)
}

// A node that lets a key go does not insist on clearing its mark, where storage
// cannot tell it from another's: the next node may have set one by then.
func TestClearIsNotInsistedOnByANodeThatLetsGo(t *testing.T) {
	for _, c := range []struct {
		name       string
		late, told bool
	}{{"tried once", true, false}, {"about to try again", false, false}, {"tried once, told apart", true, true}, {"about to try again, told apart", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			late := c.late
			x := newWorld(t, false)
			x.state, x.others = AuthState{State: StateUnauthorized}, false
			m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
			mark, _ := find[*SetPasswordPending](x, nil)
			if c.told {
				x.finish(mark, &LoginWord{State: StateUnauthorized}, nil)
			} else {
				x.finish(mark, nil, nil)
			}
			x.signedIn(alice)
			if late {
				x.step(&Drain{})
			}
			clearing, _ := find[*SetPasswordPending](x, nil)
			x.finish(clearing, nil, &RPCError{Code: 500, Message: "INTERNAL_SERVER_ERROR"})
			if !late {
				x.step(&Drain{})
			}
			x.advance(3 * time.Second)
			if c.told {
				require.Len(t, x.marks(), 3)
				again, _ := find[*SetPasswordPending](x, nil)
				x.finish(again, &LoginWord{State: StateNormal, UserID: alice}, nil)
			} else {
				require.Len(t, x.marks(), 2)
			}
			_, ok := result(x.take(), m.ID)
			require.True(t, ok, "the client has its answer")
		})
	}
}

// A sign-in whose session ends before a BFF has seen it is not made, and owes no
// password. The same message is not made in the next session of that id, where nobody
// can tell any more what became of it; a new one is.
func TestSignInOfASessionThatIsGone(t *testing.T) {
	x := newWorld(t, false)
	x.others = false
	x.state = AuthState{State: StateUnauthorized}
	x.recv(1, tlPing(1))
	m := x.recv(2, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.recv(1, tlLong(tlID(wire.IDDestroySession), 2))
	x.step(x.data(2, m))
	require.Len(t, x.takeOnly(wire.IDBadMsgNotification), 1)
	x.recv(2, x.method("auth.signIn", int32(1), "1", "2", "3"))
	ticket, mark := find[*SetPasswordPending](x, nil)
	require.True(t, mark.Pending)
	x.finish(ticket, nil, nil)
	require.False(t, x.isInvoked("auth.signIn"))
	ticket, mark = find[*SetPasswordPending](x, nil)
	require.False(t, mark.Pending)
	x.finish(ticket, nil, nil)
	ticket, mark = find[*SetPasswordPending](x, nil)
	require.True(t, mark.Pending, "now that of the new session")
	x.finish(ticket, nil, nil)
	require.Equal(t, 1, count[*InvokeMethod](x))
}

// A sign-in that asks for a password before a container's other call has its state
// read does not make that call, or the account, owe one: its own mark is in flight
// and belongs to no login.
func TestOwnMarkIsNoOwedPassword(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.recv(1, x.method("help.getNearestDc"))
	x.take()
	x.now += int64(3 * time.Second)
	code := x.msg(1, x.method("auth.sendCode", "1", int32(4), "h", tlID(0xad253d78), int32(0)))
	who := x.msg(1, x.method("users.getUsers", wireVector()))
	x.states = false
	x.step(x.data(1, x.container(1, code, who)))
	read, _ := find[*GetAuthState](x, nil)
	x.finish(read, &AuthState{State: StateNeedPassword, UserID: alice}, nil) // as an authsession of an earlier release says
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), who.ID))
	ticket, r := x.invoked("auth.sendCode")
	x.finish(ticket, &MethodResult{Method: r.Method}, nil)
	require.False(t, x.marks()[1].Pending)
	require.Zero(t, x.marks()[1].UserID)
	x.states, x.state = true, AuthState{State: StateUnauthorized}

	m := x.recv(1, x.method("auth.signUp", int32(0), "1", "2", "A", "B"))
	ticket, r = x.invoked("auth.signUp")
	x.finish(ticket, &MethodResult{Method: r.Method, PB: x.authorization(alice)}, nil)
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
	last := x.marks()[len(x.marks())-1]
	require.False(t, last.Pending)
	require.EqualValues(t, alice, last.UserID)
	x.recv(1, x.method("updates.getState"))
	require.EqualValues(t, alice, x.served("updates.getState"))
}

// Every call that may begin a login or complete one is bracketed by marks of its
// own, which are gone when it has succeeded.
func TestLoginsAreMarked(t *testing.T) {
	for name, tr := range traits {
		if tr&(traitLogin|traitLoginHalf) != 0 {
			require.NotZero(t, tr&traitMarked, "%s may log in", name)
		}
	}
	for _, method := range []string{
		"auth.signIn", "auth.signUp", "auth.sendCode", "auth.exportLoginToken", "auth.importLoginToken", "auth.importBotAuthorization",
		"auth.importWebTokenAuthorization", "auth.importAuthorization", "auth.checkPassword", "auth.recoverPassword", "auth.finishPasskeyLogin", "account.verifyEmail",
	} {
		require.NotZero(t, traits[method]&traitMarked, method)
	}
}

// A login that was ended while its password was owed could still be completed: by
// the password, in a new session, and after it.
func TestLoginThatEndedWhileItOwedThePassword(t *testing.T) {
	for name, method := range map[string]string{"by the password": "auth.checkPassword", "by a code from e-mail": "auth.recoverPassword"} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.state = AuthState{State: StateUnauthorized}
			x.word = func(m *SetPasswordPending) *LoginWord { return &LoginWord{State: StateNeedPassword, UserID: alice} }
			x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
			x.fail("auth.signIn", 401, "SESSION_PASSWORD_NEEDED_77")
			require.Equal(t, StateNeedPassword, x.w.login.state)
			x.step(&Revoked{})
			x.word = func(m *SetPasswordPending) *LoginWord { return &LoginWord{State: StateUnauthorized} }
			for range 2 {
				args := []any{tlID(0x9880f658)} // inputCheckPasswordEmpty
				if method == "auth.recoverPassword" {
					args = []any{int32(0), "code"}
				}
				m := x.recv(2, x.method(method, args...))
				ticket, r := x.invoked(method)
				x.finish(ticket, &MethodResult{Method: r.Method, PB: x.authorization(alice)}, nil)
				require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
				x.refused(2, "users.getUsers", wireVector())
				x.step(&PushUpdates{Updates: x.updates(1)})
				require.Empty(t, pushed(x.take()))
				x.now += int64(10 * time.Second)
			}
		})
	}
}

// What storage says of a login decides, once it says something.
func TestWordOfALogin(t *testing.T) {
	for _, c := range []struct {
		name   string
		word   *LoginWord
		answer string
		state  State
	}{
		{"a login", &LoginWord{State: StateNormal, UserID: alice}, "", StateNormal},
		{"none", &LoginWord{State: StateUnauthorized}, "401 AUTH_KEY_UNREGISTERED", StateUnauthorized},
		{"none, of a key that has told nothing", &LoginWord{State: StateNew}, "401 AUTH_KEY_UNREGISTERED", StateUnauthorized},
		{"another's", &LoginWord{State: StateNormal, UserID: alice + 1}, "401 AUTH_KEY_UNREGISTERED", StateUnauthorized},
		{"one that owes its password by now", &LoginWord{State: StateNeedPassword, UserID: alice}, "401 SESSION_PASSWORD_NEEDED", StateNeedPassword},
		{"nothing", nil, "", StateNormal},
		{"nothing, as an earlier release", &LoginWord{}, "", StateNormal},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t, false)
			x.state = AuthState{State: StateUnauthorized}
			x.word = func(m *SetPasswordPending) *LoginWord {
				if m.Pending && c.word.says() {
					return &LoginWord{State: StateUnauthorized}
				}
				return c.word
			}
			m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
			x.signedIn(alice)
			require.Equal(t, c.answer, x.rpcError(x.take(), m.ID))
			require.Equal(t, c.state, x.w.login.state)
		})
	}
}

// A password that a BFF asks for when its login has already been ended is owed by
// nobody.
func TestWordOfAnOwedPassword(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.word = func(*SetPasswordPending) *LoginWord { return &LoginWord{State: StateUnauthorized} }
	m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.fail("auth.signIn", 401, "SESSION_PASSWORD_NEEDED_77")
	require.Equal(t, "401 SESSION_PASSWORD_NEEDED", x.rpcError(x.take(), m.ID))
	x.refused(1, "updates.getState")
}

// Where storage tells marks apart, an attempt that failed takes its own along, and
// the password that is owed stays owed.
func TestFailedAttemptClearsItsOwnMark(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateNeedPassword, UserID: alice}
	x.word = func(*SetPasswordPending) *LoginWord { return &LoginWord{State: StateNeedPassword, UserID: alice} }
	m := x.recv(1, x.method("auth.checkPassword", tlID(0x9880f658)))
	x.fail("auth.checkPassword", 400, "PASSWORD_HASH_INVALID")
	require.Equal(t, "400 PASSWORD_HASH_INVALID", x.rpcError(x.take(), m.ID))
	marks := x.marks()
	require.Equal(t, SetPasswordPending{AuthKeyID: permKey, Owner: marks[0].Owner}, marks[1])
	m = x.recv(1, x.method("updates.getState"))
	require.Equal(t, "401 SESSION_PASSWORD_NEEDED", x.rpcError(x.take(), m.ID))
}

// A mark that storage could not clear when the login was complete goes before the
// state is read again: else the login would owe a password for good.
func TestMarkIsClearedLater(t *testing.T) {
	for _, told := range []bool{true, false} {
		x := newWorld(t, false)
		x.state, x.others = AuthState{State: StateUnauthorized}, false
		m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
		mark, _ := find[*SetPasswordPending](x, nil)
		if told {
			x.finish(mark, &LoginWord{State: StateUnauthorized}, nil)
		} else {
			x.finish(mark, nil, nil)
		}
		x.signedIn(alice)
		for range 5 {
			clearing, _ := find[*SetPasswordPending](x, nil)
			x.finish(clearing, nil, &RPCError{Code: 500, Message: "INTERNAL_SERVER_ERROR"})
			x.advance(10 * time.Second)
		}
		_, ok := result(x.take(), m.ID)
		require.True(t, ok)
		reads := count[*GetAuthState](x)
		x.advance(time.Minute)
		x.recv(1, x.method("updates.getState"))
		require.Equal(t, !told, x.isInvoked("updates.getState"), "an answer alone is no login, where storage can tell")
		clearing, late := find[*SetPasswordPending](x, nil)
		require.Equal(t, &SetPasswordPending{AuthKeyID: permKey, UserID: alice, Owner: x.marks()[0].Owner}, late)
		require.Equal(t, reads, count[*GetAuthState](x))
		x.state = AuthState{State: StateNormal, UserID: alice}
		x.finish(clearing, nil, nil)
		require.Equal(t, reads+1, count[*GetAuthState](x))
		require.EqualValues(t, alice, x.served("updates.getState"))
	}
}

// A BFF's word that a password is needed never shows whose.
func TestNobodyIsNamedByAnOwedPassword(t *testing.T) {
	for _, method := range []string{"account.getAccountTTL", "help.getConfig", "auth.acceptLoginToken", "auth.importLoginToken"} {
		x := newWorld(t, false)
		x.login(1)
		args := map[string][]any{"auth.acceptLoginToken": {"t"}, "auth.importLoginToken": {"t"}}[method]
		m := x.recv(1, x.method(method, args...))
		x.fail(method, 401, "SESSION_PASSWORD_NEEDED_77")
		require.Equal(t, "401 SESSION_PASSWORD_NEEDED", x.rpcError(x.take(), m.ID), method)
	}
}

// A sign-in that is under way when the login before it is ended begins the next
// one: it is neither refused nor taken at its word, where nobody can confirm it.
func TestSignInCrossesTheEndOfALogin(t *testing.T) {
	for name, word := range map[string]*LoginWord{
		"confirmed": {State: StateNormal, UserID: alice}, "not confirmed": nil,
		"of a login that is not heard of yet, not confirmed": nil,
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			if strings.HasPrefix(name, "of a login") {
				x.state = AuthState{State: StateUnauthorized}
				x.recv(1, x.method("help.getNearestDc"))
			} else {
				x.login(1)
			}
			x.word = func(*SetPasswordPending) *LoginWord { return word }
			m := x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
			x.step(&Revoked{})
			x.signedIn(alice)
			_, ok := result(x.take(), m.ID)
			require.True(t, ok)
			require.Equal(t, word != nil, x.w.login.state == StateNormal)
			x.state = AuthState{State: StateNormal, UserID: alice}
			x.recv(1, x.method("updates.getState"))
			require.EqualValues(t, alice, x.served("updates.getState"))
		})
	}
}
