package sess

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// ended is a world whose login in session 1 was ended elsewhere some seconds ago.
func ended(t *testing.T) *world {
	t.Helper()
	x := newWorld(t, false)
	x.login(1)
	x.state = AuthState{State: StateUnauthorized}
	x.step(&Revoked{})
	x.ackAll(1)
	x.now += int64(3 * time.Second)
	return x
}

// refused asks for something in a session, and expects that a login is missing.
func (x *world) refused(sid int64, method string, args ...any) {
	x.t.Helper()
	m := x.recv(sid, x.method(method, args...))
	require.Equal(x.t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID), method)
}

// reset is word that the login of a user on a key has ended.
func (x *world) reset(user, key int, notify bool) *PushUpdates {
	return &PushUpdates{Notification: notify, Updates: x.pbObject("Updates", accountReset, map[string]any{"user_id": user, "auth_key_id": key})}
}

// served reports who made the oldest open call of a method.
func (x *world) served(method string) int64 {
	x.t.Helper()
	_, r := x.invoked(method)
	return r.Meta.UserID
}

// A client whose login was ended elsewhere had to be restarted before it could
// log in again: in its session even help.getConfig was refused.
func TestEndedLoginLeavesTheSessionOpen(t *testing.T) {
	logIn := map[string]func(x *world){
		"signIn": func(x *world) {
			x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
			x.signedIn(alice)
		},
		"importBotAuthorization": func(x *world) {
			x.recv(1, x.method("auth.importBotAuthorization", int32(0), int32(1), "hash", "token"))
			ticket, r := x.invoked("auth.importBotAuthorization")
			x.state = AuthState{State: StateNormal, UserID: alice}
			x.finish(ticket, &MethodResult{Method: r.Method, PB: x.authorization(alice)}, nil)
		},
		"exportLoginToken": func(x *world) {
			x.recv(1, x.method("auth.exportLoginToken", int32(1), "h", wireVector()))
			ticket, r := x.invoked("auth.exportLoginToken")
			x.finish(ticket, &MethodResult{Method: r.Method, PB: x.pbObject("auth_LoginToken", "auth_loginTokenSuccess",
				map[string]any{"authorization": x.authorization(alice)})}, nil)
		},
	}
	for name, in := range logIn {
		t.Run(name, func(t *testing.T) {
			x := ended(t)
			x.refused(1, "updates.getState")
			for _, open := range []string{"help.getConfig", "auth.logOut"} {
				x.recv(1, x.method(open))
				require.Zero(t, x.served(open), open)
			}
			x.answer("auth.logOut", tlInt(tlID(0xc3a2835f), 0))
			in(x)
			x.take()
			x.recv(1, x.method("updates.getState"))
			require.EqualValues(t, alice, x.served("updates.getState"))
			x.answer("updates.getState", updatesState())
			x.step(&PushUpdates{Updates: x.updates(1)})
			x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 1, Updates: x.updates(2)})
			require.Equal(t, []int{1, 2}, pushed(x.take()))
		})
	}
}

