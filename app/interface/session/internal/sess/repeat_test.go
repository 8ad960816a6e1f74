package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// reader is a client as far as it acknowledges and asks again.
type reader struct {
	x   *world
	sid int64
	has map[int64]bool // messages of the server

	// Habits.
	lone bool // acknowledges only what came without a container: gotd
	once bool // acknowledges nothing that it has: mtcute, TDLib
	mute bool // acknowledges nothing at all
	deaf bool // does not ask for what is announced: gotd

	acks    []int64
	ackedAt int64
	wants   []int64
	again   int           // bytes of answers that it had
	sent    map[int64]int // how often each message came
	tooLong int
	updates int
}

func newReader(x *world, sid int64) *reader {
	return &reader{x: x, sid: sid, has: map[int64]bool{}, sent: map[int64]int{}}
}

// read takes in what came.
func (r *reader) read() {
	for _, m := range r.x.take() {
		switch m.constructor {
		case wire.IDMsgDetailedInfo, wire.IDMsgNewDetailedInfo:
			b := wire.NewReader(m.Body[4:])
			if m.constructor == wire.IDMsgDetailedInfo {
				b.Long()
			}
			if id := b.Long(); !r.has[id] && !r.deaf {
				r.wants = append(r.wants, id)
			}
			continue
		case wire.IDUpdatesTooLong:
			r.tooLong++
		case idUpdateShort:
			if !r.has[m.ID] {
				r.updates++
			}
		}
		r.sent[m.ID]++
		if r.has[m.ID] && m.constructor == wire.IDRPCResult {
			r.again += len(m.Body)
		}
		if m.Seq&1 != 0 && !r.mute && (!r.once || !r.has[m.ID]) && (!r.lone || !m.inside) {
			r.acks = append(r.acks, m.ID)
		}
		r.has[m.ID] = true
	}
}

// write sends what waits, acknowledgments every so often.
func (r *reader) write(every time.Duration) {
	if len(r.wants) > 0 {
		r.x.recv(r.sid, tlLongs(wire.IDMsgResendReq, r.wants...))
		r.wants = nil
		r.read()
	}
	if len(r.acks) > 0 && r.x.now-r.ackedAt >= int64(every) {
		r.x.recv(r.sid, tlAck(r.acks...))
		r.acks, r.ackedAt = nil, r.x.now
		r.read()
	}
}

// connect is the first packet of a new connection. What was to be acknowledged on
// the old one is lost with it.
func (r *reader) connect() {
	r.x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: r.sid})
	r.acks = nil
	d := r.x.data(r.sid, r.x.msg(r.sid, tlPing(1)))
	d.NewConn = true
	r.x.step(d)
	r.read()
}

// call makes a call that is answered by so many bytes.
func (r *reader) call(size int) wire.Message {
	m := r.x.recv(r.sid, r.x.method("help.getNearestDc"))
	r.x.answer("help.getNearestDc", nearestDC(incompressible(size)))
	return m
}

// live goes on for a while, with a ping every second.
func (r *reader) live(d, acks time.Duration) {
	for end := r.x.now + int64(d); r.x.now < end; {
		r.x.advance(time.Second)
		r.x.recv(r.sid, tlPing(1))
		r.read()
		r.write(acks)
	}
}

// TDLib closes a connection after 256 KiB of answers that it has; its
// acknowledgments go with it. Downloads went on like that for ever.
func TestReconnectRepeatsNoFiles(t *testing.T) {
	const limit = 256 << 10
	x := newWorld(t, false)
	x.login(1)
	r := newReader(x, 1)
	r.once = true
	for range 40 {
		r.call(100 << 10)
	}
	r.read()
	var lost []wire.Message
	for range 3 { // lost with the connection
		lost = append(lost, r.call(100<<10))
	}
	x.take()
	for i := range 20 {
		r.connect()
		r.write(30 * time.Second)
		if i == 0 {
			require.Len(t, lost, 3)
			for _, m := range lost {
				a := x.w.mainAuth.find(1).answerTo(m.ID)
				require.True(t, a == nil || r.has[a.id], "it asks for what it lacks")
			}
		}
		require.LessOrEqual(t, r.again, limit, "connection %d", i)
		r.again = 0
		x.advance(5 * time.Second)
	}
	r.live(time.Hour, 30*time.Second)
	require.LessOrEqual(t, r.again, limit)
	require.Empty(t, x.w.mainAuth.find(1).sent)
}

