package sess

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// UPD-1, UPD-2: who takes updates.
func TestWhoTakesUpdates(t *testing.T) {
	x := newWorld(t, false)
	push := func() int64 {
		t.Helper()
		x.take()
		x.step(&PushUpdates{Updates: x.updates(1)})
		for _, m := range x.take() {
			if m.constructor == idUpdateShort {
				require.Equal(t, int64(3), m.ID&3, "UPD-3")
				require.Equal(t, int32(1), m.Seq&1)
				return m.SessionID
			}
		}
		return 0
	}
	media := x.data(9, x.msg(9, x.method("updates.getState")))
	media.AuthKeyID, media.KeyType = mediaKey, MediaTempKey
	x.step(media)
	x.answer("updates.getState", updatesState())
	require.Zero(t, push(), "no media session (rule UPD-8)")
	require.Zero(t, count[*SetOnline](x))

	x.recv(1, x.method("help.getNearestDc"))
	x.now++
	require.EqualValues(t, 1, push(), "a session that calls the API")
	x.recv(2, x.method("help.getNearestDc"))
	require.EqualValues(t, 2, push(), "the last one")
	x.login(3)
	x.now++
	x.recv(2, x.method("help.getNearestDc"))
	require.EqualValues(t, 3, push(), "the one that asked for updates")
	x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 3})
	require.EqualValues(t, 2, push(), "an online one before it")
	x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 2})
	x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
	require.Zero(t, push())
	x.recv(3, tlPing(1))
	require.Contains(t, pushed(x.take()), 1, "it waits in the outbox of the one that asked")
	x.step(&ConnClosed{ServerID: "gw9", AuthKeyID: permKey, SessionID: 3})
	require.EqualValues(t, 3, push(), "another gateway's word does not count")
}

// A push for a key that is not known to be logged in reads the state; what no
// login takes is dropped.
func TestPushBeforeTheStateIsKnown(t *testing.T) {
	x := newWorld(t, false)
	x.states = false
	x.step(&PushUpdates{Updates: x.updates(1)})
	require.Equal(t, 1, count[*GetAuthState](x))
	x.recv(1, x.method("help.getNearestDc"))
	ticket, _ := find[*GetAuthState](x, nil)
	x.finish(ticket, &AuthState{State: StateNormal, UserID: alice}, nil)
	require.Equal(t, []int{1}, pushed(x.take()))

	y := newWorld(t, false)
	y.state = AuthState{State: StateUnauthorized}
	y.step(&PushUpdates{Updates: y.updates(1)})
	require.True(t, y.out.Done, "nothing to keep")
	require.Equal(t, 1, y.counts[CountPushesLost])

	z := newWorld(t, false)
	z.step(&PushUpdates{Updates: z.updates(1)})
	z.advance(heldFor)
	require.True(t, z.out.Done, "nobody came")
}

// The push session, which a restart forgets and whose id may be written either
// way, is woken by notifications.
func TestPushSession(t *testing.T) {
	const sid = -5
	x := newWorld(t, false)
	x.login(1)
	x.recv(1, tlDevice(7, fmt.Sprint(uint64(1<<64-5))))
	require.True(t, x.isInvoked("account.registerDevice"))
	require.Equal(t, 1, count[*SetPushSession](x))
	require.Equal(t, int64(sid), x.w.pushes.pushSession)
	x.recv(1, tlDevice(7, "-5"))
	require.Equal(t, 1, count[*SetPushSession](x), "stored once")

	x.step(&PushUpdates{Notification: true, Updates: x.updates(1)})
	require.Equal(t, []int{1}, pushed(x.take()))
	x.recv(sid, tlPing(1))
	require.Equal(t, []int{-1}, pushed(x.take()), "woken when it comes")
	x.step(&PushUpdates{Notification: true, Updates: x.updates(2)})
	require.ElementsMatch(t, []int{2, -1}, pushed(x.take()))
	x.step(&PushUpdates{Updates: x.updates(3)})
	require.Equal(t, []int{3}, pushed(x.take()))

	y := newWorld(t, false) // a restart
	y.state.PushSessionID = sid
	y.recv(sid, tlPing(1))
	require.Equal(t, 1, count[*SetOnline](y))
	y.step(&PushUpdates{Notification: true, Updates: y.updates(1)})
	require.Equal(t, []int{-1}, pushed(y.take()))

	z := newWorld(t, false) // the push comes before the state is known
	z.states = false
	z.recv(sid, tlPing(1))
	z.step(&PushUpdates{Notification: true, Updates: z.updates(1)})
	require.Empty(t, pushed(z.take()))
	ticket, _ := find[*GetAuthState](z, nil)
	z.finish(ticket, &AuthState{State: StateNormal, UserID: alice, PushSessionID: sid}, nil)
	require.Equal(t, []int{-1}, pushed(z.take()))
	z.recv(1, z.method("help.getNearestDc"))
	require.Equal(t, []int{1}, pushed(z.take()), "woken once")

	for token, want := range map[string]int64{"7": 7, "-7": -7, "x": 0, "": 0, "99999999999999999999": 0} {
		require.Equal(t, want, deviceSession(tlDevice(7, token)), token)
		require.Equal(t, want, deviceSession(wire.AppendBytes(tlInt(tlID(wire.IDRegisterDeviceOld), 7), token)), token)
	}
	require.Zero(t, deviceSession(tlDevice(2, "7")), "another kind of token")
}

