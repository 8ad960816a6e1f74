package sess

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// The machine's clock was set back by an hour, and for an hour nothing was due any
// more: no acknowledgment, no repetition, no end of a wait, no announcement, no end
// of a session.
func TestTimersIgnoreTheMachinesClock(t *testing.T) {
	for name, script := range map[string]func(x *world){
		"acknowledgment": func(x *world) { x.recv(1, x.method("help.getConfig")) },
		"repetition": func(x *world) {
			x.recv(1, x.method("help.getNearestDc"))
			x.answer("help.getNearestDc", nearestDC("NL"))
		},
		"announcement": func(*world) {},
		"closed":       func(x *world) { x.step(&ConnClosed{"gw1", permKey, 1}) },
		"held update":  func(x *world) { x.step(&ConnClosed{"gw1", permKey, 1}); x.step(&PushUpdates{Updates: x.updates(1)}) },
		"invokeAfterMsg": func(x *world) {
			m := x.recv(1, x.method("help.getConfig"))
			x.recv(1, tlAfter(m.ID, x.method("help.getNearestDc")))
		},
		"http":            func(x *world) { x.post(1, 2, x.msg(2, tlHTTPWait(0, 0, 5000)), 7*time.Second) },
		"http until":      func(x *world) { x.post(1, 2, x.msg(2, x.method("help.getConfig")), 7*time.Second) },
		"promised result": promise,
	} {
		run := func(set time.Duration) (log []string) {
			x := newWorld(t, false)
			x.login(1)
			script(x)
			x.take()
			x.replies = nil
			x.set = int64(set)
			began, calls := x.now, len(x.calls)
			for i := 0; x.out.WakeAt != 0 && x.now < began+int64(10*time.Minute); i++ {
				require.Less(t, i, 1000)
				x.now = x.out.WakeAt
				x.step(&Tick{})
				at := time.Duration(x.now - began).Round(time.Millisecond)
				if msgs := x.take(); len(msgs) > 0 {
					log = append(log, fmt.Sprintf("%v: %s", at, names(msgs)))
				}
				if _, ok := x.takeReply(1); ok {
					log = append(log, fmt.Sprintf("%v: reply", at))
				}
				for _, r := range x.calls[calls:] {
					if _, salts := r.(*GetSalts); !salts { // they are by the machine's clock
						log = append(log, fmt.Sprintf("%v: %T", at, r))
					}
				}
				calls = len(x.calls)
			}
			return log
		}
		t.Run(name, func(t *testing.T) {
			want := run(0)
			require.NotEmpty(t, want)
			for _, set := range []time.Duration{-time.Hour, -time.Minute, time.Minute, time.Hour} {
				require.Equal(t, want, run(set), "set by %v", set)
			}
		})
	}
}

func promise(x *world) {
	x.recv(1, x.method("help.getNearestDc"))
	ticket, _ := x.invoked("help.getNearestDc")
	x.finish(ticket, &MethodResult{Pushed: true}, nil)
}

// What others read is by the machine's clock: ids, what BFFs and status are told.
func TestDatesAreByTheMachinesClock(t *testing.T) {
	x := newWorld(t, false)
	x.set = int64(time.Hour)
	m := x.msg(1, x.method("updates.getState"))
	m.ID = x.id(time.Hour)
	x.step(x.data(1, m))
	wall := (x.now + x.set) / 1e9
	_, r := x.invoked("updates.getState")
	require.Equal(t, wall, r.Meta.ReceiveTime)
	x.answer("updates.getState", updatesState())
	for _, m := range x.take() {
		require.InDelta(t, wall, m.ID>>32, 1)
	}
	require.Equal(t, 1, count[*SetOnline](x))
	for _, r := range x.calls {
		if online, ok := r.(*SetOnline); ok {
			require.Equal(t, wall+int64(x.cfg.OnlineFor/time.Second), online.Expires)
			require.Equal(t, x.now, online.At)
		}
	}
}

// A recorded packet is not done again by a node whose clock was set back since its
// session ended.
func TestMemoryOutlivesAClockThatIsSetBack(t *testing.T) {
	x := newWorld(t, false)
	x.recv(6, tlPing(1))
	call := x.recv(5, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.step(&ConnClosed{"gw1", permKey, 5})
	x.set = -int64(time.Hour)
	for range 2 * 60 {
		x.advance(time.Minute)
		x.step(x.data(5, call))
	}
	require.Equal(t, 1, count[*InvokeMethod](x))
}

// While the clock is behind what a session's ids have said, they go on as evenly as time
// does, wherever the clock is set meanwhile: forth again, most of the way, they ran ahead
// of all clocks by as much.
func TestIDsGoOnEvenlyHoweverTheClockIsSet(t *testing.T) {
	for name, c := range map[string]struct {
		set  []time.Duration // one after the other, each followed by ten seconds
		want []time.Duration // what ids say then, after the clock that goes on evenly
	}{
		"back":              {[]time.Duration{-time.Hour, -time.Hour}, []time.Duration{0, 0}},
		"back and forth":    {[]time.Duration{-time.Hour, -time.Minute}, []time.Duration{0, 0}},
		"back, by steps":    {[]time.Duration{-time.Minute, -2 * time.Minute}, []time.Duration{0, 0}},
		"right again":       {[]time.Duration{-time.Hour, 0}, []time.Duration{0, 0}},
		"forth":             {[]time.Duration{time.Hour, time.Hour}, []time.Duration{time.Hour, time.Hour}},
		"forth and back":    {[]time.Duration{time.Hour, 0}, []time.Duration{time.Hour, time.Hour}},
		"past what it said": {[]time.Duration{-time.Hour, time.Hour}, []time.Duration{0, time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.recv(1, tlPing(1))
			x.take()
			m := x.msg(1, tlPing(2))
			x.step(x.data(1, m))
			x.take()
			for i, set := range c.set {
				x.set = int64(set)
				for range 10 {
					x.advance(time.Second)
					x.step(x.data(1, m)) // a ping is answered each time
					pongs := x.takeOnly(wire.IDPong)
					require.Len(t, pongs, 1)
					require.InDelta(t, x.now+int64(c.want[i]), timeOf(pongs[0].ID), float64(2*time.Second))
				}
			}
		})
	}
}

// Nor by one whose clock was wrong by an hour, and set right again, within the time that
// messages are accepted for: whether the session ended before, meanwhile or after.
func TestMemoryOutlivesAClockThatIsWrongForAWhile(t *testing.T) {
	for name, ends := range map[string]time.Duration{"before": time.Second, "meanwhile": 20 * time.Second, "after": 200 * time.Second} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			call := x.recv(5, x.method("help.getNearestDc"))
			x.answer("help.getNearestDc", nearestDC("NL"))
			for now := time.Duration(0); now < 10*time.Minute; now += time.Second {
				switch now {
				case 10 * time.Second:
					x.set = int64(time.Hour)
				case 100 * time.Second:
					x.set = 0
				}
				x.advance(time.Second)
				m := x.msg(6, tlPing(1))
				if now == ends {
					m = x.msg(6, tlLong(tlID(wire.IDDestroySession), 5))
				}
				m.ID = x.id(time.Duration(x.set))
				x.step(x.data(6, m))
				if now > ends && x.set == 0 {
					x.step(x.data(5, call))
				}
			}
			require.Equal(t, 1, count[*InvokeMethod](x))
		})
	}
}
