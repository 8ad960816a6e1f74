package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// heard is what a client that stops reading a packet behind some message has of
// what was sent.
func (x *world) heard(stops func(sent) bool) (out []sent) {
	x.t.Helper()
	for _, s := range x.sends {
		for _, m := range parsePacket(x.t, s) {
			out = append(out, m)
			if stops(m) {
				break
			}
		}
	}
	x.sends = nil
	return out
}

func isErrorResult(m sent) bool {
	if m.constructor != wire.IDRPCResult {
		return false
	}
	id, _ := wire.PeekID(m.Body[wire.ResultHeader:])
	return id == wire.IDRPCError
}

// GramJS and teleproto forget what stands behind an rpc_error in a container:
// of two calls refused together one waited for a minute, and 600 took longer than
// anybody waited.
func TestNothingStandsBehindAnError(t *testing.T) {
	for name, c := range map[string]struct {
		refused, good int // calls in one packet
		reconnects    bool
	}{
		"two refused":             {2, 0, false},
		"two refused, one good":   {2, 1, false},
		"600 refused":             {600, 0, false},
		"answers that come again": {3, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.recv(1, tlPing(1))
			x.ackAll(1)
			var ms []wire.Message
			for range c.good {
				ms = append(ms, x.msg(1, x.method("help.getNearestDc")))
			}
			for range c.refused {
				ms = append(ms, x.msg(1, tlID(0xdeadbeef)))
			}
			ping := x.msg(1, tlPing(2))
			x.step(x.data(1, x.container(1, append(ms, ping)...)))
			for range c.good {
				x.answer("help.getNearestDc", nearestDC("NL"))
			}
			if c.reconnects {
				x.take()
				d := x.data(1, x.msg(1, tlPing(3)))
				d.NewConn = true
				x.step(d)
			}
			require.LessOrEqual(t, len(x.sends), c.refused+c.good+1)
			heard := x.heard(isErrorResult)
			for i, m := range ms {
				_, ok := result(heard, m.ID)
				require.True(t, ok, "call %d", i)
			}
			require.Contains(t, names(heard), "347773c5", "the pong")
		})
	}
}

// gotd stops reading a container at an object of a layer that it does not know,
// most likely an update, and lost the answers behind it.
func TestAnswersStandBeforeUpdates(t *testing.T) {
	for name, reconnect := range map[string]bool{"new ones": false, "that come again": true} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			call := x.recv(1, x.method("help.getNearestDc"))
			refused := x.recv(1, x.method("help.getConfig"))
			x.take()
			if !reconnect {
				x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
			}
			x.step(&PushUpdates{Updates: x.updates(1)})
			x.fail("help.getConfig", 400, "X")
			x.step(&PushUpdates{Updates: x.updates(2)})
			x.answer("help.getNearestDc", nearestDC("NL"))
			x.take()
			ping := x.msg(1, tlPing(2))
			d := x.data(1, ping)
			d.NewConn = true
			x.step(d)
			heard := x.heard(func(m sent) bool { return m.constructor == idUpdateShort })
			_, ok := result(heard, call.ID)
			require.True(t, ok)
			require.Equal(t, "400 X", x.rpcError(heard, refused.ID))
			require.Contains(t, names(heard), "347773c5", "the pong")
			require.EqualValues(t, idUpdateShort, heard[len(heard)-1].constructor)
		})
	}
}

// Over HTTP a packet costs a request, so errors travel together.
func TestErrorsTravelTogetherOverHTTP(t *testing.T) {
	x := newWorld(t, false)
	x.post(1, 1, x.container(1, x.msg(1, tlID(0xdeadbeef)), x.msg(1, tlID(0xdeadbeef)), x.msg(1, tlPing(1))), 7*time.Second)
	msgs, ok := x.takeReply(1)
	require.True(t, ok)
	require.Len(t, msgs, 4)
}

// A message that may go alone does, without acknowledgments that can wait; when
// they are due they go by themselves.
func TestWhatMayGoAloneDoes(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.take()
	slow := x.recv(1, x.method("help.getConfig"))
	for name, act := range map[string]func(){
		"an answer": func() { x.recv(1, x.method("help.getNearestDc")); x.answer("help.getNearestDc", nearestDC("NL")) },
		"an error":  func() { x.recv(1, tlID(0xdeadbeef)) },
		"an update": func() { x.step(&PushUpdates{Updates: x.updates(1)}) },
		"a large file": func() {
			x.recv(1, x.method("help.getNearestDc"))
			x.answer("help.getNearestDc", nearestDC(incompressible(2<<20)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			x.t = t
			act()
			msgs := x.take()
			require.Len(t, msgs, 1)
			require.False(t, msgs[0].inside)
		})
	}
	x.advance(time.Second)
	msgs := x.take()
	require.Len(t, msgs, 1)
	require.Equal(t, tlAck(slow.ID), msgs[0].Body)

	// What needs no acknowledgment takes them along.
	slow = x.recv(1, x.method("help.getConfig"))
	x.recv(1, tlPing(1))
	msgs = x.take()
	require.Len(t, msgs, 2)
	require.Equal(t, tlAck(slow.ID), msgs[0].Body)
	check(t, x)
}
