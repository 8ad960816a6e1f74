package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/app/internal/buffers"
)

// Each test here stages a situation in which a session server has been seen to
// fail, and names the failure.

// One slow call stalled every other call of the key.
func TestSlowCallDelaysNoOther(t *testing.T) {
	x := newWorld(t, false)
	slow := x.recv(1, x.method("updates.getState"))
	quick := x.recv(2, x.method("help.getNearestDc"))
	same := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	msgs := x.take()
	for _, m := range []wire.Message{quick, same} {
		_, ok := result(msgs, m.ID)
		require.True(t, ok)
	}
	_, ok := result(msgs, slow.ID)
	require.False(t, ok)
}

// No msgs_ack was ever sent, so that clients repeated long calls.
func TestSlowCallIsAcknowledged(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlPing(1))
	x.take()
	m := x.recv(1, x.method("updates.getState"))
	require.Empty(t, x.take())
	x.advance(time.Second)
	acks := x.takeOnly(wire.IDMsgsAck)
	require.Len(t, acks, 1)
	require.Equal(t, tlAck(m.ID), acks[0].Body)
	require.Zero(t, acks[0].Seq&1)
	x.answer("updates.getState", updatesState())
	x.advance(time.Second)
	require.Empty(t, x.takeOnly(wire.IDMsgsAck), "once is enough")

	// A quick answer is acknowledgment enough.
	x.recv(1, x.method("updates.getState"))
	x.answer("updates.getState", updatesState())
	x.advance(time.Second)
	require.Empty(t, x.takeOnly(wire.IDMsgsAck))
}

// A repeated request got no reply when its answer was lost.
func TestDuplicateIsAnsweredAgain(t *testing.T) {
	x := newWorld(t, false)
	m := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	first := x.takeOnly(wire.IDRPCResult)
	x.step(x.data(1, m))
	again := x.takeOnly(wire.IDRPCResult)
	require.Len(t, again, 1)
	require.Equal(t, first[0].Message, again[0].Message, "same id, same seqno")
	require.Equal(t, 1, count[*InvokeMethod](x))

	x.recv(1, tlAck(again[0].ID))
	x.step(x.data(1, m))
	x.advance(time.Second)
	msgs := x.take()
	require.Len(t, msgs, 1)
	require.Equal(t, tlAck(m.ID), msgs[0].Body, "known to be answered")
}

// A large answer is announced, not repeated (rule STATE-8).
func TestDuplicateOfLargeAnswer(t *testing.T) {
	x := newWorld(t, false)
	m := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC(incompressible(8000)))
	first := x.takeOnly(wire.IDRPCResult)
	x.step(x.data(1, m))
	again := x.take()
	require.Len(t, again, 1)
	require.Equal(t, wire.AppendDetailedInfo(nil, m.ID, first[0].ID, len(first[0].Body), 4), again[0].Body)

	x.recv(1, tlLongs(wire.IDMsgResendReq, first[0].ID))
	require.Equal(t, first[0].Body, x.take()[0].Body)
}

// A large body goes out where the outbox has it, each time, and the packet is the same.
func TestLargeBodiesAreNotCopied(t *testing.T) {
	for name, c := range map[string]struct {
		size int
		tail bool
	}{"large": {200 << 10, true}, "small": {1 << 10, false}} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.state = AuthState{State: StateUnauthorized}
			var bodies [][]byte
			x.watch = func(s Send) {
				if s.Len() < c.size {
					return
				}
				require.Equal(t, c.tail, s.Tail != nil)
				if c.tail {
					bodies = append(bodies, s.Tail)
				}
				require.Len(t, s.Bytes(), s.Len())
			}
			call := x.recv(1, x.method("help.getNearestDc"))
			x.answer("help.getNearestDc", nearestDC(incompressible(c.size)))
			first := x.takeOnly(wire.IDRPCResult)
			_, ok := result(first, call.ID)
			require.True(t, ok)
			x.recv(1, tlLongs(wire.IDMsgResendReq, first[0].ID))
			again := x.takeOnly(wire.IDRPCResult)
			require.Equal(t, first[0].Message, again[0].Message)
			if c.tail {
				require.Len(t, bodies, 2)
				require.Same(t, &bodies[0][0], &bodies[1][0])
			}
		})
	}
}

