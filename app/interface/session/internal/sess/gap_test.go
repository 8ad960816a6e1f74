package sess

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// away ends the connection of a session in one of the ways in which a client may
// be cut off, and returns when status has heard of it.
func away(x *world, how string) {
	x.t.Helper()
	switch how {
	case "its connection is closed":
		x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
	case "a packet finds no connection":
		x.step(&SendFailed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
	case "it is silent":
	case "its pings stop":
		x.recv(1, tlInt(tlLong(tlID(wire.IDPingDelayDisconnect), 5), 35))
		x.advance(35*time.Second + x.cfg.OfflineAfter)
		require.Equal(x.t, 1, count[*SetOffline](x))
		return
	}
	for count[*SetOffline](x) == 0 {
		require.NotZero(x.t, x.out.WakeAt)
		x.advance(time.Second)
	}
}

// ways are how a client may be cut off.
var ways = []string{"its connection is closed", "a packet finds no connection", "it is silent", "its pings stop"}

// Nobody pushed to a client that took no updates at first, nor told it that it had
// missed some when it did.
func TestUpdatesOfAQuietTimeAreAnnounced(t *testing.T) {
	plain := func(x *world) []byte { return x.method("help.getNearestDc") }
	for name, c := range map[string]struct {
		first func(*world) []byte
		then  string
		told  []int
	}{
		"after pings":                              {func(*world) []byte { return tlPing(1) }, "help.getNearestDc", []int{-1}},
		"after pings, and asks for the state":      {func(*world) []byte { return tlPing(1) }, "updates.getState", nil},
		"after calls beside it":                    {func(x *world) []byte { return tlQuiet(plain(x)) }, "help.getNearestDc", []int{-1}},
		"it has taken them from its first call on": {plain, "help.getNearestDc", nil},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			quiet := int64(1)
			if name == "after calls beside it" {
				quiet = 2
			}
			x.recv(1, tlPing(1))
			x.recv(quiet, c.first(x))
			x.take()
			x.advance(10 * time.Second)
			x.recv(1, x.method(c.then))
			require.Equal(t, c.told, pushed(x.take()))
			require.Equal(t, 1, count[*SetOnline](x))
		})
	}
}

// A call that came while authsession was away was refused. Its client was announced with
// the next one, and not told that nobody had pushed to it until then.
func TestUpdatesOfATimeWithoutAuthsessionAreAnnounced(t *testing.T) {
	for then, told := range map[string][]int{"help.getNearestDc": {-1}, "updates.getState": nil} {
		t.Run(then, func(t *testing.T) {
			x := newWorld(t, false)
			x.states = false
			refused := x.recv(1, x.method("help.getNearestDc"))
			read, _ := find[*GetAuthState](x, nil)
			x.finish(read, nil, ErrInternal)
			require.Equal(t, "500 INTERNAL_SERVER_ERROR", x.rpcError(x.take(), refused.ID))
			x.states = true
			x.advance(500 * time.Millisecond)
			x.recv(1, x.method(then))
			require.Equal(t, told, pushed(x.take()))
			require.Equal(t, 1, count[*SetOnline](x))
		})
	}
}

// Nobody pushed to a client that was away, nor told it that it had missed
// anything, when it came back into its session: the message showed with the next
// one, or after a quarter of an hour.
func TestUpdatesOfAnAbsenceAreAnnounced(t *testing.T) {
	for _, how := range ways {
		for name, back := range map[string]func(*world){
			"on a new connection": func(x *world) {
				d := x.data(1, x.msg(1, tlPing(1)))
				d.NewConn = true
				x.step(d)
			},
			"on the same connection":   func(x *world) { x.recv(1, tlPing(1)) },
			"in a session that is new": func(x *world) { x.recv(2, x.method("help.getNearestDc")) },
		} {
			t.Run(how+", and it comes back "+name, func(t *testing.T) {
				x := newWorld(t, false)
				x.login(1)
				away(x, how)
				x.take()
				back(x)
				require.Equal(t, []int{-1}, pushed(x.take()))
				x.recv(1, tlPing(2))
				require.Empty(t, pushed(x.take()), "once")
			})
		}
	}
}

