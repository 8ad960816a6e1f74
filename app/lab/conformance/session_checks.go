package conformance

import (
	"time"

	"github.com/gotd/td/mt"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

func isCreated(m wire.Message) bool { return m.Type() == mt.NewSessionCreatedTypeID }

// created awaits new_session_created.
func (s *session) created() (wire.Message, mt.NewSessionCreated) {
	m := s.await("new_session_created", isCreated)
	var n mt.NewSessionCreated
	s.p.must("new_session_created that decodes", decode(m.Body, &n))
	return m, n
}

// count counts messages of a constructor among those kept.
func (s *session) count(fits func(wire.Message) bool) (n int) {
	for _, m := range s.kept {
		if fits(m) {
			n++
		}
	}
	return n
}

var sessionChecks = []check{
	{rules: "SESS-5 SESS-6", title: "a new session", run: func(p *probe) {
		s := p.session()
		id := s.post(ping(1), false)
		m, n := s.created()
		p.check(n.FirstMsgID == id, "first_msg_id of the first message", "%x in place of %x", n.FirstMsgID, id)
		s.post(acknowledge(m.ID), false)
		s.Salt = n.ServerSalt
		for range 5 {
			s.fence()
		}
		s.result(s.call(nearestDC))
		p.check(s.count(isCreated) == 0, "new_session_created once", "it again")
	}},
	{rules: "SESS-1", title: "the server's numbers in two sessions of one key", run: func(p *probe) {
		for range 2 {
			s := p.session()
			m := s.resultMessage(s.call(nearestDC))
			n, _ := s.created()
			p.check(min(m.Seq, n.Seq) == 1 && max(m.Seq, n.Seq) == 3, "seqnos 1 and 3 in each", "%d and %d", n.Seq, m.Seq)
		}
	}},
	{rules: "SESS-7", title: "a message below the first one", run: func(p *probe) {
		s := p.session()
		low := s.IDAt(-2 * time.Second)
		s.fence()
		m, first := s.created()
		s.post(acknowledge(m.ID), false)
		s.send(wire.Plain{MsgID: low, Body: ping(2)})
		s.pong(low)
		s.fence()
		// The message was overtaken on its way and is answered all the same. A
		// server may say nothing: a second notification has clients repeat what
		// is already there, and some of them fetch a difference.
		if s.count(isCreated) > 0 {
			_, second := s.created()
			p.check(second.FirstMsgID == low, "first_msg_id of the lower message", "%x after %x", second.FirstMsgID, first.FirstMsgID)
		}
	}},
	{rules: "SESS-8 UPD-4", title: "new_session_created, not acknowledged, on a new connection", run: func(p *probe) {
		s := p.session()
		s.fence()
		m, n := s.created()
		again := s.returned("new_session_created", isCreated)
		var r mt.NewSessionCreated
		p.must("new_session_created that decodes", decode(again.Body, &r))
		p.check(again.ID == m.ID && again.Seq == m.Seq, "the same message id", "another one")
		p.check(r.UniqueID == n.UniqueID, "the same unique_id", "another one")
		other := p.session()
		other.fence()
		_, o := other.created()
		p.check(o.UniqueID != n.UniqueID, "a unique_id of its own", "that of another session")
	}},
	{rules: "SESS-10", title: "destroy_session of another session", run: func(p *probe) {
		s, victim := p.session(), p.session()
		victim.fence()
		m, before := victim.created()
		victim.post(acknowledge(m.ID), false)
		victim.fence()
		body := encode(&mt.DestroySessionRequest{SessionID: victim.ID})
		s.post(body, true)
		s.destroyed(mt.DestroySessionOkTypeID, victim.ID)
		victim.fence()
		_, after := victim.created()
		p.check(after.UniqueID != before.UniqueID, "a new unique_id after the end", "the old one")
	}},
	{rules: "SESS-10", title: "destroy_session of none", run: func(p *probe) {
		s := p.session()
		id := wire.RandomLong()
		s.post(encode(&mt.DestroySessionRequest{SessionID: id}), true)
		s.destroyed(mt.DestroySessionNoneTypeID, id)
	}},
	{rules: "SESS-10", title: "destroy_session of a foreign key's session", run: func(p *probe) {
		s, foreign := p.session(), p.sessionOf(p.newKey(0))
		foreign.fence()
		s.post(encode(&mt.DestroySessionRequest{SessionID: foreign.ID}), true)
		s.destroyed(mt.DestroySessionNoneTypeID, foreign.ID)
	}},
	{rules: "SESS-4", title: "a session on two connections", run: func(p *probe) {
		s := p.session()
		s.fence()
		twin := p.sessionOf(s.Key)
		twin.ID = s.ID
		twin.NextSeq(true) // the ids and numbers are the session's
		id := twin.call(nearestDC)
		fits := func(m wire.Message) bool { return m.Type() == mt.RPCResultTypeID && about(m, id) }
		if _, ok := twin.within(p.target.Patience, fits); ok {
			return
		}
		s.await("rpc_result on either connection", fits)
	}},
	{rules: "SESS-11 RPC-4", title: "a call whose connection ends at once", run: func(p *probe) {
		s := p.session()
		s.fence()
		id := s.call(config)
		s.returned("rpc_result", func(m wire.Message) bool { return m.Type() == mt.RPCResultTypeID && about(m, id) })
	}},
	{rules: "SESS-11 UPD-4", title: "a result that is not acknowledged", run: func(p *probe) {
		s := p.session()
		m := s.resultMessage(s.call(nearestDC))
		again := s.returned("the result", func(a wire.Message) bool { return a.Type() == mt.RPCResultTypeID && a.Long(0) == m.Long(0) })
		p.check(again.ID == m.ID, "the same message id", "another one")
	}},
	{rules: "ACK-7", title: "a result that was acknowledged", slow: true, run: func(p *probe) {
		s := p.session()
		m := s.resultMessage(s.call(nearestDC))
		s.post(acknowledge(m.ID), false)
		s.fence()
		again := func(a wire.Message) bool { return a.ID == m.ID }
		for range 2 {
			_ = s.Conn.Close()
			p.wait(silence / 2)
			s.Conn = p.dial()
			s.fence()
			if _, ok := s.within(silence, again); ok {
				p.fail("nothing more", "the result again")
			}
		}
	}},
	{rules: "ACK-8", title: "a result that is not acknowledged, on a live connection", slow: true, run: func(p *probe) {
		s := p.session()
		m := s.resultMessage(s.call(nearestDC))
		again := func(a wire.Message) bool { return a.ID == m.ID }
		if _, ok := s.within(5*time.Second, again); ok {
			p.fail("nothing within 5 s", "the result again")
		}
	}},
}

// destroyed awaits the answer of destroy_session, bare.
func (s *session) destroyed(constructor uint32, id int64) {
	m := s.await(name(constructor), func(m wire.Message) bool {
		switch m.Type() {
		case mt.DestroySessionOkTypeID, mt.DestroySessionNoneTypeID:
			return m.Long(0) == id
		}
		return m.Type() == mt.RPCResultTypeID
	})
	s.p.check(m.Type() == constructor, name(constructor), "%s", describe(m))
}