// What an ended login has in work is refused at once, and what was meant for it
// reaches nobody; what needs no login goes on without one.
func TestEndedLoginIsHeardOfNoMore(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	running := x.recv(1, x.method("account.getAccountTTL")) // at a BFF
	difference := x.recv(1, x.method("updates.getState"))   // likewise; updates wait for it
	promised := x.recv(1, x.method("help.getNearestDc"))    // its result will be pushed
	ticket, _ := x.invoked("help.getNearestDc")
	x.finish(ticket, &MethodResult{Pushed: true}, nil)
	waiting := x.recv(1, tlAfter(running.ID, x.method("help.getPromoData"))) // not made yet
	open := x.recv(1, tlAfter(promised.ID, x.method("help.getConfig")))      // likewise, and needs no login
	x.step(&PushUpdates{Updates: x.updates(1)})
	x.take()

	x.step(&Revoked{})
	msgs := x.take()
	for _, m := range []wire.Message{running, difference, promised, waiting} {
		require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(msgs, m.ID))
	}
	require.Equal(t, []int{-1}, pushed(msgs), "it is to ask")
	require.Equal(t, 1, count[*SetOffline](x))

	x.answer("account.getAccountTTL", tlInt(tlID(0xb8d0afdf), 30))
	x.answer("updates.getState", updatesState())
	x.step(&PushRPCResult{SessionID: 1, ReqMsgID: promised.ID, RPCResult: append(wire.AppendResult(nil, promised.ID), nearestDC("NL")...)})
	x.step(&PushUpdates{Updates: x.updates(2)})
	x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 1, Updates: x.updates(3)})
	d := x.data(1, x.msg(1, tlPing(1)))
	d.NewConn = true
	x.step(d)
	msgs = x.take()
	require.NotContains(t, pushed(msgs), 1)
	require.NotContains(t, pushed(msgs), 2)
	require.NotContains(t, pushed(msgs), 3)
	for _, m := range []wire.Message{running, difference, promised} {
		if body, again := result(msgs, m.ID); again {
			require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(msgs, m.ID), "%x", body)
		}
	}
	require.Equal(t, "500 MSG_WAIT_FAILED", x.rpcError(append(msgs, x.take()...), open.ID), "its predecessor failed, no more")
	require.Zero(t, x.w.calls.running)
	require.Empty(t, x.w.calls.list)
	x.advance(10 * time.Minute)
	require.True(t, x.out.Done)
}

// A client that only listens, and pings, is told at once that its login has ended. Once, it
// heard of it after up to an hour.
func TestEndedLoginIsAnnounced(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(2, tlPing(1)) // takes nothing
	x.recv(3, tlPing(1))
	x.recv(1, tlDevice(7, "3")) // is woken by push messages
	x.ackAll(1)
	media := x.data(4, x.msg(4, x.method("help.getConfig")))
	media.AuthKeyID, media.KeyType = mediaKey, MediaTempKey
	x.step(media)
	x.recv(5, x.method("help.getPromoData"))
	x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 5})
	x.take()
	x.step(&Revoked{})
	told := map[int64]bool{}
	for _, m := range x.take() {
		told[m.SessionID] = told[m.SessionID] || m.constructor == wire.IDUpdatesTooLong
	}
	require.Equal(t, map[int64]bool{1: true, 3: true, 4: false}, told)

	back := x.data(5, x.msg(5, tlPing(2)))
	back.NewConn = true
	x.step(back)
	require.Equal(t, []int{-1}, pushed(x.take()), "who comes back into a session is told, too")
	x.step(&Revoked{})
	require.Empty(t, x.take(), "once")
}

// A login that has ended without a word, as a read of the state shows, ends as
// one that was announced.
func TestEndedLoginThatIsReadOf(t *testing.T) {
	for name, read := range map[string]func(x *world){
		"no user": func(x *world) { x.state = AuthState{State: StateUnauthorized} },
		"no key":  func(x *world) { x.stateErr = &RPCError{Code: 401, Message: "AUTH_KEY_UNREGISTERED"} },
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.advance(61 * time.Second)
			x.step(x.data(1, x.msg(1, tlPing(1))))
			x.take()
			read(x)
			m := x.recv(1, x.method("account.getAccountTTL"))
			msgs := x.take()
			require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(msgs, m.ID))
			require.Equal(t, []int{-1}, pushed(msgs))
			require.Equal(t, 1, count[*SetOffline](x))
		})
	}
}

// An answer that the end of its login keeps from a client is not replaced by
// silence: the call that asks for it again is refused.
func TestAnswerOfAnEndedLoginIsRefused(t *testing.T) {
	x := newWorld(t, false)
	m := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	_, ok := result(x.take(), m.ID)
	require.True(t, ok, "into a connection that is dead")
	x.step(&Revoked{})
	d := x.data(1, m)
	d.NewConn = true
	x.step(d)
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
}

