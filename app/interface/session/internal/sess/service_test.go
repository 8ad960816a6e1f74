package sess

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

func (x *world) stateOf(sid int64, ids ...int64) []byte {
	x.t.Helper()
	m := x.recv(sid, tlLongs(wire.IDMsgsStateReq, ids...))
	got := x.takeOnly(wire.IDMsgsStateInfo)
	require.Len(x.t, got, 1)
	require.Zero(x.t, got[0].Seq&1)
	r := wire.NewReader(got[0].Body[4:])
	require.Equal(x.t, m.ID, r.Long())
	return r.Bytes()
}

// STATE-1 to STATE-5.
func TestMessageStates(t *testing.T) {
	x := newWorld(t, false)
	before := x.id(0)
	ping := x.recv(1, tlPing(1))
	missing := x.id(0)
	call := x.recv(1, x.method("help.getNearestDc"))
	require.Equal(t, []byte{
		stateForgotten, stateReceived | stateNoAck, stateMissing, stateReceived | stateCall | stateAcked, stateAbove,
	}, x.stateOf(1, before, ping.ID, missing, call.ID, call.ID+1<<40))

	x.answer("help.getNearestDc", nearestDC("NL"))
	require.Equal(t, []byte{stateReceived | stateCall | stateAcked}, x.stateOf(1, call.ID))
	a := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.ackAll(1)
	require.Equal(t, []byte{stateReceived | stateCall | stateAcked | stateAnswered | stateConfirmed}, x.stateOf(1, a.ID))

	// Never reported as lost, though the window has forgotten it.
	slow := x.recv(1, x.method("updates.getState"))
	for range 1000 {
		x.recv(1, tlPing(1))
	}
	x.take()
	require.EqualValues(t, stateReceived, x.stateOf(1, slow.ID)[0]&7)
	x.answer("updates.getState", updatesState())
	require.EqualValues(t, stateReceived, x.stateOf(1, slow.ID)[0]&7)
}

// STATE-7: what the client has is forgotten, what it lacks is sent again.
func TestAllInfo(t *testing.T) {
	x := newWorld(t, false)
	for range 2 {
		x.recv(1, x.method("help.getNearestDc"))
		x.answer("help.getNearestDc", nearestDC("NL"))
	}
	a := x.takeOnly(wire.IDRPCResult)
	x.recv(1, wire.AppendBytes(tlLongs(wire.IDMsgsAllInfo, a[0].ID, a[1].ID, 17), []byte{4, 1, 4}))
	again := x.takeOnly(wire.IDRPCResult)
	require.Len(t, again, 1)
	require.Equal(t, a[1].Message, again[0].Message)
	d := x.data(1, x.msg(1, tlPing(1)))
	d.NewConn = true
	x.step(d)
	require.Len(t, x.takeOnly(wire.IDRPCResult), 1)
}

// msg_resend_ans_req names requests.
func TestResendAnswers(t *testing.T) {
	x := newWorld(t, false)
	m := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	a := x.takeOnly(wire.IDRPCResult)[0]
	x.recv(1, tlLongs(wire.IDMsgResendAnsReq, m.ID))
	require.Equal(t, a.Message, x.take()[0].Message)
	x.recv(1, tlLongs(wire.IDMsgResendAnsReq, m.ID, 8))
	require.Len(t, x.takeOnly(wire.IDMsgsStateInfo), 1)
}

// Service messages that do not parse are answered, if they can be.
func TestMalformedServiceMessages(t *testing.T) {
	x := newWorld(t, false)
	for _, id := range []uint32{
		wire.IDPing, wire.IDPingDelayDisconnect, wire.IDGetFutureSalts, wire.IDDestroySession, wire.IDRPCDropAnswer,
		wire.IDMsgsStateReq, wire.IDMsgResendReq, wire.IDMsgResendAnsReq, wire.IDHTTPWait, wire.IDDestroyAuthKey,
	} {
		m := x.recv(1, tlInt(tlID(id), 1))
		if id == wire.IDGetFutureSalts {
			continue // one int is what it wants
		}
		require.Equal(t, "400 INPUT_FETCH_ERROR", x.rpcError(x.take(), m.ID), "%08x", id)
	}
	x.recv(1, tlInt(tlID(wire.IDMsgsAck), 1))
	require.Empty(t, x.take(), "an acknowledgment is never answered")
	m := x.recv(1, nil)
	require.Equal(t, "400 INPUT_FETCH_ERROR", x.rpcError(x.take(), m.ID))
	m = x.recv(1, wire.AppendGzip(nil, []byte("not gzip")))
	require.Equal(t, "400 INPUT_FETCH_ERROR", x.rpcError(x.take(), m.ID))
	m = x.recv(1, x.method("auth.logOut", int32(9)))
	require.Equal(t, "400 INPUT_FETCH_ERROR", x.rpcError(x.take(), m.ID))
}

