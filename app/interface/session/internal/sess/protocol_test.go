package sess

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Each test here stages a situation in which a session server has been seen to
// fail, and names the failure.

// One unknown constructor cost its whole packet, without a word.
func TestUnknownConstructorCostsOnlyItself(t *testing.T) {
	x := newWorld(t, false)
	ping := x.msg(1, tlPing(1))
	unknown := x.msg(1, tlInt(tlID(0xdeadbeef), 1))
	garbage := x.msg(1, x.method("users.getUsers", int32(3)))
	call := x.msg(1, x.method("help.getNearestDc"))
	x.step(x.data(1, x.container(1, ping, unknown, garbage, call)))
	x.answer("help.getNearestDc", nearestDC("NL"))
	msgs := x.take()
	require.Contains(t, names(msgs), fmt.Sprintf("%08x", wire.IDPong))
	require.Equal(t, "400 INPUT_METHOD_INVALID", x.rpcError(msgs, unknown.ID))
	require.Equal(t, "400 INPUT_FETCH_ERROR", x.rpcError(msgs, garbage.ID))
	_, ok := result(msgs, call.ID)
	require.True(t, ok)
}

// Wrappers around nothing readable were never answered.
func TestEveryWrapperIsAnswered(t *testing.T) {
	x := newWorld(t, false)
	queries := map[string]struct {
		body []byte
		want string
	}{
		"unknown inside a layer":        {tlLayer(223, tlID(0xdeadbeef)), "400 INPUT_METHOD_INVALID"},
		"empty layer":                   {tlLayer(223, nil), "400 INPUT_FETCH_ERROR"},
		"no layer":                      {tlLayer(0, x.method("help.getNearestDc")), "400 CONNECTION_LAYER_INVALID"},
		"cut layer":                     {tlID(wire.IDInvokeWithLayer), "400 INPUT_FETCH_ERROR"},
		"cut initConnection":            {tlInit(nil)[:20], "400 INPUT_FETCH_ERROR"},
		"takeout 0":                     {tlLong(tlID(wire.IDInvokeWithTakeout), 0), "403 TAKEOUT_REQUIRED"},
		"takeout with a bad range":      {append(tlLong(tlID(wire.IDInvokeWithTakeout), 5), tlInt(tlID(wire.IDInvokeWithMessagesRange), 7)...), "400 TAKEOUT_QUERY_INVALID"},
		"a bad range":                   {tlInt(tlID(wire.IDInvokeWithMessagesRange), 7), "400 INPUT_FETCH_ERROR"},
		"container inside a layer":      {tlLayer(223, wire.AppendContainer(nil, 0)), "400 INPUT_METHOD_INVALID"},
		"unknown object in an argument": {x.method("account.updateStatus", tlID(0xdeadbeef)), "400 INPUT_CONSTRUCTOR_INVALID"},
		"trailing bytes":                {x.method("help.getNearestDc", int32(1)), "400 INPUT_FETCH_ERROR"},
		"too many wrappers":             {bytes.Repeat(tlQuiet(nil), 50), "400 INPUT_FETCH_ERROR"},
	}
	for name, q := range queries {
		t.Run(name, func(t *testing.T) {
			x.t = t
			m := x.recv(1, q.body)
			require.Equal(t, q.want, x.rpcError(x.take(), m.ID))
			x.recv(1, tlAck()) // the session lives
		})
	}
}

// The time window was -60/+300 s, of outer messages only.
func TestTimeWindow(t *testing.T) {
	cases := []struct {
		name   string
		offset time.Duration
		inside bool
		want   wire.BadMsg
	}{
		{"now", 0, false, 0},
		{"two minutes old", -120 * time.Second, false, 0},
		{"too old", -301 * time.Second, false, wire.BadTooLow},
		{"a little ahead", 29 * time.Second, false, 0},
		{"too far ahead", 31 * time.Second, false, wire.BadTooHigh},
		{"member far ahead", 200 * time.Second, true, 0},  // its container is lower: rejected as a whole
		{"member of a day ago", -24 * time.Hour, true, 0}, // the session has forgotten nothing
		{"member of two minutes ago", -120 * time.Second, true, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t, false)
			m := x.msg(1, tlPing(1))
			m.ID = x.id(c.offset)
			if !c.inside {
				x.step(x.data(1, m))
			} else {
				x.step(x.data(1, x.container(1, m)))
			}
			bad := x.takeOnly(wire.IDBadMsgNotification)
			switch {
			case c.name == "member far ahead":
				require.Len(t, bad, 1)
				require.EqualValues(t, wire.BadContainer, bad[0].Body[16])
			case c.want == 0:
				require.Empty(t, bad)
			default:
				require.Len(t, bad, 1)
				require.Equal(t, wire.AppendBadMsg(nil, m.ID, m.Seq, c.want), bad[0].Body)
			}
		})
	}
}