// A client that asked for the difference before status had its key would have
// missed what happened in between.
func TestGapIsToldOnceStatusKnows(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	away(x, ways[0])
	x.status = false
	x.recv(1, tlPing(1))
	require.Empty(t, pushed(x.take()), "status may not know yet")
	x.step(&Announced{At: x.now - 1})
	require.Empty(t, pushed(x.take()), "another announcement's outcome")
	x.step(&Announced{At: x.now})
	require.Equal(t, []int{-1}, pushed(x.take()))
}

// Status that refused for longer than an entry lives left a client without
// updates, and nobody told it.
func TestGapWhileStatusIsAway(t *testing.T) {
	for name, c := range map[string]struct {
		away  time.Duration
		tells []int
	}{
		"for less than an entry lives": {away: 10 * time.Second},
		"for longer":                   {away: 3 * time.Minute, tells: []int{-1}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.status = false
			began := x.now
			refuse := func(d time.Duration) {
				for end := x.now + int64(d); x.now < end; {
					at := x.w.presence.toldAt
					x.advance(time.Second)
					if x.w.presence.toldAt != at || x.w.presence.telling {
						x.step(&Announced{At: x.w.presence.toldAt, Failed: true})
					}
					if x.now/1e9%30 == 0 {
						x.recv(1, tlPing(1))
					}
				}
			}
			refuse(46*time.Second + c.away)
			require.Empty(t, pushed(x.take()), "nothing is known to be missing yet")
			asked := count[*SetOnline](x)
			require.InDelta(t, float64(x.now-began-45e9)/5e9, asked-1, 3, "it is tried every five seconds")
			x.status = true
			x.advance(6 * time.Second)
			require.Equal(t, c.tells, pushed(x.take()))
			require.Equal(t, asked+1, count[*SetOnline](x))
			x.advance(20 * time.Second)
			require.Equal(t, asked+1, count[*SetOnline](x), "and then no more often than before")
		})
	}
}

// Who comes back while status is away is told at once, for that it has missed
// something is certain, and again when status is back.
func TestGapIsToldThoughStatusRefuses(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	away(x, ways[0])
	x.status = false
	x.recv(1, tlPing(1))
	x.step(&Announced{At: x.now, Failed: true})
	told := pushed(x.take())
	require.Equal(t, []int{-1}, told)
	x.status = true
	x.advance(5 * time.Second)
	require.Equal(t, []int{-1}, pushed(x.takeOnly(wire.IDUpdatesTooLong)))
}

// Status had no entry any more, and nothing was told to anybody until the next
// announcement, three quarters of a minute later.
func TestForgottenKeyIsAnnouncedAgain(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.now += int64(10 * time.Second)
	for name, in := range map[string]*Forgotten{
		"another user's":       {UserID: 78, Asked: x.now},
		"asked before we told": {UserID: alice, Asked: x.now - int64(11*time.Second)},
	} {
		x.step(in)
		require.Equal(t, 1, count[*SetOnline](x), name)
	}
	x.step(&Forgotten{UserID: alice, Asked: x.now - 1})
	require.Equal(t, 2, count[*SetOnline](x))
	require.Equal(t, []int{-1}, pushed(x.take()))
	x.step(&Forgotten{UserID: alice, Asked: x.now - 1})
	require.Equal(t, 2, count[*SetOnline](x), "asked before we told it again")
	away(x, ways[0])
	x.step(&Forgotten{UserID: alice, Asked: x.now + 1})
	require.Equal(t, 2, count[*SetOnline](x), "nobody is there")
}

// The entry of an earlier announcement was lost while status took no new ones, and
// nobody was told of what was pushed to nobody.
func TestForgottenKeyWhileStatusRefuses(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.status = false
	x.advance(x.cfg.OnlineEvery)
	require.Equal(t, 2, count[*SetOnline](x))
	x.step(&Announced{At: x.w.presence.toldAt, Failed: true})
	x.now += int64(time.Second)
	x.step(&Forgotten{UserID: alice, Asked: x.now - 1})
	x.step(&Announced{At: x.w.presence.toldAt, Failed: true})
	x.take()
	x.status = true
	x.advance(announceRetry)
	require.Equal(t, []int{-1}, pushed(x.takeOnly(wire.IDUpdatesTooLong)))
}