// Odd service messages are acknowledged by their answers, or by msgs_ack.
func TestOddServiceMessages(t *testing.T) {
	x := newWorld(t, false)
	odd := func(body []byte) wire.Message {
		m := x.msg(1, tlInt(tlID(wire.IDGetFutureSalts), 1)) // for its odd seqno
		m.Body = body
		x.step(x.data(1, m))
		return m
	}
	odd(tlPing(1))
	x.take()
	odd(tlPing(1))
	odd(tlLongs(wire.IDMsgsStateReq, 4))
	odd(tlLong(tlID(wire.IDDestroySession), 9))
	x.advance(time.Second)
	require.Empty(t, x.takeOnly(wire.IDMsgsAck), "ACK-6")
	m := odd(wire.AppendPong(nil, 1, 1))
	x.advance(time.Second)
	acks := x.takeOnly(wire.IDMsgsAck)
	require.Len(t, acks, 1)
	require.Equal(t, tlAck(m.ID), acks[0].Body, "ACK-2")
}

// A ping that comes again is answered again.
func TestRepeatedPing(t *testing.T) {
	x := newWorld(t, false)
	m := x.recv(1, tlPing(5))
	x.take()
	x.step(x.data(1, m))
	require.Equal(t, wire.AppendPong(nil, m.ID, 5), x.take()[0].Body)
}

// ACK-10: acknowledgments travel together.
func TestAcksTravelTogether(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlPing(1))
	x.take()
	var ids []int64
	for range 5 {
		ids = append(ids, x.recv(1, x.method("updates.getState")).ID)
	}
	require.Empty(t, x.take())
	x.recv(1, tlPing(2))
	require.Len(t, x.sends, 1)
	msgs := x.take()
	require.Len(t, msgs, 2)
	require.Equal(t, tlAck(ids...), msgs[0].Body)
	require.EqualValues(t, wire.IDPong, msgs[1].constructor)
}

// What waits to be acknowledged has a limit, also where no way leads to the
// client; on a live connection many acknowledgments do not wait.
func TestAcksAreBounded(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlPing(1))
	x.take()
	odd := func(ms ...wire.Message) wire.Message {
		for len(ms) < 1024 {
			m := x.msg(1, tlInt(tlID(wire.IDGetFutureSalts), 1)) // for its odd seqno
			m.Body = wire.AppendPong(nil, 1, 1)
			ms = append(ms, m)
		}
		return x.container(1, ms...)
	}
	x.step(x.data(1, odd()))
	require.Len(t, x.takeOnly(wire.IDMsgsAck), 1)
	require.Empty(t, x.w.mainAuth.find(1).acks)
	for slot := range Slot(10) {
		x.post(slot+1, 1, odd(x.msg(1, tlHTTPWait(0, 0, 60_000))), 7*time.Second)
		x.step(&HTTPGone{Slot: slot + 1})
	}
	require.Len(t, x.w.mainAuth.find(1).acks, maxAcks)
	x.post(11, 1, x.msg(1, tlPing(2)), 7*time.Second)
	msgs, _ := x.takeReply(11)
	require.Len(t, msgs, 2)
	require.Len(t, msgs[0].Body, 12+8*maxAcks)
	require.Empty(t, x.w.mainAuth.find(1).acks)
}

// Too many calls are told to wait; the others are served.
func TestOverload(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.MaxInFlight, c.MaxQueued = 4, 8 })
	var last wire.Message
	for range 13 {
		last = x.recv(1, x.method("help.getNearestDc"))
	}
	require.Equal(t, 4, count[*InvokeMethod](x))
	require.Equal(t, "420 FLOOD_WAIT_1", x.rpcError(x.take(), last.ID))
	for range 12 {
		x.answer("help.getNearestDc", nearestDC("NL"))
	}
	require.Equal(t, 12, count[*InvokeMethod](x))
	require.Empty(t, x.w.calls.list)
}

// Calls that wait are bounded by their size, too.
func TestOverloadByBytes(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.QueuedBytes = 1 << 12 })
	x.states = false
	big := x.recv(1, x.method("auth.signIn", int32(1), incompressible(8000), "2", "3"))
	require.Empty(t, x.rpcError(x.take(), big.ID), "one always fits")
	m := x.recv(1, x.method("help.getNearestDc"))
	require.Equal(t, "420 FLOOD_WAIT_1", x.rpcError(x.take(), m.ID))
}

