package conformance

import (
	"bytes"
	"time"

	"github.com/gotd/td/mt"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// badID is a check that a ping with a wrong id is refused with a code, and
// that the notification is as it should be.
func badID(rules, title string, id func(*session) int64, codes ...int) check {
	return check{rules: rules + " BAD-1 BAD-2 BAD-3", title: title, run: func(p *probe) {
		s := p.session()
		s.fence()
		wrong := id(s)
		s.send(wire.Plain{MsgID: wrong, Seq: s.NextSeq(false), Body: ping(7)})
		m := s.bad(wrong, codes...)
		p.check(m.Seq&1 == 0, "an even seqno", "%d", m.Seq)
		off := s.Now().Sub(time.Unix(m.ID>>32, 0)).Abs()
		p.check(off < 30*time.Second, "an id that tells the time", "%s off", off)
		s.unanswered(wrong)
	}}
}

var idChecks = []check{
	badID("BAD-18 MSGID-1", "an id with low bits 01", func(s *session) int64 { return s.NextID() | 1 }, 18),
	badID("BAD-18 MSGID-1", "an id with low bits 10", func(s *session) int64 { return s.NextID() | 2 }, 18),
	badID("BAD-17 MSGID-3", "an id a minute ahead", func(s *session) int64 { return s.IDAt(time.Minute) }, 17),
	badID("BAD-20 MSGID-5", "an id of 400 s ago in a session under way", func(s *session) int64 { return s.IDAt(-400 * time.Second) }, 16, 20),
	{rules: "BAD-16 MSGID-3", title: "an id of 400 s ago in a new session", run: func(p *probe) {
		s := p.session()
		id := s.IDAt(-400 * time.Second)
		s.send(wire.Plain{MsgID: id, Body: ping(7)})
		s.bad(id, 16)
		s.unanswered(id)
	}},
	{rules: "MSGID-3 MSGID-7", title: "an id of 200 s ago", run: func(p *probe) {
		s := p.session()
		id := s.IDAt(-200 * time.Second)
		s.fence()
		s.send(wire.Plain{MsgID: id, Body: ping(7)})
		s.pong(id)
	}},
	{rules: "MSGID-3", title: "an id 20 s ahead", run: func(p *probe) {
		s := p.session()
		id := s.IDAt(20 * time.Second)
		s.send(wire.Plain{MsgID: id, Body: ping(7)})
		s.pong(id)
	}},
	{rules: "MSGID-4", title: "a member of 200 s ago in a fresh container", run: func(p *probe) {
		s := p.session()
		s.fence()
		old := wire.Member{ID: s.IDAt(-200 * time.Second), Body: ping(7)}
		s.pack(old)
		s.pong(old.ID)
	}},
	{rules: "MSGID-2", title: "ids of answers and of notices", run: func(p *probe) {
		s := p.session()
		id := s.call(nearestDC)
		m := s.resultMessage(id)
		p.check(m.ID&3 == 1, "rpc_result with id mod 4 = 1", "%d", m.ID&3)
		n, _ := s.created()
		p.check(n.ID&3 == 3 || n.ID&3 == 1, "new_session_created with an odd id", "%d", n.ID&3)
		again := s.pong(s.post(ping(1), false))
		p.check(again.ID > m.ID, "growing ids", "%x after %x", again.ID, m.ID)
	}},
	{rules: "MSGID-6 MSGID-5", title: "a ping with a known id", run: func(p *probe) {
		s := p.session()
		id := s.post(ping(7), false)
		s.pong(id)
		s.send(wire.Plain{MsgID: id, Seq: 0, Body: ping(7)})
		if m, ok := s.within(p.target.Patience, func(m wire.Message) bool { return about(m, id) }); !ok {
			p.fail("an acknowledgement or the pong again", "nothing")
		} else if m.Type() != mt.PongTypeID && m.Type() != mt.MsgsAckTypeID {
			p.fail("an acknowledgement or the pong again", "%s", describe(m))
		}
	}},
	{rules: "MSGID-6 STATE-8", title: "a call with a known id", run: func(p *probe) {
		s := p.session()
		s.fence()
		id, seq, body := s.NextID(), s.NextSeq(true), encode(config)
		s.send(wire.Plain{MsgID: id, Seq: seq, Body: body})
		first := s.resultMessage(id)
		s.send(wire.Plain{MsgID: id, Seq: seq, Body: body})
		again := s.await("the result again", func(m wire.Message) bool {
			return m.Type() == mt.MsgDetailedInfoTypeID && m.Long(0) == id || m.Type() == mt.RPCResultTypeID && about(m, id) ||
				m.Type() == mt.BadMsgNotificationTypeID && about(m, id)
		})
		switch again.Type() {
		case mt.MsgDetailedInfoTypeID:
			p.check(again.Long(1) == first.ID, "the id of the answer", "another one")
		case mt.RPCResultTypeID:
			p.check(again.ID == first.ID && bytes.Equal(again.Body, first.Body), "the very same answer", "another one: the call ran twice")
		default:
			p.fail("the result again", "%s", describe(again))
		}
	}},
}

// oddTaken is a check that a message is taken though its seqno is odd and needs
// not be. A client that counts all its service messages begins a new session
// whenever one is refused, without end.
func oddTaken(title string, message func(*session) wire.Member) check {
	return check{rules: "SEQ-3", title: title, run: func(p *probe) {
		s := p.session()
		s.fence()
		m := message(s)
		s.send(wire.Plain{MsgID: m.ID, Seq: m.Seq, Body: m.Body})
		for _, answer := range s.fence() {
			p.check(answer.Type() != mt.BadMsgNotificationTypeID, "no refusal", "%s", describe(answer))
		}
	}}
}

var seqChecks = []check{
	oddTaken("an odd msgs_ack", func(s *session) wire.Member {
		return wire.Member{ID: s.NextID(), Seq: s.NextSeq(true), Body: acknowledge(1)}
	}),
	oddTaken("an odd container", func(s *session) wire.Member {
		inside := wire.Member{ID: s.NextID(), Seq: s.NextSeq(false), Body: ping(7)}
		return wire.Member{ID: s.NextID(), Seq: s.NextSeq(true), Body: wire.Container(inside)}
	}),
	{rules: "SEQ-2 BAD-35", title: "an even API call", run: func(p *probe) {
		s := p.session()
		id := s.NextID()
		s.send(wire.Plain{MsgID: id, Body: encode(nearestDC)})
		s.bad(id, 35)
	}},
	{rules: "SEQ-4", title: "pings with odd and with even seqnos", run: func(p *probe) {
		s := p.session()
		s.pong(s.post(ping(1), true))
		s.pong(s.post(ping(2), false))
		s.pong(s.post(ping(3), true))
	}},
	{rules: "SEQ-1 BAD-32", title: "a higher id with a lower seqno", run: func(p *probe) {
		s := p.session()
		first := s.NextID()
		s.send(wire.Plain{MsgID: first, Seq: 9, Body: ping(1)})
		s.pong(first)
		second := s.NextID()
		s.send(wire.Plain{MsgID: second, Seq: 5, Body: ping(2)})
		s.bad(second, 32)
	}},
	{rules: "SEQ-1 BAD-33", title: "a lower id with a higher seqno", run: func(p *probe) {
		s := p.session()
		low, high := s.IDAt(-2*time.Second), s.NextID()
		s.send(wire.Plain{MsgID: high, Seq: 1, Body: ping(1)})
		s.pong(high)
		s.send(wire.Plain{MsgID: low, Seq: 9, Body: ping(2)})
		s.bad(low, 33)
	}},
}
