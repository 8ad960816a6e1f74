package sess

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// A client that does not acknowledge, and comes back or asks again at once, had
// megabytes sent for each forty bytes of its own.
func TestRepetitionsAreBoundedByTime(t *testing.T) {
	const sessions, spell = 4, 20 * time.Second
	var asked [sessions][]wire.Message // calls
	var ids [sessions][]int64          // of the answers
	for name, again := range map[string]func(x *world, sid int64){
		"new connections": func(x *world, sid int64) {
			d := x.data(sid, x.msg(sid, tlPing(1)))
			d.NewConn = true
			x.step(d)
		},
		"connections that are announced": func(x *world, sid int64) {
			x.step(&ConnNew{ServerID: "gw1", AuthKeyID: permKey, SessionID: sid, ClientIP: "192.0.2.1"})
		},
		"another gateway": func(x *world, sid int64) {
			x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: sid})
			x.recv(sid, tlPing(1))
		},
		"msg_resend_req":     func(x *world, sid int64) { x.recv(sid, tlLongs(wire.IDMsgResendReq, ids[sid-1]...)) },
		"msg_resend_ans_req": func(x *world, sid int64) { x.recv(sid, tlLongs(wire.IDMsgResendAnsReq, requests(asked[sid-1])...)) },
		"msgs_all_info": func(x *world, sid int64) {
			n := len(ids[sid-1])
			x.recv(sid, wire.AppendBytes(tlLongs(wire.IDMsgsAllInfo, ids[sid-1]...), string(bytes.Repeat([]byte{1}, n))))
		},
		"calls that come again": func(x *world, sid int64) {
			for _, m := range asked[sid-1] {
				x.step(x.data(sid, m))
			}
		},
		"msgs_state_req": func(x *world, sid int64) { x.recv(sid, tlLongs(wire.IDMsgsStateReq, requests(asked[sid-1])...)) },
	} {
		for kind, sizes := range map[string][]int{"large": {600 << 10, 600 << 10, 600 << 10}, "small": repeatInt(3000, 100)} {
			t.Run(name+", "+kind, func(t *testing.T) {
				x := newWorld(t, false)
				x.state = AuthState{State: StateUnauthorized}
				for i := range int64(sessions) {
					asked[i], ids[i] = nil, nil
					for _, size := range sizes {
						asked[i] = append(asked[i], x.recv(i+1, x.method("help.getNearestDc")))
						x.answer("help.getNearestDc", nearestDC(incompressible(size)))
					}
					for _, m := range x.takeOnly(wire.IDRPCResult) {
						ids[i] = append(ids[i], m.ID)
					}
				}
				x.advance(2 * time.Second)
				total, packets := 0, 0
				x.watch = func(s Send) { total += s.Len() }
				for end := x.now + int64(spell); x.now < end; x.advance(100 * time.Millisecond) {
					for sid := range int64(sessions) {
						again(x, sid+1)
						packets++
					}
					x.sends = nil
				}
				most := x.cfg.RepeatBytes + int(spell)/int(repeatEvery)*x.cfg.RepeatBytes
				own := packets * 4 << 10 // answers to the packets themselves, which are as long
				require.LessOrEqual(t, total, most+sizes[0]+own)
				x.watch = nil
				check(t, x)
			})
		}
	}
}

func requests(ms []wire.Message) (ids []int64) {
	for _, m := range ms {
		ids = append(ids, m.ID)
	}
	return ids
}

func repeatInt(v, n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = v
	}
	return list
}

// What waited is sent: a client that lost its connection again and again gets what
// it lacks in the end.
func TestRepetitionsThatWaitedAreMade(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.RepeatBytes = 1 << 17 })
	x.login(1)
	r := newReader(x, 1)
	for range 60 {
		r.call(3000)
	}
	r.call(200 << 10)
	x.take() // lost
	lacks := func() (n int) {
		for i := range x.w.mainAuth.find(1).sent {
			if m := &x.w.mainAuth.find(1).sent[i]; m.kind == outAnswer && !r.has[m.id] {
				n++
			}
		}
		return n
	}
	for range 10 { // lost, too
		x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
		d := x.data(1, x.msg(1, tlPing(1)))
		d.NewConn = true
		x.step(d)
		x.take()
		x.advance(10 * time.Millisecond)
	}
	require.NotZero(t, lacks())
	require.Less(t, x.w.repeatLeft(), 1)
	r.connect()
	require.NotZero(t, lacks(), "it waits")
	r.live(15*time.Second, time.Second)
	require.Zero(t, lacks())
	require.Empty(t, x.w.mainAuth.find(1).sent)
}

// The greeting and updatesTooLong wait for nothing, nor does what is new.
func TestOnlyRepetitionsWait(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.w.spend(20 * x.cfg.RepeatBytes)
	require.Negative(t, x.w.repeatLeft())
	r := newReader(x, 1)
	m := r.call(3000)
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
	x.w.tooLong(x.w.mainAuth.find(1))
	x.recv(1, tlPing(1))
	ids := x.takeOnly(wire.IDUpdatesTooLong)
	require.Len(t, ids, 1)
	x.recv(1, tlLongs(wire.IDMsgResendReq, ids[0].ID))
	require.Len(t, x.takeOnly(wire.IDUpdatesTooLong), 1)
}