// After a reconnect, answers waited for the 30 s timer.
func TestReconnectRepeatsAtOnce(t *testing.T) {
	x := newWorld(t, false)
	m := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	first := x.takeOnly(wire.IDRPCResult)
	x.step(&SendFailed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})

	x.now += int64(3 * time.Second)
	d := x.data(1, x.msg(1, tlPing(1)))
	d.ServerID, d.NewConn = "gw2", true
	x.step(d)
	again := x.takeOnly(wire.IDRPCResult)
	require.Len(t, again, 1)
	require.Equal(t, "gw2", again[0].ServerID)
	require.Equal(t, first[0].Message, again[0].Message)
	_, ok := result(again, m.ID)
	require.True(t, ok)
}

// What is older than 300 s travels in a fresh container (rule MSGID-8).
func TestOldAnswerTravelsInAContainer(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.ResendLimit = 16 })
	x.recv(1, x.method("help.getNearestDc"))
	x.take()
	x.answer("help.getNearestDc", nearestDC("NL"))
	old := x.takeOnly(wire.IDRPCResult)[0]
	for range 6 {
		x.advance(time.Minute)
		x.recv(1, tlPing(1))
	}
	x.take()
	d := x.data(1, x.msg(1, tlPing(1)))
	d.NewConn = true
	x.step(d)
	again := x.takeOnly(wire.IDRPCResult)
	require.Len(t, again, 1)
	require.Equal(t, old.ID, again[0].ID)
	require.True(t, again[0].inside)
	require.Greater(t, timeOf(again[0].outer), x.now-int64(time.Second))
}

// msg_resend_req looked server ids up among client ids.
func TestResendByServerID(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	a := x.takeOnly(wire.IDRPCResult)[0]
	x.recv(1, tlLongs(wire.IDMsgResendReq, a.ID))
	again := x.take()
	require.Len(t, again, 1)
	require.Equal(t, a.Message, again[0].Message)

	m := x.recv(1, tlLongs(wire.IDMsgResendReq, a.ID, 5))
	again = x.take()
	require.Len(t, again, 1, "one is unknown: states of all instead (rule STATE-11)")
	require.Equal(t, wire.AppendStateInfo(nil, m.ID, []byte{stateReceived, stateForgotten}), again[0].Body)
}

// An answer was dropped when its request had left the window.
func TestAnswerOutlivesTheWindow(t *testing.T) {
	x := newWorld(t, false)
	slow := x.recv(1, x.method("updates.getState"))
	for i := range 1000 {
		x.recv(1, tlPing(int64(i)))
	}
	x.step(x.data(1, slow))
	require.Equal(t, 1, count[*InvokeMethod](x), "still known as running")
	x.take()
	x.answer("updates.getState", updatesState())
	_, ok := result(x.take(), slow.ID)
	require.True(t, ok)
	x.step(x.data(1, slow))
	_, ok = result(x.take(), slow.ID)
	require.True(t, ok, "and as answered")
	require.Equal(t, 1, count[*InvokeMethod](x))
}

// Answers are never dropped for lack of room while they were not sent.
func TestUnsentAnswersAreKept(t *testing.T) {
	x := newWorld(t, false)
	var calls []wire.Message
	for range 20 {
		calls = append(calls, x.recv(1, x.method("help.getNearestDc")))
	}
	x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
	x.take()
	for range calls {
		x.answer("help.getNearestDc", nearestDC(incompressible(512<<10)))
	}
	d := x.data(1, x.msg(1, tlPing(1)))
	d.NewConn = true
	x.step(d)
	for _, s := range x.sends {
		require.LessOrEqual(t, s.Len(), x.cfg.PayloadBytes)
	}
	msgs := x.take()
	for _, m := range calls {
		_, ok := result(msgs, m.ID)
		require.True(t, ok)
	}
}

// A known id is answered from memory, however old (rule MSGID-6 before
// MSGID-3).
func TestDuplicateBeforeTime(t *testing.T) {
	x := newWorld(t, false)
	m := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	for range 7 {
		x.advance(time.Minute)
		x.recv(1, tlPing(1))
	}
	x.take()
	x.step(x.data(1, m))
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
}

// invokeWithoutUpdates was ignored, so that file connections took updates.
func TestWithoutUpdates(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlQuiet(x.method("help.getNearestDc")))
	x.recv(1, x.method("help.getNearestDc"))
	x.step(&PushUpdates{Updates: x.updates(1)})
	require.Empty(t, pushed(x.take()))
	require.Zero(t, count[*SetOnline](x))
	x.recv(2, x.method("help.getNearestDc"))
	require.Equal(t, []int{1}, pushed(x.take()), "held for a session that takes it")
	require.Equal(t, 1, count[*SetOnline](x))
}

