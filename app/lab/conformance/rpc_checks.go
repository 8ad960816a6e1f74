package conformance

import (
	"regexp"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

var errorText = regexp.MustCompile(`^[A-Z_0-9]+$`)

func drop(id int64) []byte { return encode(&mt.RPCDropAnswerRequest{ReqMsgID: id}) }

// dropped awaits the answers of a request that is dropped while it runs.
func (s *session) dropped(request, cancel int64) {
	got := wire.Message{Body: s.result(cancel)}
	if got.Type() != mt.RPCAnswerDroppedRunningTypeID {
		s.p.check(got.Type() == mt.RPCAnswerDroppedTypeID || got.Type() == mt.RPCAnswerUnknownTypeID, "an rpc_answer of some kind", "%s", describe(got))
		s.p.skip("the request was over already")
	}
	original := wire.Message{Body: s.result(request)}
	s.p.check(original.Type() == mt.RPCAnswerDroppedRunningTypeID, "the same for the request", "%s", describe(original))
}

var rpcChecks = []check{
	{rules: "RPC-1", title: "one result of a call", run: func(p *probe) {
		s := p.session()
		id := s.call(nearestDC)
		s.result(id)
		s.fence()
		p.check(s.count(func(m wire.Message) bool { return m.Type() == mt.RPCResultTypeID && about(m, id) }) == 0, "one rpc_result", "another one")
	}},
	{rules: "RPC-2 ERR-1 UPD-9", title: "a call that needs a login", run: func(p *probe) {
		s := p.session()
		e := s.refusal(s.call(personal), "rpc_error 401 AUTH_KEY_UNREGISTERED")
		p.check(e.ErrorCode == 401 && e.ErrorMessage == "AUTH_KEY_UNREGISTERED", "401 AUTH_KEY_UNREGISTERED", "%d %s", e.ErrorCode, e.ErrorMessage)
		p.check(errorText.MatchString(e.ErrorMessage), "a text of A to Z", "%q", e.ErrorMessage)
	}},
	{rules: "RPC-5 RPC-8", title: "rpc_drop_answer of no request", run: func(p *probe) {
		s := p.session()
		body := s.result(s.post(drop(s.IDAt(0)), true))
		got := wire.Message{Body: body}
		p.check(got.Type() == mt.RPCAnswerUnknownTypeID, "rpc_answer_unknown", "%s", describe(got))
	}},
	{rules: "RPC-6 RPC-8", title: "rpc_drop_answer beside its request", run: func(p *probe) {
		s := p.session()
		s.fence()
		call := s.member(encode(config), true)
		cancel := s.member(drop(call.ID), true)
		s.pack(call, cancel)
		s.dropped(call.ID, cancel.ID)
	}},
	{rules: "RPC-7", title: "rpc_drop_answer of an answer not yet acknowledged", run: func(p *probe) {
		s := p.session()
		id := s.call(nearestDC)
		m := s.resultMessage(id)
		got := wire.Message{Body: s.result(s.post(drop(id), true))}
		switch got.Type() {
		case mt.RPCAnswerUnknownTypeID:
			p.skip("answers do not wait long enough to be dropped")
		case mt.RPCAnswerDroppedTypeID:
			p.check(got.Long(0) == m.ID, "the id of the answer", "%x in place of %x", got.Long(0), m.ID)
		default:
			p.fail("rpc_answer_dropped", "%s", describe(got))
		}
	}},
	{rules: "ERR-9", title: "an unknown method", run: func(p *probe) {
		s := p.session()
		s.refused(s.post(nonsense, true), 400, "INPUT_METHOD_INVALID")
	}},
	{rules: "ERR-9", title: "an unknown method in invokeWithLayer", run: func(p *probe) {
		s := p.session()
		var b bin.Buffer
		b.PutID(tg.InvokeWithLayerRequestTypeID)
		b.PutInt(tg.Layer)
		b.Put(nonsense)
		s.refused(s.post(b.Buf, true), 400, "INPUT_METHOD_INVALID")
	}},
	{rules: "ERR-10", title: "a call cut short", run: func(p *probe) {
		s := p.session()
		body := encode(&tg.AuthSendCodeRequest{PhoneNumber: "99966"})
		s.refused(s.post(body[:8], true), 400, "INPUT_")
	}},
	{rules: "ERR-10", title: "an unknown constructor in an argument", run: func(p *probe) {
		s := p.session()
		var b bin.Buffer // of a method that needs no login: it has to be read
		b.PutID(tg.AuthSendCodeRequestTypeID)
		b.PutString("15550000")
		b.PutInt(1)
		b.PutString("hash")
		b.Put(nonsense)
		s.refused(s.post(b.Buf, true), 400, "INPUT_")
	}},
	{rules: "ERR-10", title: "a vector longer than its message", run: func(p *probe) {
		s := p.session()
		var b bin.Buffer
		b.PutID(tg.AuthExportLoginTokenRequestTypeID)
		b.PutInt(1)
		b.PutString("hash")
		b.PutVectorHeader(1 << 30)
		s.refused(s.post(b.Buf, true), 400, "INPUT_")
	}},
	{rules: "ERR-10", title: "a thousand wrappers", run: func(p *probe) {
		s := p.session()
		var b bin.Buffer
		for range 1000 {
			b.PutID(tg.InvokeWithoutUpdatesRequestTypeID)
		}
		b.Put(encode(nearestDC))
		e := s.refusal(s.post(b.Buf, true), "rpc_error 400")
		p.check(e.ErrorCode == 400, "rpc_error 400", "%d %s", e.ErrorCode, e.ErrorMessage)
	}},
}

// state asks for the state of ids and returns the bytes.
func (s *session) state(ids ...int64) []byte {
	id := s.post(encode(&mt.MsgsStateReq{MsgIDs: ids}), false)
	m := s.answerTo(id, "msgs_state_info", mt.MsgsStateInfoTypeID)
	var info mt.MsgsStateInfo
	s.p.must("msgs_state_info that decodes", decode(m.Body, &info))
	s.p.check(m.Seq&1 == 0, "an even seqno", "%d", m.Seq)
	s.p.check(len(info.Info) == len(ids), "a byte an id", "%d bytes for %d ids", len(info.Info), len(ids))
	return info.Info
}

var stateChecks = []check{
	{rules: "STATE-1 STATE-2 STATE-3 STATE-5", title: "ids below, between, among and above those received", run: func(p *probe) {
		s := p.session()
		first := s.post(ping(1), false)
		s.pong(first)
		second := s.post(ping(2), false)
		s.pong(second)
		got := s.state(s.IDAt(-250*time.Second), first, first+4, second, s.IDAt(10*time.Second))
		for i, want := range []byte{1, 4, 2, 4, 3} {
			p.check(got[i]&7 == want, "states 1 4 2 4 3", "%v", got)
		}
	}},
	{rules: "STATE-3 STATE-4", title: "the state of an answered call", run: func(p *probe) {
		s := p.session()
		id := s.call(nearestDC)
		s.result(id)
		got := s.state(id)[0]
		p.check(got&7 == 4, "4", "%d", got)
	}},
	{rules: "STATE-4", title: "the state of a message that needs no acknowledgement", run: func(p *probe) {
		s := p.session()
		id := s.post(acknowledge(wire.RandomLong()|1), false)
		got := s.state(id)[0]
		p.check(got&7 == 4 && got&16 != 0, "4 + 16", "%d", got)
	}},
	{rules: "STATE-1", title: "the states of 8193 messages, which are too many", run: func(p *probe) {
		s := p.session()
		s.fence()
		s.post(encode(&mt.MsgsStateReq{MsgIDs: make([]int64, mostIDs+1)}), false)
		s.shut(true, flood)
	}},
	{rules: "STATE-7", title: "msgs_all_info, of equal lengths and not", run: func(p *probe) {
		s := p.session()
		m := s.resultMessage(s.call(nearestDC))
		s.post(encode(&mt.MsgsAllInfo{MsgIDs: []int64{m.ID, m.ID + 4}, Info: []byte{4, 1}}), false)
		s.post(encode(&mt.MsgsAllInfo{MsgIDs: []int64{m.ID}, Info: []byte{4, 4, 4}}), false)
		s.fence()
		s.result(s.call(nearestDC))
	}},
	{rules: "STATE-10", title: "msg_resend_req of a result", run: func(p *probe) {
		s := p.session()
		m := s.resultMessage(s.call(nearestDC))
		s.post(encode(&mt.MsgResendReq{MsgIDs: []int64{m.ID}}), false)
		s.await("the result again", func(a wire.Message) bool { return a.ID == m.ID && a.Seq == m.Seq })
	}},
	{rules: "STATE-11", title: "msg_resend_req of ids that the server never sent", run: func(p *probe) {
		s := p.session()
		id := s.post(encode(&mt.MsgResendReq{MsgIDs: []int64{s.IDAt(0) | 1, s.IDAt(0) &^ 3}}), false)
		m := s.answerTo(id, "msgs_state_info", mt.MsgsStateInfoTypeID)
		var info mt.MsgsStateInfo
		p.must("msgs_state_info that decodes", decode(m.Body, &info))
		p.check(len(info.Info) == 2, "two bytes", "%d", len(info.Info))
	}},
}