// The entry of an earlier announcement was lost between one that status refused and
// the next, and nobody asked whether it was still there.
func TestLossBetweenAnnouncements(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.status = false
	x.advance(x.cfg.OnlineEvery)
	x.step(&Announced{At: x.w.presence.toldAt, Failed: true})
	x.advance(announceRetry)
	last, _ := x.calls[len(x.calls)-1].(*SetOnline)
	require.NotNil(t, last)
	require.True(t, last.Renews, "status is asked whether it has the entry")
	x.step(&Announced{At: x.w.presence.toldAt, Lost: true})
	require.Equal(t, []int{-1}, pushed(x.takeOnly(wire.IDUpdatesTooLong)))
}

// The state of updates was asked for before status knew the key: an update in
// between was neither in the answer nor pushed.
func TestStateIsAskedOnceStatusKnows(t *testing.T) {
	for name, c := range map[string]struct {
		outcome func(*world)
		tells   []int
	}{
		"status takes it": {outcome: func(x *world) { x.step(&Announced{At: x.now}) }},
		"status is slow": {outcome: func(x *world) {
			x.advance(announceWait)
			require.True(t, x.isInvoked("updates.getState"))
			x.step(&Announced{At: x.w.presence.toldAt})
		}, tells: []int{-1}},
		"status refuses": {outcome: func(x *world) { x.step(&Announced{At: x.now, Failed: true}) }, tells: []int{-1}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.status = false
			x.recv(1, x.method("updates.getState"))
			require.False(t, x.isInvoked("updates.getState"))
			c.outcome(x)
			require.True(t, x.isInvoked("updates.getState"))
			x.answer("updates.getState", updatesState())
			x.status = true
			x.advance(6 * time.Second)
			require.Equal(t, c.tells, pushed(x.takeOnly(wire.IDUpdatesTooLong))[:len(c.tells)])
		})
	}
}

// A node that is told of a session by the one that had its key reaches the
// client before that says anything.
func TestIntroducedSession(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(2, x.method("help.getNearestDc"))
	x.step(&Drain{})
	require.Equal(t, []ConnNew{{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1, ClientIP: "192.0.2.1", Introduced: true}}, x.out.Present)
	in := x.out.Present[0]

	y := newWorld(t, false)
	y.step(&in)
	require.Equal(t, 1, count[*SetOnline](y))
	msgs := y.take()
	require.Equal(t, []int{-1}, pushed(msgs))
	require.EqualValues(t, y.currentSalt(), msgs[0].salt)
	y.step(&PushUpdates{Updates: y.updates(1)})
	require.Equal(t, []int{1}, pushed(y.take()))
	again := in
	y.step(&again)
	require.Empty(t, y.take(), "it is there already")
	y.met[msgKey{permKey, 1}] = true
	y.recv(1, tlPing(1))
	msgs = y.take()
	require.Len(t, msgs, 2)
	require.EqualValues(t, wire.IDNewSessionCreated, msgs[0].constructor, "as of its first message here")
	require.Empty(t, pushed(msgs))

	z := newWorld(t, false)
	z.salts = false
	in = ConnNew{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1, Introduced: true}
	z.step(&in)
	require.Empty(t, z.take(), "no salt is known to send it with")
	ticket, _ := find[*GetSalts](z, nil)
	z.finish(ticket, &Salts{Salts: saltList(z.now, 8)}, nil)
	require.Equal(t, []int{-1}, pushed(z.take()))

	for name, state := range map[string]AuthState{"nobody is logged in": {State: StateUnauthorized}, "a password is owed": {State: StateNeedPassword}} {
		u := newWorld(t, false)
		u.state = state
		in := ConnNew{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1, Introduced: true}
		u.step(&in)
		require.Empty(t, u.take(), name)
		require.Zero(t, count[*SetOnline](u), name)
		u.advance(time.Hour)
		require.True(t, u.out.Done, name)
	}
}

// A push session that was away with the others is woken for what it may have
// missed.
func TestPushSessionIsWokenAfterAnAbsence(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(1, tlDevice(7, "5"))
	x.answer("account.registerDevice", wire.AppendBool(nil, true))
	x.recv(5, tlPing(1))
	x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 5})
	away(x, ways[0])
	x.take()
	x.recv(5, tlPing(1))
	require.Equal(t, []int{-1}, pushed(x.take()))
	x.recv(1, tlPing(1))
	require.Equal(t, []int{-1}, pushed(x.take()))
}

