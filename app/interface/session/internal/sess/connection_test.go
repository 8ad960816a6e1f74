package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Word that a connection was closed came after the first packet of the next one, and
// counted for that: the answer stayed here until the client spoke again.
func TestCloseThatIsOvertaken(t *testing.T) {
	const sid = 1
	closed := func(gateway string) func(*world) {
		return func(x *world) { x.step(&ConnClosed{gateway, permKey, sid}) }
	}
	wait := func(d time.Duration) func(*world) { return func(x *world) { x.advance(d) } }
	again := func(x *world) {
		d := x.data(sid, x.msg(sid, tlPing(1)))
		d.NewConn = true
		x.step(d)
	}
	ready := func(x *world) { x.step(&ConnNew{ServerID: "gw1", AuthKeyID: permKey, SessionID: sid}) }
	for name, c := range map[string]struct {
		script  []func(*world) // after a first connection through gw1
		reached bool           // what is said then reaches the client
	}{
		"not at all":                             {nil, true},
		"closed":                                 {[]func(*world){closed("gw1")}, false},
		"closed, then a new one":                 {[]func(*world){wait(time.Minute), closed("gw1"), again}, true},
		"overtaken":                              {[]func(*world){wait(time.Minute), again, closed("gw1")}, true},
		"overtaken, a second later":              {[]func(*world){wait(time.Minute), again, wait(time.Second), closed("gw1")}, true},
		"overtaken, then closed":                 {[]func(*world){wait(time.Minute), again, closed("gw1"), closed("gw1")}, false},
		"overtaken by a word of it, too":         {[]func(*world){wait(time.Minute), ready, again, closed("gw1")}, true},
		"long after a new one":                   {[]func(*world){wait(time.Minute), again, wait(6 * time.Second), closed("gw1")}, false},
		"of the first, soon":                     {[]func(*world){wait(time.Second / 2), closed("gw1")}, false},
		"of a new one that was told of":          {[]func(*world){wait(time.Minute), closed("gw1"), wait(time.Minute), ready, again, closed("gw1")}, false},
		"of another gateway":                     {[]func(*world){wait(time.Minute), again, closed("gw2")}, true},
		"no connection, says the gateway":        {[]func(*world){wait(time.Minute), again, func(x *world) { x.step(&SendFailed{ServerID: "gw1", AuthKeyID: permKey, SessionID: sid}) }}, false},
		"overtaken, and no connection was found": {[]func(*world){wait(time.Minute), again, func(x *world) { x.step(&SendFailed{ServerID: "gw1", AuthKeyID: permKey, SessionID: sid}) }, again, closed("gw1")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(sid)
			call := x.recv(sid, x.method("help.getNearestDc"))
			for _, f := range c.script {
				f(x)
			}
			x.take()
			x.answer("help.getNearestDc", nearestDC("NL"))
			_, ok := result(x.take(), call.ID)
			require.Equal(t, c.reached, ok)
		})
	}
}

// A packet that was underway while its client changed gateways counted as the latest: an
// update went to the gateway that the client had left, and to nobody.
func TestPacketThatIsOvertaken(t *testing.T) {
	const sid = 1
	type packets struct{ late, later *Data }
	for name, c := range map[string]struct {
		then func(*world, packets)
		want string // the gateway that an update goes to
	}{
		"underway while its client moved":    {func(x *world, p packets) { x.step(p.late) }, "gw2"},
		"the first of its connection":        {func(x *world, p packets) { p.late.NewConn = true; x.step(p.late) }, "gw1"},
		"a later one, of another connection": {func(x *world, p packets) { x.step(p.later) }, "gw1"},
		"the present connection is closed": {func(x *world, p packets) {
			x.step(&ConnClosed{"gw2", permKey, sid})
			x.step(p.late)
		}, "gw1"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(sid)
			ping := func(n int64) *Data { x.now++; return x.data(sid, x.msg(sid, tlPing(n))) }
			late, next := ping(1), ping(2)
			next.ServerID, next.NewConn = "gw2", true
			later := ping(3)
			x.step(next)
			x.take()
			c.then(x, packets{late, later})
			require.NotEmpty(t, x.takeOnly(wire.IDPong), "it is answered in any case")
			x.step(&PushUpdates{Updates: x.updates(1)})
			require.NotEmpty(t, x.sends)
			require.Equal(t, c.want, x.sends[len(x.sends)-1].ServerID)
			require.Contains(t, pushed(x.take()), 1)
		})
	}
}

// What another node had sent, and found no connection, ended the one that the client had made
// since the key came from there: it heard nothing until it spoke again.
func TestSendFailedOfTheNodeBefore(t *testing.T) {
	for name, again := range map[string]bool{"the client has come back": true, "it has not": false} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.advance(10 * time.Second)
			x.step(&PushUpdates{Updates: x.updates(1)})
			x.move()
			x.advance(time.Second)
			if again {
				x.step(newConn(x.through("gw1", 1, tlPing(1))))
				require.Contains(t, pushed(x.take()), 1)
				x.advance(time.Second)
			}
			x.step(&SendFailed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1}) // of the update, on the node before
			require.Equal(t, again, x.w.mainAuth.find(1).online)
		})
	}
}

// A packet finds no connection, and the gateway says in another call that it was closed. That
// word may come when the client is there again, also where the key has moved meanwhile: it
// counted for the new connection.
func TestCloseOfAConnectionThatWasNotFound(t *testing.T) {
	closed := func(x *world) { x.step(&ConnClosed{"gw1", permKey, 1}) }
	again := func(x *world) {
		x.step(newConn(x.through("gw1", 1, tlPing(1))))
		x.advance(time.Second)
	}
	moves := func(x *world) { x.move() }
	for name, c := range map[string]struct {
		script []func(*world) // once a packet has found none
		online bool
	}{
		"when the client is back":                              {[]func(*world){again, closed}, true},
		"when the client is back, on another node":             {[]func(*world){moves, again, closed}, true},
		"before the client is back":                            {[]func(*world){closed, again}, true},
		"when the client is back, and closed":                  {[]func(*world){again, closed, closed}, false},
		"when the client is back, on another node, and closed": {[]func(*world){moves, again, closed, closed}, false},
		"before the client is back, and closed":                {[]func(*world){closed, again, closed}, false},
		"long before the client is back, and closed":           {[]func(*world){func(x *world) { x.advance(settled) }, again, closed}, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			x.advance(10 * time.Second)
			x.step(&SendFailed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
			require.False(t, x.w.mainAuth.find(1).online)
			for _, f := range c.script {
				f(x)
			}
			require.Equal(t, c.online, x.w.mainAuth.find(1).online)
		})
	}
}
