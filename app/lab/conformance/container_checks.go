package conformance

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/gotd/td/mt"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

const (
	mostMembers = 1024
	mostIDs     = 8192
)

// pings makes n members that ping.
func (s *session) pings(n int) []wire.Member {
	members := make([]wire.Member, n)
	for i := range members {
		members[i] = s.member(ping(int64(i)), false)
	}
	return members
}

// rejected sends a container that has to be refused with 64 as a whole.
func rejected(rules, title string, container func(*session) (id int64, body []byte, member int64)) check {
	return check{rules: rules + " CONT-5 BAD-64", title: title, run: func(p *probe) {
		s := p.session()
		s.fence()
		id, body, member := container(s)
		s.send(wire.Plain{MsgID: id, Seq: s.NextSeq(false), Body: body})
		s.bad(id, 64)
		s.unanswered(member)
	}}
}

// unserved sends nothing more and awaits that a message is not answered: a
// refusal of its packet, the connection's end and silence all do.
func (s *session) unserved(id int64) {
	deadline := time.Now().Add(silence)
	for {
		m, err := s.Next(deadline)
		var broken wire.NoteError
		switch {
		case errors.As(err, &broken):
			s.p.fail("refusal", "%v", err)
		case err != nil:
			return
		}
		s.p.check(!about(m, id), "refusal", "%s", describe(m))
	}
}

// packed awaits a result that is packed where that pays.
func (s *session) packed(id int64) {
	m := s.resultMessage(id)
	body, packed, err := wire.Inflate(m.Body[12:])
	s.p.must("a result that inflates", err)
	if again := wire.Gzip(body); len(body) < 512 || len(again) > len(body)*3/4 {
		s.p.skip("the largest answer at hand is not worth packing")
	}
	s.p.check(packed || m.Packed, "gzip_packed", "%d bytes unpacked", len(body))
}

var containerChecks = []check{
	{rules: "CONT-1 ACK-3 PING-4", title: "a call and a ping in a container", run: func(p *probe) {
		s := p.session()
		call, other := s.member(encode(nearestDC), true), s.member(ping(5), false)
		s.pack(call, other)
		s.result(call.ID)
		s.pong(other.ID)
	}},
	{rules: "CONT-2", title: "1024 members", run: func(p *probe) {
		s := p.session()
		members := s.pings(mostMembers)
		s.pack(members...)
		s.pong(members[0].ID)
		s.pong(members[mostMembers-1].ID)
	}},
	{rules: "CONT-2", title: "1025 members, none of which may be served", run: func(p *probe) {
		s := p.session()
		s.fence()
		members := s.pings(mostMembers + 1)
		s.pack(members...)
		s.unserved(members[0].ID)
	}},
	{rules: "TR-10", title: "1025 members", run: func(p *probe) {
		s := p.session()
		s.fence()
		s.pack(s.pings(mostMembers + 1)...)
		s.shut(false, flood)
	}},
	rejected("CONT-3", "a member above its container", func(s *session) (int64, []byte, int64) {
		id := s.NextID()
		m := s.member(ping(1), false)
		return id, wire.Container(m), m.ID
	}),
	rejected("CONT-3", "a member with the container's id", func(s *session) (int64, []byte, int64) {
		before := s.member(ping(1), false)
		id := s.NextID()
		return id, wire.Container(before, wire.Member{ID: id, Seq: before.Seq, Body: ping(2)}), before.ID
	}),
	rejected("CONT-4", "a container in a container", func(s *session) (int64, []byte, int64) {
		m := s.member(ping(1), false)
		inner := s.member(wire.Container(m), false)
		return s.NextID(), wire.Container(inner), m.ID
	}),
	{rules: "CONT-6 BAD-19", title: "a container with a known id", run: func(p *probe) {
		s := p.session()
		m := s.member(ping(1), false)
		id := s.NextID()
		s.send(wire.Plain{MsgID: id, Seq: 0, Body: ping(2)})
		s.pong(id)
		s.send(wire.Plain{MsgID: id, Seq: 0, Body: wire.Container(m)})
		s.await("bad_msg_notification 19", func(n wire.Message) bool {
			var bad mt.BadMsgNotification
			return n.Type() == mt.BadMsgNotificationTypeID && decode(n.Body, &bad) == nil && bad.BadMsgID == id && bad.ErrorCode == 19
		})
	}},
	{rules: "CONT-8", title: "an empty container", run: func(p *probe) {
		s := p.session()
		id := s.pack()
		for _, m := range s.fence() {
			p.check(!about(m, id), "nothing", "%s", describe(m))
		}
	}},
	{rules: "ERR-9 CONT-1", title: "an unknown method among members", run: func(p *probe) {
		s := p.session()
		before, wrong, after := s.member(ping(1), false), s.member(nonsense, true), s.member(encode(nearestDC), true)
		s.pack(before, wrong, after)
		s.pong(before.ID)
		s.result(after.ID)
		s.refused(wrong.ID, 400, "INPUT_METHOD_INVALID")
	}},
	{rules: "COPY-1", title: "a copy of a ping, twice", run: func(p *probe) {
		s := p.session()
		m := s.member(ping(1), false)
		body := m.AppendTo(binary.LittleEndian.AppendUint32(nil, mt.MsgCopyTypeID))
		s.post(body, false)
		s.pong(m.ID)
		s.post(body, false)
		s.fence()
	}},
	{rules: "GZIP-1", title: "a packed call, with an odd seqno", run: func(p *probe) {
		s := p.session()
		s.result(s.post(wire.Gzip(encode(nearestDC)), true))
	}},
	{rules: "GZIP-1", title: "a packed call in invokeWithLayer", run: func(p *probe) {
		s := p.session()
		s.result(s.post(wire.Gzip(encode(initialised(nearestDC))), true))
	}},
	{rules: "GZIP-2", title: "help.getConfig", run: func(p *probe) {
		s := p.session()
		s.packed(s.call(config))
	}},
	{rules: "GZIP-2", title: "a dialog with a long message", run: func(p *probe) {
		s := p.sessionOf(p.user())
		long := s.newMessage()
		long.Message += strings.Repeat(" and on and on", 200)
		s.result(s.call(initialised(long)))
		s.packed(s.call(selfHistory))
	}},
	{rules: "GZIP-3", title: "64 MiB of zeros in 64 KiB", run: func(p *probe) {
		s := p.session()
		id := s.post(wire.Gzip(make([]byte, 64<<20)), true)
		for _, m := range s.fence() {
			if m.Type() == mt.RPCResultTypeID && about(m, id) {
				_, wrong := asError(m.Body[12:])
				p.check(wrong, "an error or silence", "%s", describe(m))
			}
		}
	}},
}

