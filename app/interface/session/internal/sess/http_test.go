package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// post sends a message over HTTP.
func (x *world) post(slot Slot, sid int64, m wire.Message, until time.Duration) {
	x.t.Helper()
	d := x.data(sid, m)
	d.ServerID, d.HTTP, d.HTTPUntil = "", slot, x.now+int64(until)
	x.step(d)
}

// takeReply returns what one response slot was answered with; nil when it was not.
func (x *world) takeReply(slot Slot) (msgs []sent, ok bool) {
	x.t.Helper()
	rest := x.replies[:0]
	for _, r := range x.replies {
		switch {
		case r.Slot != slot:
			rest = append(rest, r)
		case ok:
			require.Fail(x.t, "answered twice")
		default:
			ok = true
			if len(r.Payload) > 0 {
				sid := wire.NewReader(r.Payload[8:])
				msgs = parsePacket(x.t, Send{SessionID: sid.Long(), Payload: r.Payload})
			}
		}
	}
	x.replies = rest
	return msgs, ok
}

func tlHTTPWait(maxDelay, waitAfter, maxWait int32) []byte {
	return tlInt(tlInt(tlInt(tlID(wire.IDHTTPWait), maxDelay), waitAfter), maxWait)
}

// HTTP-2, HTTP-8: a request is answered as soon as there is something to say.
func TestHTTPAnswer(t *testing.T) {
	x := newWorld(t, false)
	ping := x.msg(1, tlPing(1))
	x.post(1, 1, ping, 7*time.Second)
	msgs, ok := x.takeReply(1)
	require.True(t, ok)
	require.Len(t, msgs, 2)
	require.Empty(t, x.sends)

	m := x.msg(1, x.method("help.getNearestDc"))
	x.post(2, 1, m, 7*time.Second)
	_, ok = x.takeReply(2)
	require.False(t, ok)
	x.advance(time.Second)
	_, ok = x.takeReply(2)
	require.False(t, ok, "an acknowledgment alone waits for company")
	x.answer("help.getNearestDc", nearestDC("NL"))
	msgs, ok = x.takeReply(2)
	require.True(t, ok)
	_, ok = result(msgs, m.ID)
	require.True(t, ok)
}

// Of more open requests than may be, the oldest is answered at once, and what
// it waited for comes by the next.
func TestHTTPRequestsAreBounded(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.HTTPRequests = 2 })
	x.post(1, 1, x.msg(1, tlPing(1)), 7*time.Second)
	x.takeReply(1)
	m := x.msg(1, x.method("help.getNearestDc"))
	x.post(2, 1, m, 7*time.Second)
	for slot := Slot(3); slot < 10; slot++ {
		x.post(slot, 1, x.msg(1, tlHTTPWait(0, 0, 25000)), 7*time.Second)
		_, ok := x.takeReply(slot - 2)
		require.Equal(t, slot > 3, ok, slot)
	}
	_, ok := x.takeReply(9)
	require.False(t, ok)
	x.answer("help.getNearestDc", nearestDC("NL"))
	msgs, ok := x.takeReply(8)
	require.True(t, ok)
	_, ok = result(msgs, m.ID)
	require.True(t, ok)
}

// HTTP-7: nothing to say until the end: an empty container.
func TestHTTPNothingToSay(t *testing.T) {
	x := newWorld(t, false)
	x.post(1, 1, x.msg(1, tlPing(1)), 7*time.Second)
	x.takeReply(1)
	x.post(2, 1, x.container(1, x.msg(1, tlHTTPWait(100, 30, 25000))), 7*time.Second)
	x.advance(7*time.Second - 1)
	_, ok := x.takeReply(2)
	require.False(t, ok)
	x.advance(1)
	msgs, ok := x.takeReply(2)
	require.True(t, ok)
	require.Len(t, msgs, 1)
	require.EqualValues(t, wire.IDMsgContainer, msgs[0].constructor)
	require.Zero(t, msgs[0].Seq&1)
}

// HTTP-5, HTTP-6: max_delay and wait_after let answers gather.
func TestHTTPWait(t *testing.T) {
	x := newWorld(t, false)
	x.post(1, 1, x.msg(1, tlPing(1)), 7*time.Second)
	x.takeReply(1)
	call := func() wire.Message { return x.msg(1, x.method("help.getNearestDc")) }
	x.post(2, 1, x.container(1, x.msg(1, tlHTTPWait(100, 30, 25000)), call(), call(), call(), call()), 7*time.Second)
	for range 3 {
		x.answer("help.getNearestDc", nearestDC("NL"))
		x.advance(29 * time.Millisecond)
		_, ok := x.takeReply(2)
		require.False(t, ok, "wait_after begins anew")
	}
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.advance(12 * time.Millisecond)
	_, ok := x.takeReply(2)
	require.False(t, ok)
	x.advance(1 * time.Millisecond)
	msgs, ok := x.takeReply(2)
	require.True(t, ok, "max_delay since the first")
	require.GreaterOrEqual(t, len(msgs), 4)

	x.post(3, 1, x.msg(1, tlHTTPWait(1000, 1000, 50)), 7*time.Second)
	x.advance(50 * time.Millisecond)
	_, ok = x.takeReply(3)
	require.True(t, ok, "max_wait counts most")
}