// A result that a BFF promised arrives by itself, at once, or is given up.
func TestPushedResult(t *testing.T) {
	x := newWorld(t, false)
	promise := func() wire.Message {
		m := x.recv(1, x.method("help.getNearestDc"))
		ticket, _ := x.invoked("help.getNearestDc")
		x.finish(ticket, &MethodResult{Pushed: true}, nil)
		x.take()
		return m
	}
	m := promise()
	x.step(&PushRPCResult{SessionID: 1, ReqMsgID: m.ID, RPCResult: []byte("junk")})
	require.Len(t, x.faults, 1)
	whole := append(wire.AppendResult(nil, m.ID), nearestDC("NL")...)
	x.step(&PushRPCResult{SessionID: 2, ReqMsgID: m.ID, RPCResult: whole})
	require.Empty(t, x.take(), "another session")
	x.step(&PushRPCResult{SessionID: 1, ReqMsgID: m.ID, RPCResult: whole})
	body, ok := result(x.take(), m.ID)
	require.True(t, ok)
	require.Equal(t, nearestDC("NL"), body)
	x.step(&PushRPCResult{SessionID: 1, ReqMsgID: m.ID, RPCResult: whole})
	require.Empty(t, x.take(), "one is enough")

	m = promise()
	x.advance(30*time.Second - 1)
	require.Empty(t, x.takeOnly(wire.IDRPCResult))
	x.advance(1)
	require.Equal(t, "-503 Timeout", x.rpcError(x.take(), m.ID))

	// The push overtakes the promise.
	m = x.recv(1, x.method("help.getNearestDc"))
	x.step(&PushRPCResult{SessionID: 1, ReqMsgID: m.ID, RPCResult: append(wire.AppendResult(nil, m.ID), nearestDC("NL")...)})
	_, ok = result(x.take(), m.ID)
	require.True(t, ok)
	ticket, _ := x.invoked("help.getNearestDc")
	x.finish(ticket, &MethodResult{Pushed: true}, nil)
	require.Empty(t, x.w.calls.list)
	require.Zero(t, x.w.calls.running)
}

// The sessions of two keys may have the same id, and their calls, too.
func TestPushedResultIsForTheKeyItNames(t *testing.T) {
	x := newWorld(t, false)
	m := x.msg(1, x.method("help.getNearestDc"))
	temp := x.data(1, m)
	temp.AuthKeyID, temp.KeyType = tempKey, TempKey
	x.step(x.data(1, m))
	x.step(temp)
	for range 2 {
		ticket, _ := x.invoked("help.getNearestDc")
		x.finish(ticket, &MethodResult{Pushed: true}, nil)
	}
	x.take()
	whole := append(wire.AppendResult(nil, m.ID), nearestDC("NL")...)
	for _, key := range []int64{tempKey, 0} { // who does not say it means who is left
		x.step(&PushRPCResult{AuthKeyID: key, SessionID: 1, ReqMsgID: m.ID, RPCResult: whole})
		sends := x.sends
		_, ok := result(x.take(), m.ID)
		require.True(t, ok)
		if key != 0 {
			require.Len(t, sends, 1)
			require.Equal(t, key, sends[0].AuthKeyID)
		}
	}
	require.Empty(t, x.w.calls.list)
}