// Who ends the login itself has its answer, although the news of it comes first.
func TestEndingCallIsAnswered(t *testing.T) {
	for method, object := range map[string][]byte{
		"account.deleteAccount": tlID(0x997275b5), "auth.logOut": tlInt(tlID(0xc3a2835f), 0),
	} {
		t.Run(method, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			args := map[string][]any{"account.deleteAccount": {int32(0), "bye"}}[method]
			m := x.recv(1, x.method(method, args...))
			x.step(&Revoked{})
			x.answer(method, object)
			body, ok := result(x.take(), m.ID)
			require.True(t, ok)
			require.Equal(t, object, body)
			x.refused(1, "updates.getState")
		})
	}
}

// updateAccountResetAuthorization names a key. Once, it ended the sessions of every key
// that it was sent to.
func TestResetConcernsTheNamedKeyOnly(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.now += int64(10 * time.Second)
	m := x.recv(1, x.method("help.getNearestDc"))
	x.step(x.reset(alice, permKey+1, false))
	x.answer("help.getNearestDc", nearestDC("NL"))
	_, ok := result(x.take(), m.ID)
	require.True(t, ok, "an answer in flight survives")

	reads := count[*GetAuthState](x)
	x.step(x.reset(alice, permKey, false))
	require.Equal(t, []int{-1}, pushed(x.take()), "it is never sent to a client")
	require.Equal(t, 1, count[*SetOffline](x))
	require.Equal(t, reads, count[*GetAuthState](x), "nobody else need be there to say so")
	x.refused(1, "help.getPromoData")
}

// Several services send updateAccountResetAuthorization. Once, one that came late, or that
// named an earlier user, ended the login that had begun since.
func TestResetOfAnEarlierLogin(t *testing.T) {
	for _, c := range []struct {
		name  string
		age   time.Duration
		user  int
		fault bool
		live  bool // there is a login, authsession says
		ends  bool
	}{
		{"of a login that has just begun", time.Second, alice, false, true, false},
		{"of a login that has just begun, and ended", time.Second, alice, false, false, true},
		{"of a login that has just begun, while authsession is away", time.Second, alice, true, true, true},
		{"of an old login", time.Minute, alice, true, true, true},
		{"of another user", time.Minute, alice + 1, false, true, false},
		{"of another user, while authsession is away", time.Minute, alice + 1, true, true, false},
		{"of a user who is not named", time.Minute, 0, false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.now += int64(c.age)
			if c.fault {
				x.stateErr = &RPCError{Code: 500, Message: "INTERNAL_SERVER_ERROR"}
			}
			if !c.live {
				x.state = AuthState{State: StateUnauthorized}
			}
			x.step(x.reset(c.user, permKey, false))
			require.Equal(t, c.ends, x.w.login.state != StateNormal)
			require.Equal(t, c.ends, len(pushed(x.take())) > 0)
		})
	}
}

// While authsession is slow to say whether a login that has only just begun has
// ended again, nothing of it is told: calls wait, and so do answers. They were
// told before, for as long as authsession took.
func TestLoginThatMayHaveEnded(t *testing.T) {
	for _, c := range []struct {
		name string
		says AuthState
		ends bool
	}{
		{"it goes on", AuthState{State: StateNormal, UserID: alice}, false},
		{"it has ended", AuthState{State: StateUnauthorized}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.take()
			asked := count[*InvokeMethod](x)
			under := x.recv(1, x.method("help.getNearestDc"))
			x.states = false
			x.step(x.reset(alice, permKey, false))
			x.answer("help.getNearestDc", nearestDC("NL"))
			x.recv(1, x.method("help.getConfig"))
			require.Empty(t, x.take(), "nothing is told yet")
			require.Equal(t, asked+1, count[*InvokeMethod](x), "nor is anything asked")

			ticket, _ := find(x, func(*GetAuthState) bool { return true })
			x.state, x.states = c.says, true
			x.finish(ticket, &c.says, nil)
			msgs := x.take()
			if c.ends {
				require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(msgs, under.ID), "its answer is not for this client any more")
				require.Zero(t, x.served("help.getConfig"), "a call that needs no login is nobody's")
				return
			}
			body, ok := result(msgs, under.ID)
			require.True(t, ok)
			require.Equal(t, nearestDC("NL"), body)
			require.EqualValues(t, alice, x.served("help.getConfig"))
		})
	}
}

