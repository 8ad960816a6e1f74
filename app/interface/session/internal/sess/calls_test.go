package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// filePart is upload.saveFilePart file_id:long file_part:int bytes:bytes.
func (x *world) filePart(size int) []byte {
	return x.method("upload.saveFilePart", int64(1), int32(0), incompressible(size))
}

// A call of 4 ms waited 1.9 s behind the parts of three files.
func TestFilePartsLeaveRoomForOtherCalls(t *testing.T) {
	for name, c := range map[string]struct {
		parts, size int
		change      func(*Config)
	}{
		"some in flight":      {40, 1000, func(*Config) {}},
		"as many as may wait": {400, 1000, func(*Config) {}},
		"as much as may wait": {60, 512 << 10, func(*Config) {}},
		"only one in flight":  {10, 1000, func(c *Config) { c.MaxInFlight = 1 }},
		"two in flight":       {10, 1000, func(c *Config) { c.MaxInFlight = 2 }},
		"hardly any may wait": {10, 1000, func(c *Config) { c.MaxQueued = 2 }},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false, c.change)
			refused := 0
			for range c.parts {
				m := x.recv(2, x.filePart(c.size))
				if text := x.rpcError(x.take(), m.ID); text != "" {
					require.Equal(t, "420 FLOOD_WAIT_1", text)
					refused++
				}
			}
			running := count[*InvokeMethod](x)
			require.Equal(t, min(c.parts, fileShare(x.cfg.MaxInFlight)), running)
			m := x.recv(1, x.method("help.getNearestDc"))
			require.Empty(t, x.rpcError(x.take(), m.ID), "it is not refused")
			if x.cfg.MaxInFlight > 1 {
				require.True(t, x.isInvoked("help.getNearestDc"), "nor does it wait")
			}
			// All that was taken is done in the end.
			for x.isInvoked("upload.saveFilePart") {
				x.answer("upload.saveFilePart", wire.AppendBool(nil, true))
			}
			x.answer("help.getNearestDc", nearestDC("NL"))
			require.Equal(t, c.parts-refused+1, count[*InvokeMethod](x))
			require.Empty(t, x.w.calls.list)
		})
	}
}

// A chain of 13 calls that take 0.7 s each cost 76 sends: the time of each began
// when it arrived, far back in the chain.
func TestChainOfSlowCalls(t *testing.T) {
	for name, c := range map[string]struct {
		takes time.Duration
		sends int // of 13 calls, at most
	}{
		"quick links": {10 * time.Millisecond, 13},
		"0.7 s":       {700 * time.Millisecond, 13},
		"1.9 s":       {1900 * time.Millisecond, 13},
		"3 s":         {3 * time.Second, 13 * 14},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.recv(1, tlPing(1))
			x.ackAll(1)
			chain := make([]int64, 13) // ids as they were sent last
			done := map[int64]bool{}
			sends := 0
			send := func(from int) {
				var ms []wire.Message
				for i := from; i < len(chain); i++ {
					q := x.method("help.getNearestDc")
					if i > 0 && !done[chain[i-1]] {
						q = tlAfter(chain[i-1], q)
					}
					m := x.msg(1, q)
					chain[i] = m.ID
					ms = append(ms, m)
				}
				sends += len(ms)
				x.step(x.data(1, x.container(1, ms...)))
			}
			send(0)
			last := int64(0)
			for began := x.now; !done[chain[12]]; {
				require.Less(t, time.Duration(x.now-began), time.Minute)
				ticket, r := x.invoked("help.getNearestDc")
				require.Greater(t, r.Meta.MsgID, last, "in order")
				last = r.Meta.MsgID
				x.advance(c.takes)
				x.finish(ticket, &MethodResult{Method: r.Method, PB: x.pb(r.Method, nearestDC("NL"))}, nil)
				first := -1
				msgs := x.take()
				for i, id := range chain {
					switch body, ok := result(msgs, id); {
					case !ok:
					case x.rpcError(msgs, id) == "":
						done[id] = true
						require.NotEmpty(t, body)
					default:
						require.Equal(t, "400 MSG_WAIT_TIMEOUT", x.rpcError(msgs, id), "never FAILED: the order would be lost")
						if first < 0 {
							first = i
						}
					}
				}
				if first >= 0 {
					send(first)
				}
			}
			require.LessOrEqual(t, sends, c.sends)
		})
	}
}

// AfterWait of a call that comes in one packet with the call that it waits for begins when
// that is invoked, though nothing happens after that.
func TestAfterWaitBeginsInTheSamePacket(t *testing.T) {
	x := newWorld(t, false)
	first, second := x.msg(1, x.method("help.getNearestDc")), x.msg(1, nil)
	second.Body = tlAfter(first.ID, x.method("help.getNearestDc"))
	x.step(x.data(1, x.container(1, first, second)))
	x.take()
	x.advance(x.cfg.AfterWait)
	require.Equal(t, "400 MSG_WAIT_TIMEOUT", x.rpcError(x.take(), second.ID))
}

// What waits in a circle does not wait for ever.
func TestChainInACircle(t *testing.T) {
	x := newWorld(t, false)
	a, b := x.msg(1, nil), x.msg(1, nil)
	a.Body, b.Body = tlAfter(b.ID, x.method("help.getNearestDc")), tlAfter(a.ID, x.method("help.getNearestDc"))
	x.step(x.data(1, x.container(1, a, b)))
	x.take()
	x.advance(chainWait)
	msgs := x.take()
	require.Equal(t, "400 MSG_WAIT_TIMEOUT", x.rpcError(msgs, a.ID))
	require.Equal(t, "400 MSG_WAIT_TIMEOUT", x.rpcError(msgs, b.ID))
	require.Empty(t, x.w.calls.list)
}

// Of calls with large answers, few are made at a time: 32 answers of a megabyte under way
// took a hundred.
func TestFewLargeAnswersAreOnTheirWay(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	ask := func(n int) {
		for range n {
			x.recv(1, x.method("help.getNearestDc"))
		}
	}
	ask(1)
	x.answer("help.getNearestDc", nearestDC(incompressible(1<<20)))
	ask(20)
	require.EqualValues(t, 3, x.w.calls.running)
	x.recv(1, x.method("help.getConfig"))
	require.True(t, x.isInvoked("help.getConfig"), "others do not wait for them")
	for range 20 {
		x.answer("help.getNearestDc", nearestDC("de"))
	}
	ask(40) // answers have come to be small
	require.EqualValues(t, x.cfg.MaxInFlight, x.w.calls.running, "with help.getConfig")
}