func TestSessionPush(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlPing(1))
	x.recv(2, tlPing(1))
	x.take()
	x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 2, Updates: x.updates(1)})
	msgs := x.take()
	require.Equal(t, []int{1}, pushed(msgs))
	require.EqualValues(t, 2, msgs[0].SessionID)
	x.step(&PushSessionUpdates{AuthKeyID: tempKey, SessionID: 2, Updates: x.updates(1)})
	x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 3, Updates: x.updates(1)})
	require.Empty(t, x.take())
}

// Updates that cannot be written for a client are not lost silently.
func TestUnwritableUpdates(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.step(&PushUpdates{Updates: []byte{0xff}})
	require.Equal(t, []int{-1}, pushed(x.take()))
	require.Len(t, x.faults, 1)
}

// Another node owned the key for a while: status may have been told anything,
// updates may have gone anywhere.
func TestReturnedKeyIsAnnouncedAgain(t *testing.T) {
	x := newWorld(t, false)
	x.step(&Returned{})
	require.Zero(t, count[*SetOnline](x))
	x.login(1)
	x.take()
	require.Equal(t, 1, count[*SetOnline](x))
	x.step(&Returned{})
	require.Equal(t, 2, count[*SetOnline](x))
	require.Zero(t, count[*SetOffline](x))
	require.Equal(t, []int{-1}, pushed(x.take()))
}

// Another node owned the key for a while: its login may be another, or none.
func TestReturnedKeyAsksForItsLogin(t *testing.T) {
	for name, c := range map[string]struct {
		before, after AuthState
		user          int64
		refused       string
	}{
		"the same":        {before: AuthState{State: StateNormal, UserID: alice}, after: AuthState{State: StateNormal, UserID: alice}, user: alice},
		"another":         {before: AuthState{State: StateNormal, UserID: alice}, after: AuthState{State: StateNormal, UserID: 78}, user: 78},
		"none any more":   {before: AuthState{State: StateNormal, UserID: alice}, after: AuthState{State: StateUnauthorized}, refused: "401 AUTH_KEY_UNREGISTERED"},
		"one after all":   {before: AuthState{State: StateUnauthorized}, after: AuthState{State: StateNormal, UserID: alice}, user: alice},
		"half of one":     {before: AuthState{State: StateNormal, UserID: alice}, after: AuthState{State: StateNeedPassword}, refused: "401 SESSION_PASSWORD_NEEDED"},
		"after a log-out": {before: AuthState{State: StateLoggedOut}, after: AuthState{State: StateNormal, UserID: alice}, user: alice},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			if x.state = c.before; c.before.State == StateLoggedOut {
				x.state = AuthState{State: StateNormal, UserID: alice}
				x.login(1)
				x.recv(1, x.method("auth.logOut"))
				x.answer("auth.logOut", tlInt(tlID(0xc3a2835f), 0))
			} else {
				x.recv(1, x.method("help.getNearestDc"))
			}
			x.take()
			x.state = c.after
			x.step(&Returned{})
			m := x.recv(1, x.method("account.getAccountTTL"))
			if c.refused != "" {
				require.Equal(t, c.refused, x.rpcError(x.take(), m.ID))
				return
			}
			_, r := x.invoked("account.getAccountTTL")
			require.Equal(t, c.user, r.Meta.UserID)
		})
	}
}

// Status is told when it changes and before what it knows expires, and not
// more often.
func TestOnline(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	online := func() int { return count[*SetOnline](x) }
	require.Equal(t, 1, online())
	first := x.calls[0]
	for _, r := range x.calls {
		if o, ok := r.(*SetOnline); ok {
			first = o
		}
	}
	require.Equal(t, &SetOnline{UserID: alice, AuthKeyID: permKey, Layer: 223, Expires: x.now/1e9 + 60, At: x.now, Confirm: true}, first)
	for range 44 {
		x.advance(time.Second)
		x.recv(1, tlPing(1))
		x.recv(2, x.method("help.getNearestDc"))
	}
	require.Equal(t, 1, online())
	x.advance(time.Second)
	require.Equal(t, 2, online())
	x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
	require.Zero(t, count[*SetOffline](x), "another session is there")
	x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 2})
	x.advance(x.cfg.OfflineAfter - 1)
	require.Zero(t, count[*SetOffline](x), "it may come back")
	x.advance(1)
	require.Equal(t, 1, count[*SetOffline](x))
	x.recv(1, tlPing(1))
	require.Equal(t, 3, online(), "back at once")
}

