package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// through is the next packet of a session through a gateway.
func (x *world) through(gateway string, sid int64, body []byte) *Data {
	x.now++
	d := x.data(sid, x.msg(sid, body))
	d.ServerID = gateway
	return d
}

// newConn has a packet be the first of its connection.
func newConn(d *Data) *Data {
	d.NewConn = true
	return d
}

// A client that comes back in a new session hears at once that updates wait in the one
// before. It was told when that ended, three minutes later.
func TestUpdatesOfASessionThatWasLeft(t *testing.T) {
	push := func(x *world) { x.step(&PushUpdates{Updates: x.updates(1)}) }
	closed := func(x *world) { x.step(&ConnClosed{"gw1", permKey, 1}) }
	failed := func(x *world) { x.step(&SendFailed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1}) }
	comesBack := func(x *world) { x.step(newConn(x.through("gw1", 2, x.method("help.getNearestDc")))) }
	for name, script := range map[string][]func(*world){
		"closed, then an update":                     {closed, push, comesBack},
		"an update that finds no connection":         {push, failed, comesBack},
		"an update, then closed":                     {push, closed, comesBack},
		"an update, then a new session, then closed": {push, comesBack, closed},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.advance(10 * time.Second)
			x.take()
			for _, f := range script {
				f(x)
			}
			require.Equal(t, 1, x.tooLongs(2))
			for range 40 { // until the first session has ended
				x.advance(10 * time.Second)
				x.step(x.through("gw1", 2, tlPing(1)))
				require.Zero(t, x.tooLongs(2), "once is enough")
			}
			require.Nil(t, x.w.mainAuth.find(1))
		})
	}
	t.Run("it comes back in the first one after all", func(t *testing.T) {
		x := newWorld(t, false)
		x.login(1)
		push(x)
		closed(x)
		comesBack(x)
		x.take()
		x.step(newConn(x.through("gw1", 1, tlPing(1))))
		require.Contains(t, pushed(x.take()), 1)
	})
	t.Run("a session that moves files is told nothing", func(t *testing.T) {
		x := newWorld(t, false)
		x.login(1)
		push(x)
		closed(x)
		x.step(newConn(x.through("gw1", 2, x.method("upload.saveFilePart"))))
		require.Zero(t, x.tooLongs(2))
	})
	t.Run("an update that cannot be sent, and another one", func(t *testing.T) {
		x := newWorld(t, false)
		x.login(1)
		x.advance(10 * time.Second)
		closed(x)
		comesBack(x)
		x.answer("help.getNearestDc", nearestDC("NL"))
		x.ackAll(2)
		for n := range 2 { // the updatesTooLong of the first waits, and hid the second
			x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: 1, Updates: []byte{0xff}})
			require.Equal(t, 1, x.tooLongs(2), "update %d", n)
		}
	})
	t.Run("one that may have missed some before this node knew it", func(t *testing.T) {
		x := newWorld(t, false)
		x.status = false
		x.met[msgKey{permKey, 1}] = true
		x.recv(1, tlPing(1))
		closed(x)
		comesBack(x)
		x.answer("help.getNearestDc", nearestDC("NL"))
		x.status = true
		x.step(&Announced{At: x.w.presence.toldAt})
		require.Equal(t, 1, x.tooLongs(2))
		for range 40 {
			x.advance(10 * time.Second)
			x.step(x.through("gw1", 2, tlPing(1)))
			require.Zero(t, x.tooLongs(2), "once is enough")
		}
	})
}

// tooLongs has a session read what has come, and acknowledge it. It returns how many
// updatesTooLong there were, which are for no other session.
func (x *world) tooLongs(sid int64) (n int) {
	x.t.Helper()
	var ids []int64
	for _, m := range x.take() {
		if m.constructor == wire.IDUpdatesTooLong {
			require.Equal(x.t, sid, m.SessionID)
			n++
		}
		if m.SessionID == sid && m.Seq&1 != 0 {
			ids = append(ids, m.ID)
		}
	}
	if len(ids) > 0 {
		x.recv(sid, tlAck(ids...))
	}
	return n
}

// A gateway that has a dead connection of a session does not say that the next one is new:
// the client has changed networks. Updates that went to the dead one came a minute later.
func TestAClientThatSpeaksFromElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		gateway, ip string
		again       bool
	}{
		"the same place":                   {"gw1", "", false},
		"another address":                  {"gw1", "198.51.100.9", true},
		"another gateway":                  {"gw2", "", true},
		"another gateway, another address": {"gw2", "198.51.100.9", true},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.step(x.through("gw1", 1, tlPing(1)))
			x.advance(time.Second)
			x.step(&PushUpdates{Updates: x.updates(1)})
			require.Contains(t, pushed(x.take()), 1)
			x.advance(2 * time.Second)
			for n := range 2 * mostSends {
				d := x.through(c.gateway, 1, tlPing(2))
				if c.ip != "" {
					d.ClientIP = c.ip
				}
				x.step(d)
				require.Equal(t, c.again && n == 0, len(pushed(x.take())) > 0, "packet %d", n)
			}
		})
	}
	t.Run("to and fro", func(t *testing.T) {
		x := newWorld(t, false)
		x.login(1)
		x.step(&PushUpdates{Updates: x.updates(1)})
		sends := 0
		for n := range 100 {
			x.advance(time.Second)
			x.step(x.through([]string{"gw1", "gw2"}[n%2], 1, tlPing(1)))
			sends += len(pushed(x.take()))
		}
		require.LessOrEqual(t, sends, mostSends)
	})
}