// Many small messages are no less than a few large ones.
func TestReconnectRepeatsLittle(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	r := newReader(x, 1)
	for range 300 {
		r.call(3000)
	}
	x.take() // lost
	x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
	d := x.data(1, x.msg(1, tlPing(1)))
	d.NewConn = true
	x.step(d)
	bytes := 0
	for _, s := range x.sends {
		bytes += s.Len()
	}
	require.LessOrEqual(t, bytes, repeatBytes+300*64)
	r.read()
	require.NotEmpty(t, r.wants)
	r.write(0)
	n := 0
	for id := range r.has {
		if id&3 == idAnswer {
			n++
		}
	}
	require.GreaterOrEqual(t, n, 300, "it gets all that it asks for")
}

// What clients do not acknowledge, though they have it, was repeated again and
// again, filled the outbox, and updates gave way to it.
func TestWhatIsNotAcknowledged(t *testing.T) {
	for name, c := range map[string]struct {
		habits     func(*reader)
		reconnects bool
		acks       time.Duration
	}{
		"gotd acknowledges nothing in containers":      {func(r *reader) { r.lone, r.deaf = true, true }, false, 15 * time.Second},
		"mtcute acknowledges nothing twice":            {func(r *reader) { r.once = true }, true, 30 * time.Second},
		"somebody acknowledges nothing at all":         {func(r *reader) { r.mute, r.deaf = true, true }, false, 0},
		"somebody acknowledges nothing and reconnects": {func(r *reader) { r.mute = true }, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			r := newReader(x, 1)
			c.habits(r)
			pushes := 0
			for i := range 1800 { // half an hour
				// Two answers that leave together, in a container, and one alone.
				m := x.recv(1, x.method("help.getConfig"))
				x.recv(1, tlLong(tlID(wire.IDRPCDropAnswer), m.ID))
				x.fail("help.getConfig", 400, "X")
				r.call(10)
				r.read()
				if i%20 == 0 {
					x.step(&PushUpdates{Updates: x.updates(i)})
					pushes++
				}
				if c.reconnects && i%100 == 99 {
					r.connect()
				}
				r.read()
				r.write(c.acks)
				x.advance(time.Second)
			}
			r.read()
			require.Equal(t, pushes, r.updates)
			if c.reconnects { // what several connections carried in vain collapses
				require.LessOrEqual(t, r.tooLong, 40)
			} else {
				require.Zero(t, r.tooLong)
			}
			require.LessOrEqual(t, len(x.w.mainAuth.find(1).sent), x.cfg.OutboxMessages)
			most, total := 0, 0
			for _, n := range r.sent {
				most, total = max(most, n), total+n
			}
			if !c.reconnects {
				require.LessOrEqual(t, most, 1+x.cfg.ResendLimit)
			}
			require.LessOrEqual(t, total, 3*len(r.sent))
			r.mute = true
			r.live(10*time.Minute, time.Hour)
			for _, m := range x.w.mainAuth.find(1).sent {
				require.NotEqual(t, outAnswer, m.kind, "nothing is kept for ever")
			}
			check(t, x)
		})
	}
}