// Calls that failed to decode were processed again when repeated.
func TestFailedCallIsNotProcessedTwice(t *testing.T) {
	x := newWorld(t, false)
	m := x.recv(1, tlLayer(223, tlID(0xdeadbeef)))
	first := x.takeOnly(wire.IDRPCResult)
	x.step(x.data(1, m))
	again := x.takeOnly(wire.IDRPCResult)
	require.Len(t, again, 1)
	require.Equal(t, first[0].Message, again[0].Message)
}

// Updates overtook the difference that was on its way.
func TestUpdatesWaitForTheDifference(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	m := x.recv(1, x.method("updates.getState"))
	x.step(&PushUpdates{Updates: x.updates(1)})
	x.step(&PushUpdates{Updates: x.updates(2)})
	require.Empty(t, pushed(x.take()))
	x.answer("updates.getState", updatesState())
	msgs := x.take()
	_, ok := result(msgs[:1], m.ID)
	require.True(t, ok, "the difference first")
	require.Equal(t, []int{1, 2}, pushed(msgs))

	x.recv(1, x.method("updates.getState"))
	x.step(&PushUpdates{Updates: x.updates(3)})
	x.fail("updates.getState", 500, "INTERNAL_SERVER_ERROR")
	require.Equal(t, []int{3}, pushed(x.take()), "nor do they wait for ever")
}

// Updates were lost when no session took them, as after a restart.
func TestUpdatesWaitForASession(t *testing.T) {
	x := newWorld(t, false)
	for i := range 3 {
		x.step(&PushUpdates{Updates: x.updates(i)})
	}
	require.False(t, x.out.Done)
	x.recv(1, tlPing(1))
	require.Empty(t, pushed(x.take()))
	x.recv(1, x.method("help.getNearestDc"))
	require.Equal(t, []int{0, 1, 2}, pushed(x.take()))

	y := newWorld(t, false)
	for i := range 1000 {
		y.step(&PushUpdates{Updates: y.updates(i)})
	}
	y.recv(1, y.method("help.getNearestDc"))
	require.Contains(t, pushed(y.take()), -1, "too many: the client is told to fetch the difference")
}

// What was done, answered and acknowledged is not done again, however many
// messages came since, while its id is young enough to be taken.
func TestReplayIsNotDoneAgain(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	call := x.msg(1, x.method("account.getAccountTTL"))
	x.step(x.data(1, call))
	x.answer("account.getAccountTTL", tlInt(tlID(0xb8d0afdf), 30))
	x.ackAll(1)
	for range 1000 {
		x.recv(1, tlPing(1))
	}
	invoked := func() (n int) {
		for _, r := range x.calls {
			if m, ok := r.(*InvokeMethod); ok && m.Method.Name == "account.getAccountTTL" {
				n++
			}
		}
		return n
	}
	x.now += int64(x.cfg.MaxPast) - int64(time.Minute)
	x.step(x.data(1, call))
	require.Equal(t, 1, invoked())
	x.now += int64(2 * time.Minute)
	x.recv(1, tlPing(1)) // by now it is too old by itself
	x.step(x.data(1, call))
	require.Equal(t, 1, invoked())
}

// A large answer lies in a room, which the outbox leaves when the answer is gone, whatever
// ends it. A packet on its way stays.
func TestAnswersLeaveTheirRoom(t *testing.T) {
	for name, end := range map[string]func(x *world, answer sent){
		"acknowledged": func(x *world, answer sent) { x.recv(1, tlLongs(wire.IDMsgsAck, answer.ID)) },
		"dropped with its session": func(x *world, _ sent) {
			x.recv(2, tlLong(tlID(wire.IDDestroySession), 1))
		},
		"crowded out": func(x *world, _ sent) {
			for range 1 + x.w.cfg.AnswerBytes/(512<<10) {
				x.recv(1, x.method("help.getNearestDc"))
				x.answer("help.getNearestDc", nearestDC(incompressible(512<<10)))
			}
		},
		"outdated": func(x *world, _ sent) {
			for range 40 {
				x.advance(time.Minute)
				x.recv(1, tlPing(1))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.state = AuthState{State: StateUnauthorized}
			var room *buffers.Room
			x.watch = func(s Send) {
				if room == nil {
					room = s.Room
					return
				}
				s.Room.Free()
			}
			x.recv(1, tlPing(1))
			x.recv(2, tlPing(1))
			x.recv(1, x.method("help.getNearestDc"))
			x.answer("help.getNearestDc", nearestDC(incompressible(200<<10)))
			answer := x.takeOnly(wire.IDRPCResult)[0]
			require.NotNil(t, room)
			require.Equal(t, 2, room.Holders(), "the outbox and the packet")
			room.Free()
			end(x, answer)
			x.take()
			require.Zero(t, room.Holders())
		})
	}
}