// Codes 18, 19, 32, 33, 35 and 64 were never sent or wrong.
func TestBadMessages(t *testing.T) {
	x := newWorld(t, false)
	bad := func(m wire.Message) int {
		t.Helper()
		x.step(x.data(1, m))
		for _, b := range x.takeOnly(wire.IDBadMsgNotification) {
			require.Equal(t, wire.AppendBadMsg(nil, m.ID, m.Seq, wire.BadMsg(b.Body[16])), b.Body)
			require.Zero(t, b.Seq&1)
			return int(b.Body[16])
		}
		return 0
	}
	x.seqs[1] = 5
	good := x.msg(1, x.method("help.getNearestDc"))
	require.Zero(t, bad(good))

	odd := x.msg(1, tlPing(1))
	odd.ID |= 1
	require.Equal(t, 18, bad(odd))

	even := x.msg(1, x.method("help.getNearestDc"))
	even.Seq--
	require.Equal(t, 35, bad(even))

	low := x.msg(1, tlPing(1))
	low.Seq = 2
	require.Equal(t, 32, bad(low))

	high := x.msg(1, tlPing(1))
	high.ID, high.Seq = good.ID-4, 100
	require.Equal(t, 33, bad(high))

	reused := x.container(1, x.msg(1, tlPing(1)))
	reused.ID = good.ID
	require.Equal(t, 19, bad(reused))

	nested := x.container(1, x.container(1, x.msg(1, tlPing(1))))
	require.Equal(t, 64, bad(nested))

	later := x.msg(1, tlPing(1))
	outer := x.container(1, later)
	outer.ID = later.ID - 4
	outer.Body = x.container(1, later).Body
	require.Equal(t, 64, bad(outer))
	require.Zero(t, bad(later), "a member of a rejected container was not processed")

	cut := x.container(1, x.msg(1, tlPing(1)))
	cut.Body = cut.Body[:len(cut.Body)-4]
	require.Equal(t, 64, bad(cut))

	many := x.msg(1, wire.AppendContainer(nil, 1025))
	many.Seq = 2 * x.seqs[1]
	many.Body = append(many.Body, make([]byte, 16*1025)...)
	require.Equal(t, 64, bad(many))
}

// rpc_drop_answer dropped nothing.
func TestDropAnswer(t *testing.T) {
	x := newWorld(t, false)
	drop := func(req int64) ([]byte, []sent) {
		m := x.recv(1, tlLong(tlID(wire.IDRPCDropAnswer), req))
		msgs := x.take()
		body, ok := result(msgs, m.ID)
		require.True(t, ok)
		return body, msgs
	}
	running := x.recv(1, x.method("help.getNearestDc"))
	body, msgs := drop(running.ID)
	require.Equal(t, tlID(wire.IDRPCAnswerDroppedRunning), body)
	body, _ = result(msgs, running.ID)
	require.Equal(t, tlID(wire.IDRPCAnswerDroppedRunning), body, "rule RPC-6")
	x.answer("help.getNearestDc", nearestDC("NL"))
	require.Empty(t, x.take())

	done := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	a := x.takeOnly(wire.IDRPCResult)[0]
	body, _ = drop(done.ID)
	require.Equal(t, wire.AppendAnswerDropped(nil, a.ID, a.Seq, len(a.Body)), body)

	body, _ = drop(done.ID)
	require.Equal(t, tlID(wire.IDRPCAnswerUnknown), body)
}