// Several requests of a session may be open; each is good for one packet.
func TestHTTPSlots(t *testing.T) {
	x := newWorld(t, false)
	x.post(1, 1, x.msg(1, tlPing(1)), 7*time.Second)
	x.takeReply(1)
	for slot := range Slot(3) {
		x.post(10+slot, 1, x.msg(1, x.method("help.getNearestDc")), 7*time.Second)
	}
	for slot := range Slot(2) {
		x.answer("help.getNearestDc", nearestDC("NL"))
		msgs, ok := x.takeReply(10 + slot)
		require.True(t, ok)
		require.NotEmpty(t, msgs)
	}
	x.step(&HTTPGone{Slot: 12})
	x.answer("help.getNearestDc", nearestDC("NL"))
	require.Empty(t, x.replies, "nobody reads it")
	x.post(13, 1, x.msg(1, tlHTTPWait(0, 0, 25000)), 7*time.Second)
	msgs, ok := x.takeReply(13)
	require.True(t, ok, "so the next request gets it")
	require.NotEmpty(t, msgs)
}

// A session that once came over HTTP never answered over TCP again.
func TestHTTPThenTCP(t *testing.T) {
	x := newWorld(t, false)
	x.post(1, 1, x.msg(1, tlPing(1)), 7*time.Second)
	x.takeReply(1)
	x.post(2, 1, x.msg(1, x.method("help.getNearestDc")), 7*time.Second)
	m := x.recv(1, x.method("help.getConfig"))
	x.fail("help.getConfig", 400, "X")
	require.NotEmpty(t, x.rpcError(x.take(), m.ID))
	x.advance(7 * time.Second)
	_, ok := x.takeReply(2)
	require.True(t, ok, "no slot is left unanswered")
}

// Packets that wait or that are no packets are answered in time, too.
func TestHTTPEverySlotIsAnswered(t *testing.T) {
	x := newWorld(t, false)
	d := x.data(0, x.msg(1, tlPing(1)))
	d.HTTP = 1
	x.step(d)
	_, ok := x.takeReply(1)
	require.True(t, ok, "session 0 (rule SESS-2)")

	d = x.data(1, x.msg(1, tlPing(1)))
	d.HTTP, d.Payload = 2, d.Payload[:20]
	x.step(d)
	_, ok = x.takeReply(2)
	require.True(t, ok, "malformed")

	x.salts = false
	x.post(3, 1, x.msg(1, tlPing(1)), 7*time.Second)
	x.advance(7 * time.Second)
	msgs, ok := x.takeReply(3)
	require.True(t, ok, "waiting for salts")
	require.Empty(t, msgs)
	ticket, _ := find[*GetSalts](x, nil)
	x.finish(ticket, &Salts{Salts: saltList(x.now, 8)}, nil)
	x.post(4, 1, x.msg(1, tlPing(2)), 7*time.Second)
	msgs, ok = x.takeReply(4)
	require.True(t, ok)
	require.Len(t, msgs, 2, "the greeting that the first could not get, and a pong")

	x.post(5, 1, x.msg(1, tlHTTPWait(0, 0, 25000)), 7*time.Second)
	x.takeReply(5)
	x.post(6, 1, x.msg(1, tlHTTPWait(0, 0, 25000)), 7*time.Second)
	x.recv(2, tlLong(tlID(wire.IDDestroySession), 1))
	_, ok = x.takeReply(6)
	require.True(t, ok, "its session is destroyed")
}

// What was lost on its way rides with a later request.
func TestHTTPRepeats(t *testing.T) {
	x := newWorld(t, false)
	x.post(1, 1, x.msg(1, tlPing(1)), 7*time.Second)
	lost, _ := x.takeReply(1)
	x.post(2, 1, x.msg(1, tlPing(2)), 7*time.Second)
	msgs, _ := x.takeReply(2)
	require.Len(t, msgs, 1)
	for slot := range Slot(2) {
		x.advance(35 * time.Second)
		x.post(3+slot, 1, x.msg(1, tlPing(3)), 7*time.Second)
	}
	x.takeReply(3)
	msgs, ok := x.takeReply(4)
	require.True(t, ok)
	require.Len(t, msgs, 2)
	require.Equal(t, lost[0].Message, msgs[0].Message)
}

// A key that goes elsewhere leaves no reader waiting: neither one that polls
// nor one whose packet waits for salts.
func TestHTTPDrain(t *testing.T) {
	x := newWorld(t, false)
	x.post(1, 1, x.msg(1, x.method("help.getNearestDc")), 20*time.Second)
	_, greeted := x.takeReply(1)
	require.True(t, greeted)
	x.post(1, 1, x.msg(1, tlHTTPWait(5000, 5000, 20_000)), 20*time.Second)
	x.step(&Drain{})
	_, ok := x.takeReply(1)
	require.False(t, ok, "an answer is on its way")
	x.post(2, 1, x.msg(1, tlHTTPWait(5000, 5000, 20_000)), 20*time.Second)
	x.salts = false
	other := x.data(7, x.msg(7, tlPing(1)))
	other.AuthKeyID, other.KeyType = tempKey, TempKey
	other.ServerID, other.HTTP, other.HTTPUntil = "", 3, x.now+int64(20*time.Second)
	x.step(other)
	x.answer("help.getNearestDc", nearestDC("DE"))
	require.True(t, x.out.Drained)
	for slot := range Slot(3) {
		_, ok := x.takeReply(slot + 1)
		require.True(t, ok, "slot %d", slot+1)
	}
}

