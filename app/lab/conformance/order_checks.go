package conformance

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// closed awaits the connection's end and returns how long it took.
func (s *session) closed(limit time.Duration) (time.Duration, bool) {
	begin := time.Now()
	for {
		_, err := s.Next(begin.Add(limit))
		switch {
		case errors.Is(err, wire.ErrTimeout):
			return limit, false
		case err != nil:
			return time.Since(begin), true
		}
	}
}

func delayedPing(seconds int) []byte {
	return encode(&mt.PingDelayDisconnectRequest{PingID: 8, DisconnectDelay: seconds})
}

// pingGrace is how much longer than ping_delay_disconnect asks a gateway may keep
// a connection: clients exist that ask for less than they ping by.
const pingGrace = 75 * time.Second

var pingChecks = []check{
	{rules: "PING-1", title: "a ping", run: func(p *probe) {
		s := p.session()
		id := s.post(ping(1<<40+7), false)
		m := s.pong(id)
		p.check(m.Long(1) == 1<<40+7 && m.Seq&1 == 0, "its ping_id and an even seqno", "%d and %d", m.Long(1), m.Seq)
	}},
	{rules: "PING-2", title: "ping_delay_disconnect of two seconds", slow: true, run: func(p *probe) {
		s := p.session()
		s.pong(s.post(delayedPing(2), false))
		took, ok := s.closed(2*time.Second + pingGrace + p.target.Patience)
		p.check(ok, "the connection's end after 2 s, or 75 s later", "none within %s", took)
		p.check(took > time.Second, "the connection's end after 2 s", "it after %s", took)
	}},
	{rules: "PING-2", title: "ping_delay_disconnect, put off by another", slow: true, run: func(p *probe) {
		s := p.session()
		s.pong(s.post(delayedPing(6), false))
		s.pong(s.post(delayedPing(60), false))
		if took, ok := s.closed(8 * time.Second); ok {
			p.fail("an open connection", "its end after %s", took)
		}
	}},
	{rules: "PING-3", title: "ping_delay_disconnect of zero, and of less", run: func(p *probe) {
		for _, delay := range []int{0, -1, math.MinInt32} {
			s := p.session()
			id := s.post(delayedPing(delay), false)
			m := s.pong(id)
			p.check(m.Long(1) == 8 && m.Seq&1 == 0, "its ping_id and an even seqno", "%d and %d", m.Long(1), m.Seq)
		}
	}},
}

// after wraps a call.
func after(id int64, query bin.Object) *tg.InvokeAfterMsgRequest {
	return &tg.InvokeAfterMsgRequest{MsgID: id, Query: query}
}

// waitFailed awaits one of the errors of invokeAfterMsg.
func (s *session) waitFailed(id int64, texts ...string) {
	e := s.refusal(id, texts[0])
	s.p.check(slices.Contains(texts, e.ErrorMessage), texts[0], "%d %s", e.ErrorCode, e.ErrorMessage)
	s.p.check(slices.Contains([]int{400, 500, -503}, e.ErrorCode), "code 400, 500 or -503", "%d", e.ErrorCode)
}

const (
	waitFailed  = "MSG_WAIT_FAILED"
	waitTimeout = "MSG_WAIT_TIMEOUT"
)