// So is what they wait for: each look at it costs a look at all calls.
func TestOverloadByPredecessors(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, x.method("updates.getState"))
	after := func(n int) []byte {
		ids := make([]int64, n)
		for i := range ids {
			ids[i] = x.id(time.Second)
		}
		return append(tlLongs(wire.IDInvokeAfterMsgs, ids...), x.method("help.getNearestDc")...)
	}
	fits, over, plain := x.msg(1, after(1000)), x.msg(1, after(25)), x.msg(1, x.method("help.getNearestDc"))
	x.step(x.data(1, x.container(1, fits, over, plain)))
	msgs := x.take()
	require.Equal(t, "420 FLOOD_WAIT_1", x.rpcError(msgs, over.ID))
	require.Empty(t, x.rpcError(msgs, fits.ID))
	require.True(t, x.isInvoked("help.getNearestDc"), "what waits for nothing goes on")
	x.advance(x.cfg.AfterWait)
	require.Equal(t, "400 MSG_WAIT_TIMEOUT", x.rpcError(x.take(), fits.ID))
	x.recv(1, after(1024))
	require.Empty(t, x.take(), "there is room again")
}

// A chain of calls that stand in the wrong order fails link by link.
func TestInvokeAfterChainFails(t *testing.T) {
	x := newWorld(t, false)
	first := x.recv(1, x.method("updates.getState"))
	var chain []wire.Message
	for range 250 {
		chain = append(chain, x.msg(1, x.method("help.getNearestDc")))
	}
	for i := range chain {
		after := first.ID
		if i+1 < len(chain) {
			after = chain[i+1].ID
		}
		chain[i].Body = append(tlLongs(wire.IDInvokeAfterMsgs, x.id(time.Second), after), chain[i].Body...)
	}
	x.step(x.data(1, x.container(1, chain...)))
	x.take()
	x.fail("updates.getState", 400, "X")
	msgs := x.take()
	for _, m := range chain {
		require.Equal(t, "500 MSG_WAIT_FAILED", x.rpcError(msgs, m.ID))
	}
}

// So is what peers are asked for besides, whatever one packet holds; what they
// were not told is told when the client says it again.
func TestOverloadOfPeers(t *testing.T) {
	packet := func(x *world, body func(i int) []byte) {
		var ms []wire.Message
		for i := range 300 {
			ms = append(ms, x.msg(1, body(i)))
		}
		x.step(x.data(1, x.container(1, ms...)))
		require.LessOrEqual(t, len(x.w.asks), maxAsks)
	}
	x := newWorld(t, false)
	x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.others = false
	client := func(i int) []byte {
		b := tlInt(tlInt(tlID(wire.IDInitConnection), 0), int32(i))
		for _, s := range []string{"Pixel 9", "SDK 36", "12.1.0", "en-us", "android", "en"} {
			b = wire.AppendBytes(b, s)
		}
		return tlLayer(int32(200+i%2), append(b, x.method("help.getNearestDc")...))
	}
	packet(x, client)
	for len(x.w.asks) > 0 {
		for ticket, c := range x.open {
			if _, ok := c.Request.(*InvokeMethod); !ok {
				x.finish(ticket, nil, nil)
			}
		}
	}
	x.others = true
	x.recv(1, client(299))
	_, layered := find(x, func(r *InvokeMethod) bool { return r.Meta.Layer == 201 })
	require.NotNil(t, layered)
	x.advance(time.Minute) // they are not stored all at once
	var layer, apiID int32
	for _, r := range x.calls {
		switch r := r.(type) {
		case *SetLayer:
			layer = r.Layer
		case *SetInitConnection:
			apiID = r.Client.APIID
		}
	}
	require.EqualValues(t, 201, layer)
	require.EqualValues(t, 299, apiID)

	x = newWorld(t, false)
	packet(x, func(int) []byte { return tlID(wire.IDDestroyAuthKey) })
	require.InDelta(t, 300-maxAsks, x.counts[CountOverload], 1)
	x = newWorld(t, false)
	packet(x, func(int) []byte { return tlLongs(wire.IDDropTempAuthKeys) })
	require.InDelta(t, 300-maxAsks, x.counts[CountOverload], 1)
	x = newWorld(t, true)
	packet(x, func(int) []byte { return tlBind(permKey) })
	require.InDelta(t, 300-maxAsks, x.counts[CountOverload], 1)

	x = newWorld(t, false)
	x.login(1)
	x.others = false
	packet(x, func(i int) []byte { return tlDevice(7, fmt.Sprint(i)) })
	require.Equal(t, maxAsks, count[*SetPushSession](x))
	for len(x.w.asks) > 0 {
		ticket, _ := find[*SetPushSession](x, nil)
		x.finish(ticket, nil, nil)
	}
	last := x.w.pushes.pushSession
	require.Greater(t, last, int64(maxAsks), "is known all the same")
	x.answer("account.registerDevice", wire.AppendBool(nil, true))
	x.recv(1, tlDevice(7, fmt.Sprint(last)))
	_, told := find[*SetPushSession](x, nil)
	require.Equal(t, last, told.SessionID)
}

