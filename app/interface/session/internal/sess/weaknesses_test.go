package sess

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Each test here stages a situation in which a session server has been seen to
// fail, and names the failure.

// An unverified bind made the next packet of a temp key act as the owner of the
// perm key it named.
func TestBindGivesNothingBeforeItIsVerified(t *testing.T) {
	x := newWorld(t, true)
	bind := x.recv(1, tlBind(permKey))
	call := x.recv(1, x.method("users.getUsers", wireVector()))
	require.False(t, x.isInvoked("users.getUsers"))

	ticket, r := find[*BindTempKey](x, nil)
	require.Equal(t, int64(tempKey), r.Meta.AuthKeyID)
	require.Equal(t, bind.ID, r.Meta.MsgID)
	require.Equal(t, int64(1), r.Meta.SessionID)
	x.finish(ticket, nil, &RPCError{400, "ENCRYPTED_MESSAGE_INVALID"})
	msgs := x.take()
	require.Equal(t, "400 ENCRYPTED_MESSAGE_INVALID", x.rpcError(msgs, bind.ID))
	require.Equal(t, "401 AUTH_KEY_PERM_EMPTY", x.rpcError(msgs, call.ID))
	require.Nil(t, x.adopted)

	call = x.recv(1, x.method("users.getUsers", wireVector()))
	require.Equal(t, "401 AUTH_KEY_PERM_EMPTY", x.rpcError(x.take(), call.ID))
}

// All unbound keys and HTTP clients shared one state and one user.
func TestUnboundKeysShareNothing(t *testing.T) {
	a, b := newWorld(t, true), newWorld(t, true)
	b.w.key = tempKey + 1
	signIn := a.recv(1, a.method("auth.logOut"))
	require.Equal(t, "401 AUTH_KEY_PERM_EMPTY", a.rpcError(a.take(), signIn.ID))
	for _, x := range []*world{a, b} {
		m := x.recv(1, x.method("help.getNearestDc"))
		_, r := x.invoked("help.getNearestDc")
		require.Zero(t, r.Meta.UserID)
		require.Zero(t, r.Meta.PermAuthKeyID)
		x.answer("help.getNearestDc", nearestDC("NL"))
		_, ok := result(x.take(), m.ID)
		require.True(t, ok)
		require.Zero(t, count[*GetAuthState](x))
	}
}