// A login that has ended, or has changed, is told nothing of what the former one
// missed.
func TestGapEndsWithItsLogin(t *testing.T) {
	for name, end := range map[string]func(*world){
		"revoked": func(x *world) { x.step(&Revoked{}) },
		"another user": func(x *world) {
			x.state.UserID = 78
			x.step(&PushUpdates{Notification: true, Updates: x.pbObject("Updates", "updateAccountResetAuthorization",
				map[string]any{"user_id": alice, "auth_key_id": permKey})})
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			away(x, ways[0])
			end(x)
			x.take()
			x.recv(2, x.method("help.getNearestDc"))
			require.Empty(t, pushed(x.take()))
		})
	}
}

// A login was ended before the node that has just got its key knew of it: its
// session takes nothing more, also when it turns out that there is none.
func TestIntroducedSessionOfAnEndedLogin(t *testing.T) {
	for name, c := range map[string]struct {
		after AuthState
		takes []int
	}{
		"there is none":    {after: AuthState{State: StateUnauthorized}},
		"there is another": {after: AuthState{State: StateNormal, UserID: alice}, takes: []int{2}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.states = false
			x.step(&ConnNew{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1, Introduced: true})
			x.step(&PushUpdates{Updates: x.pbObject("Updates", "updateAccountResetAuthorization",
				map[string]any{"user_id": alice, "auth_key_id": permKey})})
			x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 1, Updates: x.updates(1)})
			require.Empty(t, pushed(x.take()))
			x.states, x.state = true, c.after
			ticket, _ := find[*GetAuthState](x, nil)
			x.finish(ticket, &c.after, nil)
			x.take()
			x.now += int64(10 * time.Second)
			x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 1, Updates: x.updates(2)})
			require.Equal(t, c.takes, pushed(x.take()))
		})
	}
}

// A session that came to a key after its login was ended got what was pushed to
// it for that login.
func TestSessionPushAfterTheLoginEnded(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.step(&Revoked{})
	x.recv(2, tlPing(1))
	x.now += int64(10 * time.Second)
	x.take()
	x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 2, Updates: x.updates(1)})
	require.Empty(t, x.take())
}

// A login that is said to have ended, and began too lately for that to be certain,
// gets no updates until authsession has said so or not.
func TestSuspectedLoginWaitsForItsUpdates(t *testing.T) {
	for name, c := range map[string]struct {
		state AuthState
		gets  []int
	}{
		"it goes on":   {state: AuthState{State: StateNormal, UserID: alice}, gets: []int{1}},
		"it has ended": {state: AuthState{State: StateUnauthorized}, gets: []int{-1}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.states = false
			x.step(&PushUpdates{Updates: x.pbObject("Updates", "updateAccountResetAuthorization",
				map[string]any{"user_id": alice, "auth_key_id": permKey})})
			x.step(&PushUpdates{Updates: x.updates(1)})
			require.Empty(t, pushed(x.take()))
			ticket, _ := find[*GetAuthState](x, nil)
			x.finish(ticket, &c.state, nil)
			require.Equal(t, c.gets, pushed(x.take()))
		})
	}
}

// Updates that found no room in the key's mailbox are announced as missed, to whoever
// takes updates, now or when somebody does.
func TestLostPushesAreAnnounced(t *testing.T) {
	for name, c := range map[string]struct {
		before, after func(x *world)
		want          bool
	}{
		"connected": {func(x *world) { x.login(1) }, func(*world) {}, true},
		"away for a moment": {
			func(x *world) { x.login(1); x.step(&ConnClosed{"gw1", permKey, 1}) },
			func(x *world) { x.recv(1, tlPing(1)) }, true,
		},
		"nobody yet": {func(*world) {}, func(x *world) { x.login2(1) }, true},
		"logged out": {
			func(x *world) { x.login(1); x.step(&Revoked{}); x.take() },
			func(x *world) { x.recv(1, tlPing(1)) }, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			c.before(x)
			x.take()
			x.step(&PushesLost{})
			c.after(x)
			got := slices.Concat(x.seen, pushed(x.take()))
			require.Equal(t, c.want, slices.Contains(got, -1), "%v", got)
		})
	}
}