var ackChecks = []check{
	{rules: "ACK-1", title: "8192 acknowledgements", run: func(p *probe) {
		s := p.session()
		s.post(acknowledge(make([]int64, mostIDs)...), false)
		s.fence()
	}},
	{rules: "ACK-1", title: "8193 acknowledgements, none of which may count", run: func(p *probe) {
		s := p.session()
		m := s.resultMessage(s.call(nearestDC))
		s.post(acknowledge(append([]int64{m.ID}, make([]int64, mostIDs)...)...), false)
		s.returned("the result", func(a wire.Message) bool { return a.ID == m.ID })
	}},
	{rules: "TR-10", title: "8193 acknowledgements", run: func(p *probe) {
		s := p.session()
		s.fence()
		s.post(acknowledge(make([]int64, mostIDs+1)...), false)
		s.shut(false, flood)
	}},
	{rules: "ACK-2", title: "odd messages of each kind", run: func(p *probe) {
		s := p.session()
		for _, body := range [][]byte{
			ping(1), encode(nearestDC), nonsense,
			encode(&mt.GetFutureSaltsRequest{Num: 1}),
			encode(&mt.MsgsStateReq{MsgIDs: []int64{4}}),
			encode(&mt.MsgsAllInfo{MsgIDs: []int64{1}, Info: []byte{1}}),
		} {
			id := s.post(body, true)
			s.await("an acknowledgement of "+name(wire.Message{Body: body}.Type()), func(m wire.Message) bool { return about(m, id) })
		}
	}},
	{rules: "ACK-6", title: "replies that acknowledge", run: func(p *probe) {
		s := p.session()
		s.pong(s.post(ping(1), true))
		s.futureSalts(1)
		s.state(4)
	}},
	{rules: "ACK-5", title: "a msgs_ack", run: func(p *probe) {
		s := p.session()
		id := s.post(acknowledge(wire.RandomLong()|1), false)
		for _, m := range s.fence() {
			p.check(!about(m, id), "nothing", "%s", describe(m))
		}
	}},
}