// Sessions that go to a perm key, perhaps on another node, leave no reader
// waiting: the answer to the bind goes out before them.
func TestHTTPBind(t *testing.T) {
	x := newWorld(t, true)
	bind := x.msg(1, tlBind(permKey))
	x.post(1, 1, bind, 20*time.Second)
	x.takeReply(1)
	x.post(2, 1, x.msg(1, tlHTTPWait(5000, 5000, 20_000)), 20*time.Second)
	_, ok := x.takeReply(2)
	require.False(t, ok)
	ticket, _ := find[*BindTempKey](x, nil)
	x.finish(ticket, nil, nil)
	require.NotNil(t, x.adopted)
	msgs, ok := x.takeReply(2)
	require.True(t, ok)
	answer, ok := result(msgs, bind.ID)
	require.True(t, ok)
	require.Equal(t, wire.AppendBool(nil, true), answer)
}

// HTTP-2, SESS-11: an answer whose reader had gone came again after more than a
// minute, though the client asked every few seconds.
func TestAnswerWithoutAReaderComesAgain(t *testing.T) {
	for name, c := range map[string]struct {
		size  int
		acked bool
		again bool
	}{
		"a small one":  {2, false, true},
		"a large one":  {100_000, false, true},
		"acknowledged": {2, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.post(1, 1, x.msg(1, tlPing(1)), 7*time.Second) // the greeting
			greeting, _ := x.takeReply(1)
			x.post(2, 1, x.container(1, x.msg(1, tlAck(greeting[0].ID))), 7*time.Second)
			call, other := x.msg(1, x.method("help.getNearestDc")), x.msg(1, x.method("help.getConfig"))
			x.post(3, 1, x.container(1, call, other), 7*time.Second)
			x.answer("help.getNearestDc", nearestDC(incompressible(c.size)))
			lost := x.replies[len(x.replies)-1]
			require.EqualValues(t, 3, lost.Slot)
			x.replies = nil
			if c.acked {
				var ids []int64
				for _, m := range parsePacket(t, Send{SessionID: 1, Payload: lost.Payload}) {
					ids = append(ids, m.ID)
				}
				x.post(4, 1, x.msg(1, tlAck(ids...)), 7*time.Second)
				x.replies = nil
			}
			x.step(&HTTPGone{Slot: 3, Lost: lost.Payload})
			x.now += int64(5 * time.Second)
			x.post(5, 1, x.msg(1, tlHTTPWait(0, 0, 5000)), 7*time.Second)
			msgs, ok := x.takeReply(5)
			if !c.again {
				_, ok = result(msgs, call.ID)
				require.False(t, ok)
				return
			}
			require.True(t, ok, "at the next poll")
			body, ok := result(msgs, call.ID)
			require.True(t, ok)
			require.Equal(t, nearestDC(incompressible(c.size)), body)
			_, ok = result(msgs, other.ID)
			require.False(t, ok)
		})
	}
}

// What a node says of a packet that nobody took may be anything.
func TestLostPacketsThatAreNone(t *testing.T) {
	x := newWorld(t, false)
	x.post(1, 1, x.msg(1, x.method("help.getNearestDc")), 7*time.Second)
	x.answer("help.getNearestDc", nearestDC("NL"))
	packet := x.replies[0].Payload
	x.replies = nil
	for n := range len(packet) {
		x.step(&HTTPGone{Slot: 1, Lost: packet[:n]})
	}
	other := append([]byte(nil), packet...)
	other[8]++ // of another session
	x.step(&HTTPGone{Slot: 1, Lost: other})
	require.Empty(t, x.replies)
}

// What waits until it is known whether a login goes on left with the request's end, up to 25
// seconds later, though it was known.
func TestHTTPAfterASuspicion(t *testing.T) {
	x := newWorld(t, false)
	x.post(1, 1, x.msg(1, x.method("updates.getState")), 7*time.Second)
	x.answer("updates.getState", updatesState())
	x.takeReply(1)
	x.post(2, 1, x.msg(1, tlHTTPWait(0, 0, 25000)), 25*time.Second)
	x.takeReply(2)
	x.post(3, 1, x.msg(1, tlHTTPWait(0, 0, 25000)), 25*time.Second)
	x.states = false
	x.step(x.reset(alice, permKey, false))
	x.step(&PushUpdates{Updates: x.updates(1)})
	_, ok := x.takeReply(3)
	require.False(t, ok)
	read, _ := find[*GetAuthState](x, nil)
	x.finish(read, &x.state, nil)
	got, ok := x.takeReply(3)
	require.True(t, ok)
	require.Equal(t, []int{1}, pushed(got))
}