// invokeAfterMsg was ignored.
func TestInvokeAfter(t *testing.T) {
	x := newWorld(t, false)
	first := x.recv(1, x.method("updates.getState"))
	second := x.recv(1, tlAfter(first.ID, x.method("help.getNearestDc")))
	require.False(t, x.isInvoked("help.getNearestDc"))
	x.answer("updates.getState", updatesState())
	require.True(t, x.isInvoked("help.getNearestDc"))
	x.fail("help.getNearestDc", 420, "FLOOD_WAIT_3")
	third := x.recv(1, tlAfter(second.ID, x.method("help.getNearestDc")))
	fourth := x.recv(1, tlAfter(third.ID, x.method("help.getNearestDc")))
	msgs := x.take()
	require.Equal(t, "500 MSG_WAIT_FAILED", x.rpcError(msgs, third.ID))
	require.Equal(t, "500 MSG_WAIT_FAILED", x.rpcError(msgs, fourth.ID), "it cascades")

	// The predecessor arrives later.
	late := x.msg(1, x.method("updates.getState"))
	early := x.recv(1, tlAfter(late.ID, x.method("help.getNearestDc")))
	require.False(t, x.isInvoked("help.getNearestDc"))
	x.step(x.data(1, late))
	x.answer("updates.getState", updatesState())
	require.True(t, x.isInvoked("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	_, ok := result(x.take(), early.ID)
	require.True(t, ok)

	// It never comes, or takes too long (rule AFTER-3).
	never := x.recv(1, tlAfter(x.id(0), x.method("help.getNearestDc")))
	x.advance(1999 * time.Millisecond)
	require.Empty(t, x.rpcError(x.take(), never.ID))
	x.advance(2 * time.Millisecond)
	require.Equal(t, "400 MSG_WAIT_TIMEOUT", x.rpcError(x.take(), never.ID))

	// It can never come any more (rule AFTER-5).
	gone := x.recv(1, tlAfter(x.id(-time.Hour), x.method("help.getNearestDc")))
	require.Equal(t, "500 MSG_WAIT_FAILED", x.rpcError(x.take(), gone.ID))
}

// msg_copy was not decoded.
func TestMsgCopy(t *testing.T) {
	x := newWorld(t, false)
	inner := x.msg(1, x.method("help.getNearestDc"))
	body := append(wire.AppendMessageHeader(tlID(wire.IDMsgCopy), inner.ID, inner.Seq, len(inner.Body)), inner.Body...)
	outer := x.msg(1, body)
	outer.Seq = 2 * x.seqs[1]
	x.step(x.data(1, outer))
	x.answer("help.getNearestDc", nearestDC("NL"))
	_, ok := result(x.take(), inner.ID)
	require.True(t, ok)

	outer.ID += 4
	x.step(x.data(1, outer))
	require.Equal(t, 1, count[*InvokeMethod](x), "known")
	x.advance(time.Second)
	acks := x.takeOnly(wire.IDMsgsAck)
	require.Len(t, acks, 1)
	require.Equal(t, tlAck(outer.ID, inner.ID), acks[0].Body)
}

// A call whose answer is lost is told so when it is repeated, in whatever form: as
// a copy it was only acknowledged, again and again.
func TestCopyOfAForgottenCall(t *testing.T) {
	x := newWorld(t, false)
	call := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.take()
	x.step(&Revoked{})
	x.take()
	body := append(wire.AppendMessageHeader(tlID(wire.IDMsgCopy), call.ID, call.Seq, len(call.Body)), call.Body...)
	x.recv(1, body)
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), call.ID))
}

// The delay of ping_delay_disconnect was ignored.
func TestPingDelayDisconnect(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	require.Equal(t, 1, count[*SetOnline](x))
	x.recv(1, tlInt(tlLong(tlID(wire.IDPingDelayDisconnect), 5), 35))
	require.Len(t, x.takeOnly(wire.IDPong), 1)
	x.advance(34 * time.Second)
	require.Zero(t, count[*SetOffline](x))
	x.advance(time.Second + x.cfg.OfflineAfter)
	require.Equal(t, 1, count[*SetOffline](x))

	x.recv(1, tlInt(tlLong(tlID(wire.IDPingDelayDisconnect), 5), 420))
	x.advance(400 * time.Second)
	require.Equal(t, 1, count[*SetOffline](x), "longer than the usual silence")
	x.advance(20*time.Second + x.cfg.OfflineAfter)
	require.Equal(t, 2, count[*SetOffline](x))
}

// The number of get_future_salts was ignored.
func TestFutureSaltsNumber(t *testing.T) {
	for num, want := range map[int32]int{0: 1, 1: 1, 3: 3, 64: 7, 1000: 7, -5: 1} {
		x := newWorld(t, false)
		m := x.recv(1, tlInt(tlID(wire.IDGetFutureSalts), num))
		got := x.takeOnly(wire.IDFutureSalts)
		require.Len(t, got, 1)
		r := wire.NewReader(got[0].Body)
		r.ID()
		require.Equal(t, m.ID, r.Long())
		require.EqualValues(t, x.now/1e9, r.Int())
		require.EqualValues(t, want, r.Int())
		since, until, salt := r.Int(), r.Int(), r.Long()
		require.LessOrEqual(t, int64(since), x.now/1e9)
		require.Greater(t, int64(until), x.now/1e9)
		require.Equal(t, x.currentSalt(), salt, "the one in force is included")
		require.Zero(t, got[0].Seq&1)
	}
}

// msg_new_detailed_info, and msgs_all_info with fewer or more states than ids,
// panicked and took the rest of the packet with them.
func TestHearsayCostsNothing(t *testing.T) {
	x := newWorld(t, false)
	ping := x.msg(1, tlPing(9))
	x.step(x.data(1, x.container(1,
		x.msg(1, wire.AppendNewDetailedInfo(nil, 1, 2)),
		x.msg(1, wire.AppendDetailedInfo(nil, 1, 2, 3, 0)),
		x.msg(1, wire.AppendBytes(tlLongs(wire.IDMsgsAllInfo, 1, 2, 3), "x")),
		x.msg(1, wire.AppendBytes(tlLongs(wire.IDMsgsAllInfo, 1), "xyz")),
		x.msg(1, wire.AppendStateInfo(nil, 1, []byte{4})),
		ping,
	)))
	require.Len(t, x.takeOnly(wire.IDPong), 1)
}

