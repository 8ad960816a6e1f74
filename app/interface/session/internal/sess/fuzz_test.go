package sess

import (
	"testing"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// FuzzStep feeds a wrapper what a hostile client, a confused gateway and slow
// peers might. A script is a series of steps: an operation, a length, and as
// many bytes. Whatever happens: no panic, no wake-up without end, no slot
// answered twice, and no session list beyond its limits.
func FuzzStep(f *testing.F) {
	op := func(code byte, body []byte) []byte {
		return append([]byte{code, byte(len(body)), byte(len(body) >> 8)}, body...)
	}
	x := newWorld(f, false)
	script := func(parts ...[]byte) (out []byte) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	f.Add(script(op(0, tlPing(1)), op(9, nil), op(7, nil)), false)
	f.Add(script(op(0, tlLayer(223, tlInit(x.method("updates.getState")))), op(5, updatesState()), op(6, x.updates(1))), false)
	f.Add(script(op(0, tlBind(permKey)), op(4, nil), op(9, nil)), true)
	f.Add(script(op(1, append(wire.AppendMessageHeader(nil, 0, 1, 12), tlPing(1)...)), op(2, nil), op(3, nil)), false)
	f.Add(script(op(0, x.method("auth.signIn", int32(1), "1", "2", "3")), op(5, nil), op(8, nil), op(10, nil)), false)
	for _, id := range []uint32{
		wire.IDMsgCopy, wire.IDMsgsAllInfo, wire.IDMsgResendReq, wire.IDHTTPWait, wire.IDRPCDropAnswer, wire.IDGzipPacked,
		wire.IDDestroyAuthKey, wire.IDDestroySession, wire.IDMsgsStateReq, wire.IDInvokeWithTakeout, wire.IDDropTempAuthKeys,
	} {
		f.Add(op(11, append(tlID(id), make([]byte, 16)...)), false)
	}
	f.Fuzz(func(t *testing.T, script []byte, unbound bool) {
		x := newWorld(t, unbound, func(c *Config) {
			c.MaxSessions, c.Window, c.OutboxMessages, c.MaxQueued, c.MaxInFlight = 4, 16, 8, 8, 2
		})
		slots := map[Slot]int{}
		slot := Slot(0)
		for len(script) >= 3 && slot < 500 {
			code, n := script[0], int(script[1])|int(script[2])<<8
			body := script[3:]
			body = body[:min(n, len(body))]
			script = script[3+len(body):]
			slot++
			fuzzStep(x, code, body, slot)
			for _, r := range x.replies {
				if slots[r.Slot]++; slots[r.Slot] > 1 {
					t.Fatal("a slot was answered twice")
				}
			}
			x.replies = nil
			for _, s := range x.sends {
				if s.Len() > x.cfg.PayloadBytes {
					t.Fatal("a packet beyond the limit")
				}
				parsePacket(t, s)
			}
			x.sends = nil
			check(t, x)
		}
		x.step(&Tick{})
		x.advance(time.Hour)
		if len(x.open) == 0 && (!x.out.Done || x.out.WakeAt != 0) {
			t.Fatal("something stays for ever")
		}
	})
}

func fuzzStep(x *world, code byte, body []byte, slot Slot) {
	sid := int64(code>>4)%6 + 1
	m := x.msg(sid, body)
	oldest := func() Ticket {
		for _, t := range x.order {
			if x.open[t] != nil {
				return t
			}
		}
		return 0
	}
	switch code & 15 {
	case 0: // a message
		x.step(x.data(sid, m))
	case 1: // a container of whatever
		m.Body = append(wire.AppendContainer(nil, 1), body...)
		x.step(x.data(sid, m))
	case 2: // the same message again, through another gateway
		d := x.data(sid, m)
		x.step(d)
		again := *d
		again.ServerID, again.NewConn = "gw2", true
		x.step(&again)
	case 3: // raw bytes
		d := x.data(sid, m)
		d.Payload = body
		x.step(d)
	case 4: // a peer says yes
		if t := oldest(); t != 0 {
			x.finish(t, nil, nil)
		}
	case 5: // a BFF answers with anything
		for t, c := range x.open {
			if r, ok := c.Request.(*InvokeMethod); ok && len(x.open) == 1 {
				x.finish(t, &MethodResult{Method: r.Method, PB: body}, nil)
				break
			}
		}
	case 6:
		x.step(&PushUpdates{Updates: body, Notification: len(body)&1 == 0})
	case 7:
		x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: sid})
	case 8: // a peer says no
		if t := oldest(); t != 0 {
			x.finish(t, nil, &RPCError{Code: 401, Message: "SESSION_PASSWORD_NEEDED_77"})
		}
	case 9:
		x.advance(time.Duration(len(body)+1) * time.Second)
	case 10:
		x.step(&PushRPCResult{SessionID: sid, ReqMsgID: m.ID, RPCResult: body})
	case 11: // over HTTP
		d := x.data(sid, m)
		d.ServerID, d.HTTP, d.HTTPUntil = "", slot, x.now+int64(5*time.Second)
		x.step(d)
	case 12: // another transport key
		d := x.data(sid, m)
		d.AuthKeyID, d.KeyType = mediaKey+int64(len(body)&1), KeyType(len(body)%4)
		x.step(d)
	case 13:
		x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: sid, Updates: body})
	case 14: // a wrong seqno and time
		m.Seq += int32(len(body))
		m.ID += int64(len(body)-30) << 34
		x.step(x.data(sid, m))
	case 15:
		switch len(body) % 4 {
		case 0:
			x.step(&Revoked{})
		case 1:
			x.step(&SendFailed{ServerID: "gw1", AuthKeyID: permKey, SessionID: sid})
		case 2:
			x.step(&HTTPGone{Slot: slot - 1})
		case 3:
			x.step(&Drain{})
		}
	}
}

// check holds the wrapper against its limits.
func check(t testing.TB, x *world) {
	t.Helper()
	w, sessions, running := x.w, 0, int32(0)
	for s := range w.sessions() {
		sessions++
		bytes := 0
		for _, list := range [][]outMsg{s.queue, s.sent} {
			for i := range list {
				bytes += len(list[i].body)
			}
		}
		if bytes != s.bytes {
			t.Fatalf("outbox of %d bytes counts %d", bytes, s.bytes)
		}
		if len(s.window.ids) > windowSpan*x.cfg.Window+x.cfg.Window/8+1024 {
			t.Fatalf("window of %d", len(s.window.ids))
		}
		if s.list == nil {
			t.Fatal("a dropped session in a list")
		}
	}
	if sessions > x.cfg.MaxSessions {
		t.Fatalf("%d sessions", sessions)
	}
	for _, c := range w.calls.list {
		if c.phase == phaseMarking || c.phase == phaseRunning || c.phase == phaseClearing {
			running++
		}
	}
	if running != w.calls.running || int(running) > x.cfg.MaxInFlight {
		t.Fatalf("%d calls run, %d are counted", running, w.calls.running)
	}
	if len(w.calls.list) > x.cfg.MaxQueued+x.cfg.MaxInFlight {
		t.Fatalf("%d calls", len(w.calls.list))
	}
}
