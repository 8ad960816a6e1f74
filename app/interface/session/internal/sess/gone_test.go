package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// A packet that somebody recorded on its way was executed a second time once its
// session had ended, though its id was young enough to be accepted.
func TestRecordedPacketIsNotDoneAgain(t *testing.T) {
	const sid, other = 5, 6
	under := func(x *world, key int64, m wire.Message) *Data {
		d := x.data(sid, m)
		if key != permKey {
			d.AuthKeyID, d.KeyType = key, TempKey
		}
		return d
	}
	for name, c := range map[string]struct {
		key int64 // transport key of the session; 0: the perm key
		end func(x *world)
	}{
		"idle":                {end: func(*world) {}},
		"connection closed":   {end: func(x *world) { x.step(&ConnClosed{"gw1", permKey, sid}) }},
		"destroy_session":     {end: func(x *world) { x.recv(other, tlLong(tlID(wire.IDDestroySession), sid)) }},
		"too many sessions":   {end: crowd(100)},
		"far too many":        {end: crowd(1000)},
		"too many temp keys":  {key: tempKey, end: newKeys},
		"dropped temp key":    {key: tempKey, end: dropTemp},
		"bound again":         {key: tempKey, end: adoptAgain},
		"a later one of many": {key: tempKey, end: func(x *world) { crowd(70)(x); newKeys(x) }},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			key := max(c.key, permKey)
			x.login(other)
			call := x.msg(sid, x.method("account.getAccountTTL"))
			for offset, m := range map[time.Duration]wire.Message{0: call, 29 * time.Second: x.container(sid, x.msg(sid, tlPing(1)))} {
				m.ID += int64(offset/time.Second) << 32
				x.step(under(x, key, m))
			}
			x.answer("account.getAccountTTL", tlInt(tlID(0xb8d0afdf), 30))
			recorded := under(x, key, call)
			c.end(x)
			for x.now < epoch+2*int64(x.cfg.MaxPast) {
				again := *recorded
				x.step(&again)
				n := 0
				for _, r := range x.calls {
					if m, ok := r.(*InvokeMethod); ok && m.Method.Name == "account.getAccountTTL" {
						n++
					}
				}
				require.Equal(t, 1, n, "%v later", time.Duration(x.now-epoch))
				// Alone, a session lives IdleOffline and IdleClose after its last packet.
				x.advance(x.cfg.IdleOffline + x.cfg.IdleClose + time.Second)
			}
		})
	}
}

// crowd has n sessions come and go.
func crowd(n int) func(x *world) {
	return func(x *world) {
		for i := range n {
			x.recv(int64(100+i), tlPing(1))
		}
	}
}

// newKeys has more temp keys come than find a place.
func newKeys(x *world) {
	for i := range x.cfg.MaxTempKeys {
		x.now += int64(time.Millisecond)
		x.under(int64(tempKey+1+i), TempKey, 1, tlPing(1))
	}
}

func dropTemp(x *world) {
	x.recv(6, tlLongs(wire.IDDropTempAuthKeys))
	t, _ := find[*DropTempKeys](x, nil)
	x.finish(t, &KeysGone{Existed: true, Keys: []int64{tempKey}}, nil)
}

// adoptAgain has the sessions of the temp key come from a wrapper that has served
// it meanwhile as one that is not bound.
func adoptAgain(x *world) {
	y := newWorld(x.t, true)
	y.recv(5, tlPing(1))
	y.recv(7, tlPing(1))
	y.recv(7, tlLong(tlID(wire.IDDestroySession), 5))
	bind := y.recv(5, tlBind(permKey))
	t, _ := find[*BindTempKey](y, nil)
	y.finish(t, nil, nil)
	require.NotNil(x.t, y.adopted)
	require.NotZero(x.t, bind.ID)
	x.step(&Adopt{Handover: y.adopted})
}

// What is new in a session that has ended is done, and the session is announced
// as a new one.
func TestEndedSessionComesAgain(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	x.recv(5, tlPing(1))
	x.recv(1, tlLong(tlID(wire.IDDestroySession), 5))
	x.take()
	m := x.recv(5, x.method("help.getNearestDc"))
	require.Len(t, x.takeOnly(wire.IDNewSessionCreated), 1)
	x.answer("help.getNearestDc", nearestDC("NL"))
	_, ok := result(x.take(), m.ID)
	require.True(t, ok)
}

// What temp keys have received goes with their sessions to the perm key.
func TestMemoryGoesWithTheBinding(t *testing.T) {
	y := newWorld(t, true)
	call := y.recv(5, y.method("help.getNearestDc"))
	y.answer("help.getNearestDc", nearestDC("NL"))
	y.recv(7, tlLong(tlID(wire.IDDestroySession), 5))
	y.recv(7, tlBind(permKey))
	ticket, _ := find[*BindTempKey](y, nil)
	y.finish(ticket, nil, nil)

	x := newWorld(t, false)
	x.step(&Adopt{Handover: y.adopted})
	d := x.data(5, call)
	d.AuthKeyID, d.KeyType = tempKey, TempKey
	x.step(d)
	require.Zero(t, count[*InvokeMethod](x))
	bad := x.takeOnly(wire.IDBadMsgNotification)
	require.Len(t, bad, 1)
	require.Equal(t, wire.AppendBadMsg(nil, call.ID, call.Seq, wire.BadTooOld), bad[0].Body)
}

// A session that has forgotten what it received under pressure does none of it
// again, however young.
func TestForgottenUnderPressureIsNotDone(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.Window = 16 })
	call := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.ackAll(1)
	for i := range 20 * windowSpan {
		x.recv(1, tlPing(int64(i)))
	}
	require.Nil(t, x.w.mainAuth.find(1).window.find(call.ID))
	x.step(x.data(1, call))
	require.Equal(t, 1, count[*InvokeMethod](x))
}

// The memory ends when the messages' time alone refuses them, and has a limit
// until then.
func TestMemoryOfEndedSessionsIsBounded(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlPing(1))
	crowd(10 * x.cfg.MaxSessions)(x)
	require.LessOrEqual(t, len(x.w.gone.list), x.cfg.GoneSessions)
	require.LessOrEqual(t, cap(x.w.gone.list), 2*x.cfg.GoneSessions)
	last := x.now
	x.advance(x.cfg.IdleOffline + x.cfg.IdleClose + time.Second)
	require.True(t, x.w.empty())
	require.False(t, x.out.Done)
	for !x.out.Done {
		require.NotZero(t, x.out.WakeAt)
		x.now = x.out.WakeAt
		x.step(&Tick{})
	}
	require.InDelta(t, last+int64(x.cfg.MaxPast), x.now, float64(time.Second))
	require.Empty(t, x.w.gone.list)
}