// new_session_created was sent twice, and again on every reconnect, with
// another unique_id each time.
func TestNewSessionOnce(t *testing.T) {
	x := newWorld(t, false)
	greetings := func() (out []sent) { return x.takeOnly(wire.IDNewSessionCreated) }
	call := x.msg(1, x.method("help.getNearestDc"))
	x.step(x.data(1, x.container(1, call, x.msg(1, tlPing(1)))))
	first := greetings()
	require.Len(t, first, 1)
	r := wire.NewReader(first[0].Body[4:])
	require.Equal(t, call.ID, r.Long(), "the lowest id (rule SESS-6)")
	require.NotZero(t, r.Long())
	require.Equal(t, x.currentSalt(), r.Long())

	d := x.data(1, x.msg(1, tlPing(2)))
	d.NewConn = true
	x.step(d)
	again := greetings()
	require.Len(t, again, 1, "not acknowledged yet")
	require.Equal(t, first[0].Message, again[0].Message, "so it is repeated as it was (rule SESS-8)")

	x.recv(1, tlAck(first[0].ID))
	d = x.data(1, x.msg(1, tlPing(3)))
	d.NewConn = true
	x.step(d)
	require.Empty(t, greetings())
}

// A session that is made anew says so by another unique_id (rule SESS-8).
func TestNewSessionIsNewAgain(t *testing.T) {
	x := newWorld(t, false)
	seen := map[int64]bool{}
	for range 3 {
		x.recv(1, tlPing(1))
		got := x.takeOnly(wire.IDNewSessionCreated)
		require.Len(t, got, 1)
		r := wire.NewReader(got[0].Body[4+8:])
		seen[r.Long()] = true
		x.advance(5 * time.Minute)
		x.take()
	}
	require.Len(t, seen, 3)
}

// Packets that overtook each other reset the session.
func TestReversedPacketsGreetOnce(t *testing.T) {
	x := newWorld(t, false)
	a, b := x.msg(1, x.method("help.getNearestDc")), x.msg(1, x.method("updates.getState"))
	x.step(x.data(1, b))
	x.step(x.data(1, a))
	msgs := x.take()
	n := 0
	for _, m := range msgs {
		if m.constructor == wire.IDNewSessionCreated {
			n++
		}
		require.NotEqualValues(t, wire.IDBadMsgNotification, m.constructor)
	}
	require.Equal(t, 1, n)
	require.True(t, x.isInvoked("help.getNearestDc"))
	require.True(t, x.isInvoked("updates.getState"))
}

// destroy_session of an unknown session said ok, and that of the session that
// took updates left them going nowhere.
func TestDestroySession(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	destroy := func(sid, id int64) uint32 {
		x.recv(sid, tlLong(tlID(wire.IDDestroySession), id))
		for _, m := range x.take() {
			if m.constructor == wire.IDDestroySessionOK || m.constructor == wire.IDDestroySessionNone {
				return m.constructor
			}
		}
		return 0
	}
	require.EqualValues(t, wire.IDDestroySessionNone, destroy(2, 99))
	require.EqualValues(t, wire.IDDestroySessionNone, destroy(2, 2), "its own")
	require.EqualValues(t, wire.IDDestroySessionOK, destroy(2, 1))
	x.step(&PushUpdates{Updates: x.updates(1)})
	require.Empty(t, pushed(x.take()))
	x.login2(2)
	require.ElementsMatch(t, []int{1, -1}, x.seen, "nor was anything pushed while nobody was there")
}

// The layer was the key's, not the session's.
func TestLayerPerSession(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlLayer(223, x.method("help.getNearestDc")))
	x.recv(2, tlLayer(170, x.method("help.getNearestDc")))
	x.recv(1, x.method("help.getConfig"))
	_, r := x.invoked("help.getConfig")
	require.EqualValues(t, 223, r.Meta.Layer)
	x.recv(2, x.method("help.getAppConfig", int32(0)))
	_, r = x.invoked("help.getAppConfig")
	require.EqualValues(t, 170, r.Meta.Layer)
	require.LessOrEqual(t, count[*SetLayer](x), 2)
	for range 5 {
		x.recv(1, tlLayer(223, x.method("help.getNearestDc")))
		x.recv(2, tlLayer(170, x.method("help.getNearestDc")))
	}
	require.LessOrEqual(t, count[*SetLayer](x), 2, "repeating it costs nothing (rule INIT-5)")
}
