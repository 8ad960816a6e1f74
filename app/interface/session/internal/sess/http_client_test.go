package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// httpClient is a client over HTTP as gotd is: a bounded number of connections,
// each good for one request at a time; a long poll, calls in requests of their own,
// and acknowledgments in others.
type httpClient struct {
	x       *world
	conns   int
	waiting []wire.Message // for a connection
	open    map[Slot]bool
	poll    Slot // 0: not open, or waiting
	slot    Slot
	acks    []int64
	calls   map[int64]bool // that wait for their answers
}

func (c *httpClient) send() {
	for len(c.waiting) > 0 && len(c.open) < c.conns {
		m := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.slot++
		c.open[c.slot] = true
		if id, _ := wire.PeekID(m.Body); id == wire.IDHTTPWait {
			c.poll = c.slot
		}
		c.x.post(c.slot, 1, m, 25*time.Second)
	}
}

func (c *httpClient) receive() {
	for slot := range c.open {
		msgs, ok := c.x.takeReply(slot)
		if !ok {
			continue
		}
		delete(c.open, slot)
		for _, m := range msgs {
			if m.constructor == wire.IDRPCResult {
				b := wire.NewReader(m.Body[4:])
				delete(c.calls, b.Long())
			}
			if m.Seq&1 != 0 {
				c.acks = append(c.acks, m.ID)
			}
		}
		if slot == c.poll { // the next one at once
			c.poll = 0
			c.waiting = append(c.waiting, c.x.msg(1, tlHTTPWait(0, 0, 25_000)))
		}
	}
	for len(c.acks) >= 20 {
		c.waiting = append(c.waiting, c.x.msg(1, tlAck(c.acks[:20]...)))
		c.acks = c.acks[20:]
	}
}

// A client over HTTP stood still for 25 s, because its acknowledgments held all of
// its connections.
func TestHTTPClientsAreNotKeptOut(t *testing.T) {
	for name, c := range map[string]struct {
		conns, calls int
		callers      int           // that call again when they are answered
		takes        time.Duration // a call
		within       time.Duration // all of them
	}{
		"gotd":                {16, 640, 8, 5 * time.Millisecond, time.Second},
		"gotd, many callers":  {16, 640, 100, 5 * time.Millisecond, time.Second},
		"gotd and slow calls": {16, 64, 16, time.Second, 10 * time.Second},
		"a browser":           {6, 200, 4, 5 * time.Millisecond, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			cl := &httpClient{x: x, conns: c.conns, open: map[Slot]bool{}, calls: map[int64]bool{}}
			cl.waiting = append(cl.waiting, x.msg(1, tlHTTPWait(0, 0, 25_000)))
			began, due := x.now, map[Ticket]int64{}
			for made := 0; made < c.calls || len(cl.calls) > 0; {
				require.LessOrEqual(t, time.Duration(x.now-began), c.within, "%d calls made, %d not answered", made, len(cl.calls))
				for made < c.calls && len(cl.calls) < c.callers {
					m := x.msg(1, x.method("help.getNearestDc"))
					cl.calls[m.ID] = true
					cl.waiting = append(cl.waiting, m)
					made++
				}
				cl.send()
				x.advance(time.Millisecond)
				for ticket, call := range x.open {
					if _, ok := call.Request.(*InvokeMethod); !ok {
						continue
					}
					if due[ticket] == 0 {
						due[ticket] = x.now + int64(c.takes)
					}
					if due[ticket] <= x.now {
						r := call.Request.(*InvokeMethod)
						x.finish(ticket, &MethodResult{Method: r.Method, PB: x.pb(r.Method, nearestDC("NL"))}, nil)
					}
				}
				cl.receive()
			}
		})
	}
}

// Only what asks for something is held: calls, pings whose answer is there at once,
// and http_wait.
func TestHTTPRequestsThatAskNothing(t *testing.T) {
	for name, c := range map[string]struct {
		bodies func(x *world) [][]byte
		held   bool
	}{
		"msgs_ack":            {func(*world) [][]byte { return [][]byte{tlAck(5)} }, false},
		"msgs_ack twice":      {func(*world) [][]byte { return [][]byte{tlAck(5), tlAck(9)} }, false},
		"msgs_all_info":       {func(*world) [][]byte { return [][]byte{wire.AppendBytes(tlLongs(wire.IDMsgsAllInfo, 5), []byte{4})} }, false},
		"an empty container":  {func(*world) [][]byte { return nil }, false},
		"http_wait":           {func(*world) [][]byte { return [][]byte{tlHTTPWait(0, 0, 20_000)} }, true},
		"http_wait, msgs_ack": {func(*world) [][]byte { return [][]byte{tlHTTPWait(0, 0, 20_000), tlAck(5)} }, true},
		"a call":              {func(x *world) [][]byte { return [][]byte{x.method("help.getConfig")} }, true},
		"a call, msgs_ack":    {func(x *world) [][]byte { return [][]byte{tlAck(5), x.method("help.getConfig")} }, true},
		"a packed call":       {func(x *world) [][]byte { return [][]byte{gzipped(x.t, x.method("help.getConfig"))} }, true},
		"get_future_salts":    {func(*world) [][]byte { return [][]byte{tlInt(tlID(wire.IDGetFutureSalts), 1)} }, true},
		"destroy_auth_key":    {func(*world) [][]byte { return [][]byte{tlID(wire.IDDestroyAuthKey)} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			x.post(1, 1, x.msg(1, tlPing(1)), 7*time.Second)
			x.takeReply(1)
			x.salts = false
			var ms []wire.Message
			for _, b := range c.bodies(x) {
				ms = append(ms, x.msg(1, b))
			}
			x.post(2, 1, x.container(1, ms...), 25*time.Second)
			msgs, ok := x.takeReply(2)
			require.Equal(t, c.held, !ok)
			if ok {
				require.Len(t, msgs, 1)
				require.Contains(t, []uint32{wire.IDMsgContainer, wire.IDMsgsAck}, msgs[0].constructor, "there is nothing to say")
			}
		})
	}
	// A call that comes again waits for its answer, too.
	x := newWorld(t, false)
	call := x.msg(1, x.method("help.getNearestDc"))
	x.post(1, 1, call, 7*time.Second)
	x.takeReply(1)
	x.post(2, 1, call, 7*time.Second)
	_, ok := x.takeReply(2)
	require.False(t, ok)
}