func TestPushedResultTooLong(t *testing.T) {
	x := newWorld(t, false)
	m := x.recv(1, x.method("help.getNearestDc"))
	ticket, _ := x.invoked("help.getNearestDc")
	x.finish(ticket, &MethodResult{Pushed: true}, nil)
	x.step(&PushRPCResult{SessionID: 1, ReqMsgID: m.ID, RPCResult: append(wire.AppendResult(nil, m.ID), make([]byte, 4<<20)...)})
	require.Equal(t, "500 RESPONSE_TOO_LONG", x.rpcError(x.take(), m.ID))
}

// Updates that were lost with the session that took them are announced to
// another that is there, though it only pings.
func TestUpdatesLostWithTheirSession(t *testing.T) {
	x := newWorld(t, false)
	x.recv(2, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("DE"))
	x.login(1)
	x.ackAll(2)
	x.step(&PushUpdates{Updates: x.updates(1)})
	require.Equal(t, []int{1}, pushed(x.take()), "into a connection that is dead")
	for range 6 {
		x.advance(time.Minute)
		x.recv(2, tlPing(1))
	}
	var told []int
	for _, m := range x.take() {
		if m.SessionID == 2 {
			told = append(told, pushed([]sent{m})...)
		}
	}
	require.Contains(t, told, -1)
}

// A log-out that failed ends nothing, but what was on its way is gone: the
// client is told to fetch it.
func TestUpdatesLostByFailedLogOut(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.step(&PushUpdates{Updates: x.updates(1)})
	require.Equal(t, []int{1}, pushed(x.take()))
	x.recv(1, x.method("auth.logOut"))
	x.fail("auth.logOut", 500, "INTERNAL_SERVER_ERROR")
	require.Empty(t, pushed(x.take()))
	x.now += int64(3 * time.Second)
	x.recv(1, tlPing(1))
	require.Equal(t, []int{-1}, pushed(x.take()), "its session takes updates still")
}

// A push session is woken for what a failed log-out made it miss.
func TestPushSessionIsWokenAfterAFailedLogOut(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(1, tlDevice(7, "5"))
	x.answer("account.registerDevice", wire.AppendBool(nil, true))
	x.recv(5, tlPing(1))
	x.take()
	x.step(&PushUpdates{Notification: true, Updates: x.updates(1)})
	require.ElementsMatch(t, []int{1, -1}, pushed(x.take())) // and this is lost
	x.recv(1, x.method("auth.logOut"))
	x.fail("auth.logOut", 500, "INTERNAL_SERVER_ERROR")
	x.take()
	x.now += int64(3 * time.Second)
	x.recv(1, tlPing(1))
	x.recv(5, tlPing(1))
	require.Equal(t, []int{-1, -1}, pushed(x.take()), "both sessions")
}

// A push session is woken even if there were too many updates to keep.
func TestPushSessionIsWokenForUpdatesLost(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.HeldPushes = 2 })
	x.states = false
	x.recv(5, tlPing(1))
	for i := range 3 {
		x.step(&PushUpdates{Notification: true, Updates: x.updates(i)})
	}
	ticket, _ := find[*GetAuthState](x, nil)
	x.finish(ticket, &AuthState{State: StateNormal, UserID: alice, PushSessionID: 5}, nil)
	require.Equal(t, []int{-1}, pushed(x.take()))
}

// A login that seems to owe its password, and then does not, is told what it
// lost meanwhile.
func TestUpdatesLostToADoubtfulLogin(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.step(&PushUpdates{Updates: x.updates(1)})
	require.Equal(t, []int{1}, pushed(x.take()))
	x.state = AuthState{State: StateNeedPassword}
	x.advance(61 * time.Second)
	x.recv(1, x.method("account.getAccountTTL"))
	x.take()
	x.state = AuthState{State: StateNormal, UserID: alice}
	x.advance(3 * time.Second)
	x.recv(1, x.method("help.getNearestDc"))
	x.recv(1, x.method("account.getAccountTTL"))
	require.Contains(t, pushed(x.take()), -1)
}

