package sess

import (
	"runtime"
	"testing"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// BenchmarkIdleAuthKey measures what a key costs while its one logged-in
// session is silent: B/key is heap.
func BenchmarkIdleAuthKey(b *testing.B) {
	keys := make([]*MainAuthWrapper, 0, b.N)
	schema := testSchema(b)
	cfg := &Config{}
	cfg.SetDefaults()
	x := newWorld(b, false)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, goroutines := heap(), runtime.NumGoroutine()
	b.ResetTimer()
	for n := range b.N {
		i := n + 1 // session 0 is none
		w := New(permKey, false, cfg, schema, &counting{})
		x.w, x.now, x.serial, x.calls, x.order = w, epoch, 0, x.calls[:0], x.order[:0]
		x.seqs[int64(i)] = 0
		x.recv(int64(i), tlLayer(223, tlInit(x.method("updates.getState"))))
		x.answer("updates.getState", updatesState())
		x.ackAll(int64(i))
		for range 10 { // of its life, a few minutes
			x.now += int64(time.Minute)
			x.recv(int64(i), tlPing(1))
			x.sends = x.sends[:0]
		}
		delete(x.seqs, int64(i))
		keys = append(keys, w)
	}
	b.StopTimer()
	x.w = nil
	b.ReportMetric(float64(heap()-before)/float64(b.N), "B/key")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/float64(b.N), "goroutines/key")
	runtime.KeepAlive(keys)
}

// BenchmarkPing is a ping and its pong.
func BenchmarkPing(b *testing.B) {
	x := newWorld(b, false)
	x.login(1)
	seq := 2 * x.seqs[1]
	b.ReportAllocs()
	for b.Loop() {
		x.now += 1000
		m := wire.Message{ID: idAt(x.now) + 4096, Seq: seq, Body: tlPing(1)}
		x.out.Reset()
		x.w.Step(x.now, x.now, x.data(1, m), &x.out)
		if len(x.out.Sends) != 1 {
			b.Fatal("no pong")
		}
	}
}

// BenchmarkPingBesideWaits is a ping of a key that has 250 calls which wait for a thousand
// others, in a circle: without a login, in one packet of 16 KB.
func BenchmarkPingBesideWaits(b *testing.B) {
	x := newWorld(b, false)
	x.recv(1, tlPing(1))
	var calls []wire.Message
	for range 250 {
		calls = append(calls, x.msg(1, x.method("help.getNearestDc")))
	}
	for i := range calls {
		var after []int64
		for k := range 4 {
			after = append(after, calls[(i+1+k)%len(calls)].ID)
		}
		calls[i].Body = append(tlLongs(wire.IDInvokeAfterMsgs, after...), calls[i].Body...)
	}
	x.step(x.data(1, x.container(1, calls...)))
	x.take()
	seq := 2 * x.seqs[1]
	b.ReportAllocs()
	for b.Loop() {
		x.now += 1000
		m := wire.Message{ID: idAt(x.now) + 4096, Seq: seq, Body: tlPing(1)}
		x.out.Reset()
		x.w.Step(x.now, x.now, x.data(1, m), &x.out)
	}
	if len(x.w.calls.list) != 250 {
		b.Fatal("they wait no more")
	}
}

// BenchmarkCall is a call, its answer and the client's acknowledgment.
func BenchmarkCall(b *testing.B) {
	x := newWorld(b, false, func(c *Config) { c.LoginRecheck = 24 * time.Hour })
	x.login(1)
	body := x.method("help.getNearestDc")
	m := x.schema.MethodByName("help.getNearestDc")[0]
	pb := x.pb(m, nearestDC("NL"))
	b.ReportAllocs()
	for b.Loop() {
		x.now += 1_000_000
		x.out.Reset()
		x.w.Step(x.now, x.now, x.data(1, x.msg(1, body)), &x.out)
		var ticket Ticket
		for _, c := range x.out.Calls {
			if _, ok := c.Request.(*InvokeMethod); ok {
				ticket = c.Ticket
			}
		}
		x.out.Reset()
		x.w.Step(x.now, x.now, &CallDone{Ticket: ticket, Result: &MethodResult{Method: m, PB: pb}}, &x.out)
		r := wire.NewReader(x.out.Sends[0].Payload[16:])
		x.out.Reset()
		x.w.Step(x.now, x.now, x.data(1, x.msg(1, tlAck(r.Long()))), &x.out)
	}
}

// BenchmarkStateRequest asks for as many messages as one may, which the window
// has forgotten, beside a full outbox and as many calls as may wait.
func BenchmarkStateRequest(b *testing.B) {
	x := newWorld(b, false)
	for i := range x.cfg.OutboxMessages - 10 + x.cfg.MaxQueued {
		x.recv(1, x.method("help.getNearestDc"))
		if i < x.cfg.OutboxMessages-10 {
			x.answer("help.getNearestDc", nearestDC("NL"))
		}
	}
	ids := make([]int64, wire.MaxIDs)
	for i := range ids {
		ids[i] = 4
	}
	body := tlLongs(wire.IDMsgsStateReq, ids...)
	for b.Loop() {
		x.now += 1_000_000
		x.out.Reset()
		x.w.Step(x.now, x.now, x.data(1, x.msg(1, body)), &x.out)
		if len(x.out.Sends) != 1 {
			b.Fatal("no answer")
		}
	}
}