// Updates that were on their way to the login that has ended are not for the next
// one, though that begins at once.
func TestUpdatesThatTrailAnEndedLogin(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.step(&Revoked{})
	x.recv(1, x.method("auth.importBotAuthorization", int32(0), int32(1), "hash", "token"))
	x.step(&PushUpdates{Updates: x.updates(1)})
	x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 1, Updates: x.updates(2)})
	ticket, r := x.invoked("auth.importBotAuthorization")
	x.state.UserID = alice + 1
	x.finish(ticket, &MethodResult{Method: r.Method, PB: x.authorization(alice + 1)}, nil)
	x.recv(1, x.method("updates.getState"))
	require.EqualValues(t, alice+1, x.served("updates.getState"))
	x.answer("updates.getState", updatesState())
	msgs := x.take()
	require.NotContains(t, pushed(msgs), 1)
	require.NotContains(t, pushed(msgs), 2)
}

// A login that was ended, and made again by a call which another node had when the
// key moved, was refused here until the client logged in once more.
func TestEndedLoginThatIsThereAgain(t *testing.T) {
	x := ended(t)
	x.refused(1, "updates.getState")
	x.state = AuthState{State: StateNormal, UserID: alice}
	x.refused(1, "updates.getState")
	x.now += int64(x.cfg.StateRefresh)
	x.recv(1, x.method("updates.getState"))
	require.EqualValues(t, alice, x.served("updates.getState"))
}

// A session that has asked for a login by QR code is told when it was scanned.
func TestLoginTokenInAnEndedSession(t *testing.T) {
	x := ended(t)
	x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 1, Updates: x.updates(1)})
	require.Empty(t, pushed(x.take()))
	x.recv(1, x.method("auth.exportLoginToken", int32(1), "h", wireVector()))
	ticket, r := x.invoked("auth.exportLoginToken")
	x.finish(ticket, &MethodResult{Method: r.Method, PB: x.pbObject("auth_LoginToken", "auth_loginToken", map[string]any{"expires": 1})}, nil)
	x.take()
	x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 1, Updates: x.updates(2)})
	require.Equal(t, []int{2}, pushed(x.take()))
}

// The temp keys of a key whose login has ended are bound as ever: else the client
// would make one after the other and never hear of it.
func TestBindAfterTheLogin(t *testing.T) {
	x := ended(t)
	m := x.recv(1, tlBind(permKey))
	bind, _ := find[*BindTempKey](x, nil)
	x.finish(bind, nil, nil)
	body, ok := result(x.take(), m.ID)
	require.True(t, ok)
	require.Equal(t, wire.AppendBool(nil, true), body)
	x.refused(1, "updates.getState")
}