// Sessions are easily had: what each may ask for once is bounded for all of them, too.
func TestSaltsForManySessions(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlPing(1))
	x.others, x.salts = false, false
	answered := 0
	for sid := range int64(3 * maxAsks) {
		x.recv(100+sid, tlInt(tlID(wire.IDGetFutureSalts), 2))
		require.LessOrEqual(t, len(x.w.asks), maxAsks)
		answered += len(x.takeOnly(wire.IDFutureSalts))
	}
	require.Equal(t, 2*maxAsks, answered, "of what is at hand")
}

// Takeouts and ranges reach the BFF with the call, in either order.
func TestTakeout(t *testing.T) {
	x := newWorld(t, false)
	q := x.method("help.getNearestDc")
	rng := func(q []byte) []byte {
		return append(tlInt(tlInt(append(tlID(wire.IDInvokeWithMessagesRange), tlID(wire.IDMessageRange)...), 3), 9), q...)
	}
	take := func(q []byte) []byte { return append(tlLong(tlID(wire.IDInvokeWithTakeout), 5), q...) }
	business := func(q []byte) []byte {
		return append(wire.AppendBytes(tlID(wire.IDInvokeWithBusinessConnection), "x"), q...)
	}
	apns := func(q []byte) []byte {
		return append(wire.AppendBytes(wire.AppendBytes(tlID(wire.IDInvokeWithApnsSecret), "x"), "y"), q...)
	}
	for _, c := range []struct {
		name string
		body []byte
		want *Takeout
	}{
		{"plain", q, nil},
		{"range", rng(q), &Takeout{MinID: 3, MaxID: 9, HasRange: true}},
		{"takeout", take(q), &Takeout{ID: 5}},
		{"range in takeout", take(rng(q)), &Takeout{ID: 5, MinID: 3, MaxID: 9, HasRange: true}},
		{"business", business(apns(tlLayer(223, q))), nil},
		{"packed", tlLayer(223, gzipped(t, take(q))), &Takeout{ID: 5}},
	} {
		x.recv(1, c.body)
		_, r := x.invoked("help.getNearestDc")
		require.Equal(t, c.want, r.Meta.Takeout, c.name)
		x.answer("help.getNearestDc", nearestDC("NL"))
	}
	m := x.recv(1, tlLayer(223, tlPing(8)))
	require.Equal(t, wire.AppendPong(nil, m.ID, 8), x.takeOnly(wire.IDPong)[0].Body, "a service message in a wrapper")
}

// KEY-23: a temp key that is destroyed takes its sessions along and nothing
// else, even when the session that asked for it is gone by then.
func TestDestroyedTempKeyGoesAlone(t *testing.T) {
	for _, c := range []struct {
		name  string
		newer int64 // temp key that has taken its place before the answer
	}{{"at hand", 0}, {"displaced", tempKey + 1}} {
		t.Run(c.name, func(t *testing.T) {
			x := newWorld(t, false, func(c *Config) { c.MaxTempKeys = 1 })
			x.login(1)
			send := func(key int64, body []byte) wire.Message { return x.under(key, TempKey, 2, body) }
			send(tempKey, x.method("updates.getState"))
			x.answer("updates.getState", updatesState())
			m := send(tempKey, tlID(wire.IDDestroyAuthKey))
			if c.newer != 0 {
				send(c.newer, tlPing(1))
			}
			x.take()
			ticket, _ := find[*DestroyKey](x, nil)
			x.finish(ticket, &KeysGone{Existed: true, Keys: []int64{tempKey}}, nil)
			_, answered := result(x.take(), m.ID)
			require.Equal(t, c.newer == 0, answered)
			x.step(&PushUpdates{Updates: x.updates(1)})
			for _, p := range x.take() {
				require.Equal(t, int64(permKey), p.AuthKeyID)
			}
			require.Equal(t, c.newer != 0, x.w.tempAuth != nil)
			x.recv(1, x.method("updates.getState"))
			require.True(t, x.isInvoked("updates.getState"))
		})
	}
}