// updateAccountResetAuthorization ended the sessions of every key it was sent to.
func TestResetConcernsTheNamedKeyOnly(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	reset := func(key int) *PushUpdates {
		return &PushUpdates{Updates: x.pbObject("Updates", "updateAccountResetAuthorization",
			map[string]any{"user_id": alice, "auth_key_id": key})}
	}
	m := x.recv(1, x.method("help.getNearestDc"))
	x.step(reset(permKey + 1))
	x.answer("help.getNearestDc", nearestDC("NL"))
	_, ok := result(x.take(), m.ID)
	require.True(t, ok, "an answer in flight survives")

	x.step(reset(permKey))
	require.Empty(t, x.take(), "it is never sent to a client")
	require.Equal(t, 1, count[*SetOffline](x))
	m = x.recv(1, x.method("help.getNearestDc"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
}

// A key without a login was answered 500 AUTH_RESTART, so that clients never
// logged out.
func TestNoLoginIs401(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	m := x.recv(1, x.method("updates.getState"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
	m = x.recv(1, x.method("auth.logOut"))
	x.answer("auth.logOut", tlInt(tlID(0xc3a2835f), 0)) // auth.loggedOut
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
	m = x.recv(1, x.method("updates.getState"))
	require.Equal(t, "401 AUTH_KEY_UNREGISTERED", x.rpcError(x.take(), m.ID))
}

// A failed bind tore down the perm key's wrapper.
func TestFailedBindLeavesTheLoginAlone(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	d := x.data(9, x.msg(9, tlBind(permKey)))
	d.AuthKeyID, d.KeyType = tempKey, TempKey
	x.step(d)
	ticket, _ := find[*BindTempKey](x, nil)
	x.finish(ticket, nil, &RPCError{400, "ENCRYPTED_MESSAGE_INVALID"})
	x.take()
	x.step(&PushUpdates{Updates: x.updates(3)})
	require.Equal(t, []int{3}, pushed(x.take()))
	m := x.recv(1, x.method("updates.getState"))
	require.True(t, x.isInvoked("updates.getState"))
	x.answer("updates.getState", updatesState())
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
}

// Calls had effects before anybody was logged in.
func TestNoSideEffectsBeforeLogin(t *testing.T) {
	x := newWorld(t, false)
	x.state = AuthState{State: StateUnauthorized}
	x.recv(1, tlDevice(7, "1"))
	x.recv(1, x.method("updates.getState"))
	x.recv(1, x.method("account.updateStatus", false))
	for _, name := range []string{"upload.getFile", "account.getPasskeys", "account.deleteAccount", "auth.acceptLoginToken"} {
		require.True(t, x.w.needsLogin(name, traits[name]), name)
	}
	require.Zero(t, count[*SetPushSession](x))
	require.Zero(t, count[*InvokeMethod](x))
	require.Zero(t, count[*SetOnline](x))
	require.Nil(t, x.w.updates)
	require.Zero(t, x.w.pushID)
}

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

	x.recv(1, tlAck(again[0].Message.ID))
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
	require.Equal(t, wire.AppendDetailedInfo(nil, m.ID, first[0].Message.ID, len(first[0].Body)), again[0].Body)

	x.recv(1, tlLongs(wire.IDMsgResendReq, first[0].Message.ID))
	require.Equal(t, first[0].Body, x.take()[0].Body)
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
	x := newWorld(t, false)
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
	require.Equal(t, old.Message.ID, again[0].Message.ID)
	require.True(t, again[0].inside)
	require.Greater(t, timeOf(again[0].outer), x.now-int64(time.Second))
}

// msg_resend_req looked server ids up among client ids.
func TestResendByServerID(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	a := x.takeOnly(wire.IDRPCResult)[0]
	x.recv(1, tlLongs(wire.IDMsgResendReq, a.Message.ID))
	again := x.take()
	require.Len(t, again, 1)
	require.Equal(t, a.Message, again[0].Message)

	m := x.recv(1, tlLongs(wire.IDMsgResendReq, a.Message.ID, 5))
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
		require.LessOrEqual(t, len(s.Payload), x.cfg.PayloadBytes)
	}
	msgs := x.take()
	for _, m := range calls {
		_, ok := result(msgs, m.ID)
		require.True(t, ok)
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
		{"member far ahead", 200 * time.Second, true, 0}, // its container is lower: rejected as a whole
		{"member of a day ago", -24 * time.Hour, true, wire.BadTooOld},
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

// Codes 18, 19, 32 to 35 and 64 were never sent or wrong.
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

	ack := x.msg(1, tlAck(5))
	ack.Seq++
	require.Equal(t, 34, bad(ack))

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
	require.Equal(t, wire.AppendAnswerDropped(nil, a.Message.ID, a.Seq, len(a.Body)), body)

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
	x.advance(499 * time.Millisecond)
	require.Empty(t, x.rpcError(x.take(), never.ID))
	x.advance(2 * time.Millisecond)
	require.Equal(t, "400 MSG_WAIT_TIMEOUT", x.rpcError(x.take(), never.ID))

	// It can never come any more (rule AFTER-5).
	gone := x.recv(1, tlAfter(x.id(-time.Hour), x.method("help.getNearestDc")))
	require.Equal(t, "500 MSG_WAIT_FAILED", x.rpcError(x.take(), gone.ID))
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

// The delay of ping_delay_disconnect was ignored.
func TestPingDelayDisconnect(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	require.Equal(t, 1, count[*SetOnline](x))
	x.recv(1, tlInt(tlLong(tlID(wire.IDPingDelayDisconnect), 5), 35))
	require.Len(t, x.takeOnly(wire.IDPong), 1)
	x.advance(34 * time.Second)
	require.Zero(t, count[*SetOffline](x))
	x.advance(2 * time.Second)
	require.Equal(t, 1, count[*SetOffline](x))

	x.recv(1, tlInt(tlLong(tlID(wire.IDPingDelayDisconnect), 5), 420))
	x.advance(400 * time.Second)
	require.Equal(t, 1, count[*SetOffline](x), "longer than the usual silence")
	x.advance(30 * time.Second)
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

// msg_new_detailed_info and msgs_all_info with short info panicked and took the
// rest of the packet with them.
func TestHearsayCostsNothing(t *testing.T) {
	x := newWorld(t, false)
	ping := x.msg(1, tlPing(9))
	x.step(x.data(1, x.container(1,
		x.msg(1, wire.AppendNewDetailedInfo(nil, 1, 2)),
		x.msg(1, wire.AppendDetailedInfo(nil, 1, 2, 3)),
		x.msg(1, wire.AppendBytes(tlLongs(wire.IDMsgsAllInfo, 1, 2, 3), "x")),
		x.msg(1, wire.AppendStateInfo(nil, 1, []byte{4})),
	)))
	x.step(x.data(1, x.container(1, ping)))
	require.Len(t, x.takeOnly(wire.IDPong), 1)
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

	x.recv(1, tlAck(first[0].Message.ID))
	d = x.data(1, x.msg(1, tlPing(3)))
	d.NewConn = true
	x.step(d)
	require.Empty(t, greetings())
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
	require.Equal(t, []int{1}, x.seen)
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
	got := pushed(y.take())
	require.Equal(t, -1, got[0], "too many: the client is told to fetch the difference")
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

// A client opened sessions without end.
func TestSessionsAreLimited(t *testing.T) {
	x := newWorld(t, false)
	for i := range int64(1000) {
		x.recv(1+i, tlPing(i))
		x.recv(1, tlPing(i))
		x.take()
		x.now += int64(time.Millisecond)
	}
	n := 0
	for range x.w.sessions() {
		n++
	}
	require.Equal(t, x.cfg.MaxSessions, n)
	require.NotNil(t, x.w.mainAuth.find(1), "the one in use stays")

	x.advance(10 * time.Minute)
	require.True(t, x.out.Done)
	require.Zero(t, x.out.WakeAt)
}

// An idle key cost two goroutines and a ticker; here it does not even wake.
func TestIdleKeyDoesNotWake(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlPing(1))
	x.ackAll(1)
	require.Equal(t, x.now+int64(75*time.Second), x.out.WakeAt)
	x.advance(75 * time.Second)
	require.Equal(t, x.now+int64(180*time.Second), x.out.WakeAt)
	x.advance(180 * time.Second)
	require.True(t, x.out.Done)
}

// A gzip bomb filled the memory.
func TestGzipBomb(t *testing.T) {
	x := newWorld(t, false)
	m := x.recv(1, gzipped(t, make([]byte, 64<<20)))
	require.Equal(t, "400 INPUT_FETCH_ERROR", x.rpcError(x.take(), m.ID))
}

// gzipped is body as gzip_packed.
func gzipped(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, 9)
	_, err := z.Write(body)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return wire.AppendGzip(nil, b.Bytes())
}

// incompressible is n bytes that do not shrink.
func incompressible(n int) string {
	b := make([]byte, n)
	state := uint64(1)
	for i := range b {
		state = state*6364136223846793005 + 1442695040888963407
		b[i] = byte(state >> 56)
	}
	return string(b)
}