// Updates for a session that is gone are not lost silently.
func TestUpdatesForASessionThatIsGone(t *testing.T) {
	x := newWorld(t, false)
	x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 9, Updates: x.updates(1)})
	x.recv(1, x.method("help.getNearestDc"))
	require.Empty(t, pushed(x.take()), "nobody was logged in, as far as is known")
	x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 9, Updates: x.updates(1)})
	require.Equal(t, []int{-1}, pushed(x.take()))
	require.Equal(t, 2, x.counts[CountPushesLost])
}

// A push session that acknowledges nothing is owed one updatesTooLong, not one
// for each time it was woken.
func TestWokenWithoutAcknowledgment(t *testing.T) {
	x := newWorld(t, false)
	x.loginWithPushSession()
	for i := range 1000 {
		x.step(&PushUpdates{Notification: true, Updates: x.updates(i)})
	}
	require.Len(t, x.w.mainAuth.find(5).sent, 1)
	require.LessOrEqual(t, len(x.w.mainAuth.find(1).sent), x.cfg.OutboxMessages)
}

// What another node stored while both had the key is read once they agree, and a
// session for push messages that was not known till then is woken for what it
// may have missed.
func TestPushSessionOfAnotherNodeIsFound(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(2, tlPing(1))
	x.state.PushSessionID = 2
	x.step(&PushUpdates{Updates: x.updates(1), Notification: true})
	require.Equal(t, []int{1}, pushed(x.take()))
	x.step(&Settled{})
	x.recv(1, x.method("help.getNearestDc"))
	msgs := x.takeOnly(wire.IDUpdatesTooLong)
	require.Len(t, msgs, 1)
	require.Equal(t, int64(2), msgs[0].SessionID)
	x.recv(1, x.method("help.getNearestDc"))
	require.Empty(t, x.takeOnly(wire.IDUpdatesTooLong))
}

// Each update that a client's layer does not have made it fetch a difference, which
// told nothing of it.
func TestUpdatesThatALayerLacks(t *testing.T) {
	const too = -1
	for name, c := range map[string]struct {
		update string
		fields map[string]any
		layer  int32
		want   []int
	}{
		"of an old layer":              {"updateReadStories", map[string]any{"max_id": 7}, 139, nil},
		"of a login":                   {"updateNewAuthorization", map[string]any{"hash": 7}, 139, nil},
		"of an emoji":                  {"updateUserEmojiStatus", map[string]any{"user_id": 7}, 139, nil},
		"counted by pts":               {"updateReadStories", map[string]any{"pts_INT32": 7}, 139, []int{too}},
		"counted by qts":               {"updateBotBusinessConnect", map[string]any{"qts": 7}, 139, []int{too}},
		"perhaps counted":              {"updateReadStories", map[string]any{"pts_FLAGINT32": []byte{}}, 139, []int{too}},
		"of the layer":                 {"updateConfig", nil, 139, []int{5}},
		"that says so itself":          {"", nil, 139, []int{too}},
		"of the layer, a newer client": {"updateNewAuthorization", map[string]any{"hash": 7}, 223, []int{5}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.recv(1, tlLayer(c.layer, x.method("updates.getState")))
			x.answer("updates.getState", updatesState())
			x.take()
			updates := x.pbObject("Updates", "updatesTooLong", nil)
			if c.update != "" {
				updates = x.pbObject("Updates", "updateShort", map[string]any{"update": x.pbObject("Update", c.update, c.fields), "date": 5})
			}
			for range 3 {
				x.step(&PushUpdates{Updates: updates})
			}
			msgs := x.take()
			switch {
			case c.want == nil:
				require.Empty(t, msgs)
				require.Equal(t, 3, x.counts[CountPushesForeign])
			case c.want[0] == too:
				require.NotEmpty(t, msgs)
				for _, m := range msgs {
					require.EqualValues(t, wire.IDUpdatesTooLong, m.constructor)
				}
			default:
				require.Len(t, msgs, 3)
			}
		})
	}
}