var orderChecks = []check{
	{rules: "AFTER-1", title: "calls after one and after two others", run: func(p *probe) {
		s := p.session()
		a := s.member(encode(config), true)
		b := s.member(encode(after(a.ID, nearestDC)), true)
		c := s.member(encode(&tg.InvokeAfterMsgsRequest{MsgIDs: []int64{a.ID, b.ID}, Query: nearestDC}), true)
		s.pack(c, b, a) // the order in the packet says nothing
		var order []int64
		for range 3 {
			m := s.await("three results", func(m wire.Message) bool { return m.Type() == mt.RPCResultTypeID })
			_, wrong := asError(m.Body[12:])
			p.check(!wrong, "three results", "%s", describe(m))
			order = append(order, m.Long(0))
		}
		p.check(slices.Equal(order, []int64{a.ID, b.ID, c.ID}), "results in the calls' order", "another order")
	}},
	{rules: "AFTER-2 AFTER-4", title: "a call after one that failed, and one after that", run: func(p *probe) {
		s := p.session()
		a := s.member(encode(personal), true)
		b := s.member(encode(after(a.ID, nearestDC)), true)
		c := s.member(encode(after(b.ID, nearestDC)), true)
		s.pack(a, b, c)
		s.refused(a.ID, 401, "AUTH_KEY_UNREGISTERED")
		s.waitFailed(b.ID, waitFailed)
		s.waitFailed(c.ID, waitFailed)
	}},
	{rules: "AFTER-2", title: "a call after one that failed before", run: func(p *probe) {
		s := p.session()
		id := s.call(personal)
		s.refused(id, 401, "AUTH_KEY_UNREGISTERED")
		s.waitFailed(s.call(after(id, nearestDC)), waitFailed)
	}},
	{rules: "AFTER-1", title: "a call after one that was answered", run: func(p *probe) {
		s := p.session()
		id := s.call(nearestDC)
		s.result(id)
		s.result(s.call(after(id, nearestDC)))
	}},
	{rules: "AFTER-5 AFTER-4", title: "a call after one that never comes", run: func(p *probe) {
		s := p.session()
		s.waitFailed(s.call(after(s.NextID(), nearestDC)), waitTimeout, waitFailed)
	}},
	{rules: "AFTER-6", title: "both orders of wrappers", run: func(p *probe) {
		s := p.session()
		id := s.call(nearestDC)
		s.result(id)
		s.result(s.call(after(id, initialised(nearestDC))))
		s.result(s.call(initialised(after(id, nearestDC))))
	}},
}

var initChecks = []check{
	{rules: "INIT-1 INIT-5", title: "invokeWithLayer and initConnection, thrice", run: func(p *probe) {
		s := p.session()
		for range 3 {
			s.result(s.call(initialised(nearestDC)))
		}
	}},
	{rules: "INIT-2", title: "initConnection with params and a proxy", run: func(p *probe) {
		q := initConnection(nearestDC)
		q.SetParams(&tg.JSONObject{Value: []tg.JSONObjectValue{{Key: "tz_offset", Value: &tg.JSONNumber{Value: 3600}}}})
		q.SetProxy(tg.InputClientProxy{Address: "127.0.0.1", Port: 443})
		s := p.session()
		s.result(s.call(&tg.InvokeWithLayerRequest{Layer: tg.Layer, Query: q}))
	}},
	{rules: "INIT-1", title: "older layers and one to come", run: func(p *probe) {
		for _, layer := range []int{158, 200, tg.Layer + 5} {
			s := p.sessionOf(p.newKey(0))
			s.result(s.call(&tg.InvokeWithLayerRequest{Layer: layer, Query: initConnection(nearestDC)}))
		}
	}},
	{rules: "INIT-3", title: "calls without a wrapper in new sessions", run: func(p *probe) {
		for range 2 {
			s := p.session()
			s.result(s.call(nearestDC))
		}
	}},
	{rules: "INIT-4", title: "invokeWithLayer of layer 0", run: func(p *probe) {
		s := p.sessionOf(p.newKey(0))
		e := s.refusal(s.call(&tg.InvokeWithLayerRequest{Query: initConnection(nearestDC)}), "rpc_error 400 CONNECTION_LAYER_INVALID")
		p.check(e.ErrorCode == 400, "rpc_error 400 CONNECTION_LAYER_INVALID", "%d %s", e.ErrorCode, e.ErrorMessage)
	}},
	// A server that needs to know nothing of the client may serve the call.
	{rules: "INIT-4", title: "a call before initConnection", run: func(p *probe) {
		s := p.sessionOf(p.newKey(0))
		e, refused := asError(s.outcome(s.call(nearestDC)))
		p.check(!refused || e.ErrorCode == 400 && e.ErrorMessage == "CONNECTION_NOT_INITED",
			"a result or rpc_error 400 CONNECTION_NOT_INITED", "rpc_error %d %s", e.ErrorCode, e.ErrorMessage)
	}},
	{rules: "INIT-7", title: "invokeWithoutUpdates", run: func(p *probe) {
		s := p.session()
		s.result(s.call(&tg.InvokeWithoutUpdatesRequest{Query: nearestDC}))
	}},
}