// A client that lacks what it seems to have asks for it, and gets it while it is
// there. Later it is told that the answer is forgotten; the call is not done again.
func TestWhatTheClientSeemsToHave(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	r := newReader(x, 1)
	lost := []wire.Message{r.call(10), r.call(8000)}
	x.take() // the gateway lost both, without a word
	x.advance(10 * time.Second)
	r.call(10)
	r.read()
	r.write(0)
	s := x.w.mainAuth.find(1)
	for _, m := range lost {
		require.True(t, s.answerTo(m.ID).had)
	}
	for _, m := range lost {
		x.step(x.data(1, m))
		x.step(x.data(1, m)) // of the large one it was told the first time
		_, ok := result(x.take(), m.ID)
		require.True(t, ok)
	}
	runs := count[*InvokeMethod](x)
	x.advance(30 * time.Second)
	r.connect() // told of both, it asks for neither
	require.Len(t, r.wants, 2)
	r.wants, r.deaf = nil, true
	r.live(2*time.Minute, time.Second)
	require.Nil(t, s.answerTo(lost[0].ID))
	for _, m := range lost {
		x.step(x.data(1, m))
		require.Equal(t, "500 ANSWER_FORGOTTEN", x.rpcError(x.take(), m.ID))
	}
	require.Equal(t, runs, count[*InvokeMethod](x))
}

// What was sent a moment before what the client has may still be on its way: a
// gateway that is asked in turns may fail for the first and not for the second.
func TestAnswersOnTheirWayAreNotHad(t *testing.T) {
	for name, c := range map[string]struct {
		between time.Duration // from the answer to what is acknowledged
		act     func(x *world, id int64)
		had     bool
	}{
		"much later":         {10 * time.Second, func(x *world, id int64) { x.recv(1, tlAck(id)) }, true},
		"soon":               {5 * time.Second, func(x *world, id int64) { x.recv(1, tlAck(id)) }, false},
		"never acknowledged": {10 * time.Second, func(*world, int64) {}, false},
		"on another connection": {10 * time.Second, func(x *world, id int64) {
			d := x.data(1, x.msg(1, tlAck(id)))
			d.NewConn = true
			x.step(d)
		}, false},
		"over HTTP": {10 * time.Second, func(x *world, id int64) {
			x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
			x.post(1, 1, x.msg(1, tlAck(id)), 7*time.Second)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.login(1)
			r := newReader(x, 1)
			m := r.call(10)
			x.take()
			x.advance(c.between)
			r.call(10)
			later := x.takeOnly(wire.IDRPCResult)[0]
			c.act(x, later.ID)
			a := x.w.mainAuth.find(1).answerTo(m.ID)
			require.NotNil(t, a)
			require.Equal(t, c.had, a.had)
		})
	}
}

// An update that many connections have carried in vain is not carried for ever.
func TestUpdatesThatNobodyAcknowledgesCollapse(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.step(&PushUpdates{Updates: x.updates(1)})
	x.step(&PushUpdates{Updates: x.updates(2)})
	got := pushed(x.take())
	for range mostSends - 1 {
		x.now += int64(time.Minute)
		d := x.data(1, x.msg(1, tlPing(1)))
		d.NewConn = true
		x.step(d)
		require.Equal(t, got, pushed(x.take()))
	}
	for range 3 {
		d := x.data(1, x.msg(1, tlPing(1)))
		d.NewConn = true
		x.step(d)
		require.Equal(t, []int{-1}, pushed(x.take()), "from now on updatesTooLong stands for them")
	}
	require.Equal(t, 2, x.counts[CountPushesLost])
}

// A packet of many pings cost the client its updates.
func TestManyPingsCostNoUpdates(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.step(&PushUpdates{Updates: x.updates(1)})
	require.Equal(t, []int{1}, pushed(x.take()))
	var ms []wire.Message
	for i := range 1000 {
		ms = append(ms, x.msg(1, tlPing(int64(i))))
	}
	x.step(x.data(1, x.container(1, ms...)))
	require.Len(t, x.takeOnly(wire.IDPong), 1000)
	require.Zero(t, x.counts[CountPushesLost])
}