// auth.dropTempAuthKeys is sent by clients that nobody has logged in yet, and by
// those whose login has ended.
func TestDropTempKeysNeedsNoLogin(t *testing.T) {
	worlds := map[string]*world{"before": newWorld(t, false), "after": ended(t), "half": newWorld(t, false)}
	worlds["before"].state = AuthState{State: StateUnauthorized}
	worlds["half"].state = AuthState{State: StateNeedPassword}
	for name, x := range worlds {
		x.recv(1, x.method("help.getNearestDc"))
		x.take()
		m := x.recv(1, tlLongs(wire.IDDropTempAuthKeys, tempKey))
		ticket, _ := find[*DropTempKeys](x, nil)
		x.finish(ticket, &KeysGone{}, nil)
		body, ok := result(x.take(), m.ID)
		require.True(t, ok, name)
		require.Equal(t, wire.AppendBool(nil, true), body, name)
	}
	denied := newWorld(t, false, func(c *Config) { c.NoLoginDeny = []string{dropTempAuthKeys} })
	denied.state = AuthState{State: StateUnauthorized}
	denied.recv(1, denied.method("help.getNearestDc"))
	denied.take()
	m := denied.recv(1, tlLongs(wire.IDDropTempAuthKeys))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", denied.rpcError(denied.take(), m.ID))
}

// What happened to the key on another node is asked there, though its login was
// ended while it was here.
func TestEndedLoginComesBackWithTheKey(t *testing.T) {
	x := ended(t)
	x.refused(1, "updates.getState")
	x.state = AuthState{State: StateNormal, UserID: alice}
	x.step(&Returned{})
	x.recv(1, x.method("updates.getState"))
	require.EqualValues(t, alice, x.served("updates.getState"))
}

// Word that a login has ended comes just after the key, while its login is asked for. What
// that login had been answered stayed, and was sent again to a client that came back.
func TestLoginEndsAsTheKeyComesBack(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	answered := x.recv(1, x.method("updates.getState"))
	x.answer("updates.getState", updatesState())
	running := x.recv(1, x.method("account.getAccountTTL"))
	x.take()

	x.states, x.state = false, AuthState{State: StateUnauthorized}
	x.step(&Returned{})
	x.step(&Revoked{})
	require.Empty(t, x.take(), "nobody knows yet")
	x.states = true
	read, _ := find[*GetAuthState](x, nil)
	state := x.state
	x.finish(read, &state, nil)
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), running.ID))
	x.step(x.data(1, answered))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), answered.ID))
}

// While it was not known whether the login had ended, which takes as long as authsession
// is away, a client that reconnected was sent its answers again. They wait until it is.
func TestNothingIsRepeatedWhileTheLoginMayHaveEnded(t *testing.T) {
	for name, c := range map[string]struct {
		says  AuthState
		again bool
	}{
		"it has ended": {AuthState{State: StateUnauthorized}, false},
		"it has not":   {AuthState{State: StateNormal, UserID: alice}, true},
		"it was begun anew and owes its password": {AuthState{State: StateNeedPassword}, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			answered := x.recv(1, x.method("updates.getState"))
			x.answer("updates.getState", updatesState())
			msgs := x.take()
			at := slices.IndexFunc(msgs, func(m sent) bool { _, ok := result([]sent{m}, answered.ID); return ok })

			x.states = false
			x.step(&Returned{})
			x.step(&Revoked{})
			d := x.data(1, x.msg(1, tlPing(1)))
			d.NewConn = true
			x.step(d)
			x.recv(1, tlLongs(wire.IDMsgResendReq, msgs[at].ID))
			x.step(x.data(1, answered))
			x.advance(time.Minute)
			_, sent := result(x.take(), answered.ID)
			require.False(t, sent, "nobody knows yet")

			x.states = true
			read, _ := find[*GetAuthState](x, nil)
			x.finish(read, &c.says, nil)
			_, sent = result(x.take(), answered.ID)
			require.Equal(t, c.again, sent)
		})
	}
}

// Who has just logged in may call nothing more and listen: its updates were kept
// until it did.
func TestLoginAloneTakesUpdates(t *testing.T) {
	x := ended(t)
	x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3"))
	x.signedIn(alice)
	x.take()
	require.Equal(t, 1, count[*SetOnline](x)-count[*SetOffline](x), "status can lead there")
	x.step(&PushUpdates{Updates: x.updates(7)})
	require.Equal(t, []int{7}, pushed(x.take()))
}