// What was sent on the connection before found none, and the session counted as offline,
// though its client had come back meanwhile: it heard nothing until it spoke again.
func TestSendFailedOfTheConnectionBefore(t *testing.T) {
	for name, c := range map[string]struct {
		sent   time.Duration // after the new connection; 0: that is not known
		online bool
	}{
		"before":    {-time.Second, true},
		"since":     {time.Second, false},
		"not known": {0, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.advance(10 * time.Second)
			x.step(newConn(x.through("gw1", 1, tlPing(1))))
			in := &SendFailed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1}
			if c.sent != 0 {
				in.SentAt = x.now + int64(c.sent)
			}
			x.advance(2 * time.Second)
			x.step(in)
			require.Equal(t, c.online, x.w.mainAuth.find(1).online)
		})
	}
}

// A session whose connection is dead, of which no gateway has said so, took the updates of a
// client that had come back in a new one, for as long as it counted as online.
func TestASessionThatSaysNothingWhileAnotherSpeaks(t *testing.T) {
	for name, c := range map[string]struct {
		beside  func(x *world) // once an update was pushed
		after   time.Duration  // the second session is told; 0: it is not
		updates int64          // the session that gets the next one
	}{
		"it says nothing":       {func(x *world) {}, deafFor, 2},
		"it acknowledges":       {func(x *world) { x.ackAll(1) }, 0, 1},
		"it says something":     {func(x *world) { x.step(x.through("gw1", 1, tlPing(1))) }, 0, 1},
		"the second goes again": {func(x *world) { x.step(&ConnClosed{"gw2", permKey, 2}) }, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.advance(10 * time.Second)
			x.step(newConn(x.through("gw2", 2, x.method("help.getNearestDc"))))
			x.answer("help.getNearestDc", nearestDC("NL"))
			x.take()
			x.step(&PushUpdates{Updates: x.updates(1)})
			began := x.now
			c.beside(x)
			x.take()
			told := time.Duration(0)
			for x.now-began < int64(20*time.Second) {
				x.advance(100 * time.Millisecond)
				for _, m := range x.takeOnly(wire.IDUpdatesTooLong) {
					require.EqualValues(t, 2, m.SessionID)
					require.Zero(t, told, "once is enough")
					told = time.Duration(x.now - began)
				}
			}
			require.InDelta(t, c.after, told, float64(200*time.Millisecond))
			x.step(&PushUpdates{Updates: x.updates(2)})
			got := x.take()
			require.Equal(t, []int{2}, pushed(got))
			require.Equal(t, c.updates, got[len(got)-1].SessionID)

			x.step(x.through("gw1", 1, tlPing(1)))
			x.take()
			x.step(&PushUpdates{Updates: x.updates(3)})
			got = x.take()
			require.EqualValues(t, 1, got[len(got)-1].SessionID, "it asked for updates, and is there")
		})
	}
}

// A client with one session for all, which had moved a file in it, was not taken for one that
// had left the session before: updates went there for as long as that counted as online.
func TestASessionThatMovesFilesAndTakesUpdates(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.advance(10 * time.Second)
	x.step(newConn(x.through("gw2", 2, x.method("help.getNearestDc"))))
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.step(x.through("gw2", 2, x.filePart(100)))
	x.answer("upload.saveFilePart", wire.AppendBool(nil, true))
	x.take()
	x.step(&PushUpdates{Updates: x.updates(1)})
	x.take()
	x.advance(deafFor)
	require.Equal(t, 1, x.tooLongs(2))
}

// A client that came back in one new session after the other was told of updates that went to
// the first only when one of them had lasted for twelve seconds.
func TestAClientThatStartsOverAgainAndAgain(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.advance(10 * time.Second)
	began := x.now
	told := 0
	for sid := int64(2); x.now-began < int64(deafFor); sid++ {
		x.step(newConn(x.through("gw1", sid, x.method("help.getNearestDc"))))
		x.answer("help.getNearestDc", nearestDC("NL"))
		x.ackAll(sid)
		if sid == 2 {
			x.step(&PushUpdates{Updates: x.updates(1)})
			require.Equal(t, []int{1}, pushed(x.take()))
		}
		x.advance(4*time.Second + 100*time.Millisecond)
		told += x.tooLongs(sid)
		x.step(&ConnClosed{"gw1", permKey, sid})
		x.take()
	}
	require.Equal(t, 1, told)
}

// Updates of a session over HTTP that its client had left waited for a request, for as long
// as the session counted as online.
func TestASessionOverHTTPThatWasLeft(t *testing.T) {
	x := newWorld(t, false)
	x.post(1, 1, x.msg(1, x.method("updates.getState")), 7*time.Second)
	x.answer("updates.getState", updatesState())
	x.takeReply(1)
	x.advance(10 * time.Second)
	x.step(newConn(x.through("gw2", 2, x.method("help.getNearestDc"))))
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.take()
	x.step(&PushUpdates{Updates: x.updates(1)})
	x.advance(deafFor - time.Second)
	require.Zero(t, x.tooLongs(2))
	x.advance(time.Second)
	require.Equal(t, 1, x.tooLongs(2))
}

// A push session that is offline got its updatesTooLong into the outbox. There it was an update
// that nobody had been told of, so another session was told to fetch what it had just got.
func TestPushSessionThatIsOffline(t *testing.T) {
	x := newWorld(t, false)
	x.loginWithPushSession()
	for n := range 5 {
		x.step(newConn(x.through("gw1", 5, tlPing(1))))
		x.step(&ConnClosed{"gw1", permKey, 5})
		x.take()
		x.step(&PushUpdates{Notification: true, Updates: x.updates(n)})
		require.Zero(t, x.tooLongs(1))
		x.advance(10 * time.Second)
		x.step(newConn(x.through("gw1", 5, tlPing(2))))
		require.Equal(t, 1, x.tooLongs(5), "it is woken when it is back")
	}
}
