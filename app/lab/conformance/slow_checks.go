package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// defaultSlow is how long a call has to take to tell anything: well beyond the
// half second that invokeAfterMsg waits, and beyond what an acknowledgement
// may be held back for company.
const defaultSlow = 2 * time.Second

// emptyCall encodes a call of a method whose arguments are left empty.
func emptyCall(method string) ([]byte, error) {
	id, ok := tg.NamesMap()[method]
	if !ok {
		return nil, fmt.Errorf("layer %d has no method %q", tg.Layer, method)
	}
	var b bin.Buffer
	if err := tg.TypesConstructorMap()[id]().Encode(&b); err != nil {
		return nil, fmt.Errorf("%s needs arguments", method)
	}
	return b.Buf, nil
}

// slowCall is a call of the slow method under way.
type slowCall struct {
	id    int64
	begin time.Time
}

// slowly opens a session, of a user where there is one, and makes the slow call
// with it.
func (p *probe) slowly() (*session, slowCall) {
	s := p.readyForSlow()
	return s, s.callSlowly()
}

func (p *probe) readyForSlow() *session {
	if p.target.slow == nil {
		p.skip("needs --slow-method")
	}
	key := p.perm()
	if p.target.Phone != "" {
		key = p.user() // the method may need a login
	}
	s := p.sessionOf(key)
	s.fence()
	return s
}

func (s *session) callSlowly() slowCall {
	begin := time.Now()
	return slowCall{s.post(s.p.target.slow, true), begin}
}

// over awaits the end of the slow call, whatever its outcome, and returns what
// it was and all that came before. A call that was quick tells nothing.
func (s *session) over(c slowCall) (end wire.Message, before []wire.Message) {
	end = s.resultMessage(c.id)
	s.p.slowEnough(c, end)
	return end, s.kept
}

func (p *probe) slowEnough(c slowCall, end wire.Message) {
	if took := time.Since(c.begin); took < p.target.slowFrom {
		p.skip(fmt.Sprintf("%s is not slow: %s in less than %s", p.target.SlowMethod, describe(end), p.target.slowFrom))
	}
}

// had finds a message about a call among those that came before the slow
// call's end.
func (p *probe) had(before []wire.Message, constructor uint32, id int64) wire.Message {
	i := slices.IndexFunc(before, func(m wire.Message) bool { return m.Type() == constructor && about(m, id) })
	p.check(i >= 0, name(constructor)+" before the slow call's result", "none")
	return before[i]
}

var slowChecks = []check{
	{rules: "ACK-4", title: "a slow call", slow: true, run: func(p *probe) {
		s, c := p.slowly()
		_, before := s.over(c)
		p.had(before, mt.MsgsAckTypeID, c.id)
	}},
	{rules: "RPC-3", title: "quick calls beside and behind a slow one", slow: true, run: func(p *probe) {
		s := p.readyForSlow()
		call, beside := s.member(p.target.slow, true), s.member(encode(nearestDC), true)
		c := slowCall{call.ID, time.Now()}
		s.pack(call, beside)
		behind := s.call(nearestDC)
		_, before := s.over(c)
		for _, id := range []int64{beside.ID, behind} {
			m := p.had(before, mt.RPCResultTypeID, id)
			_, wrong := asError(m.Body[12:])
			p.check(!wrong, "the result of a quick call", "%s", describe(m))
		}
	}},
	{rules: "RPC-4", title: "a slow call whose connection ends", slow: true, run: func(p *probe) {
		s, c := p.slowly()
		s.fence()
		end := s.returned("rpc_result", func(m wire.Message) bool { return m.Type() == mt.RPCResultTypeID && about(m, c.id) })
		p.slowEnough(c, end)
	}},
	{rules: "RPC-6 RPC-8", title: "rpc_drop_answer of a slow call", slow: true, run: func(p *probe) {
		s, c := p.slowly()
		s.dropped(c.id, s.post(drop(c.id), true))
	}},
	{rules: "STATE-3 STATE-4", title: "the state of a slow call", slow: true, run: func(p *probe) {
		s, c := p.slowly()
		got := s.state(c.id)[0]
		s.over(c)
		p.check(got&7 == 4 && got&64 == 0, "4 without 64", "%d", got)
	}},
	{rules: "AFTER-3", title: "a call after a slow one, and again when that is over", slow: true, run: func(p *probe) {
		s, c := p.slowly()
		id := s.call(after(c.id, nearestDC))
		end, before := s.over(c)
		m := p.had(before, mt.RPCResultTypeID, id)
		e, refused := asError(m.Body[12:])
		// Both codes are documented.
		p.check(refused && e.ErrorMessage == waitTimeout && (e.ErrorCode == 400 || e.ErrorCode == -503), "rpc_error 400 "+waitTimeout, "%s", describe(m))
		if _, failed := asError(end.Body[12:]); !failed {
			s.result(s.call(after(c.id, nearestDC)))
		}
	}},
	{rules: "AFTER-3", title: "a message after a slow call, which may never be sent", slow: true, run: func(p *probe) {
		s := p.readyForSlow()
		if p.target.Phone == "" {
			p.skip("needs --phone and --code")
		}
		c := s.callSlowly()
		late, control := s.newMessage(), s.newMessage()
		id := s.call(after(c.id, late))
		s.over(c)
		s.waitFailed(id, waitTimeout)
		s.result(s.call(control))
		all := s.result(s.call(selfHistory))
		p.check(bytes.Contains(all, []byte(control.Message)), "the messages sent", "others")
		p.check(!bytes.Contains(all, []byte(late.Message)), "no message after "+waitTimeout, "it among those sent")
	}},
}
