package sim

import (
	"slices"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// copies packs some calls as msg_copy: those that go no other way until the
// server has them, and others now and then.
func (s *csession) copies(messages []wire.Message) []wire.Message {
	out := slices.Clone(messages)
	for i, m := range messages {
		call := s.byID[m.ID]
		if call == nil || call.m.ID != m.ID || (!call.copies || call.known) && !s.c.c.chance(40) {
			continue
		}
		body := wire.AppendMessageHeader(appendID(nil, wire.IDMsgCopy), m.ID, m.Seq, len(m.Body))
		out[i] = s.message(append(body, m.Body...), false)
		s.packets[out[i].ID] = []wire.Message{m}
		s.c.c.note(s.name, "sends a copy", s.id, m.ID, out[i].ID)
	}
	return out
}

const remembered = 12 // messages of the server that a client can speak of

// remember notes a message of the server that wants to be acknowledged.
func (s *csession) remember(id int64) {
	if len(s.latest) == remembered {
		s.latest = slices.Delete(s.latest, 0, 1)
	}
	s.latest = append(s.latest, id)
}

// tellAll says of its own accord which messages of the server have come: it has
// most of them, says of some that it has them no longer, and of one that it has
// never heard of it, which there may not be either.
func (s *csession) tellAll() {
	ids := slices.Clone(s.latest)
	info := make([]byte, len(ids))
	for i, id := range ids {
		if s.c.c.chance(6) {
			info[i] = 1
			continue
		}
		info[i] = 4
		s.acks = slices.DeleteFunc(s.acks, func(ack int64) bool { return ack == id })
	}
	if s.c.c.chance(3) {
		ids, info = append(ids, idAt(s.c.c.now)|3), append(info, 3)
	}
	if len(ids) > 0 && s.c.c.chance(10) {
		info = info[1:] // as no client should
	}
	s.c.c.note(s.name, "tells of all messages", s.id, int64(len(ids)))
	s.send(s.message(wire.AppendBytes(tlLongs(wire.IDMsgsAllInfo, ids...), info), s.c.c.chance(4)))
}

// tellOne speaks of a message of its own, as if it were too large to be
// repeated unasked: a call, or what would answer a message of the server.
func (s *csession) tellOne() {
	id := s.lastID
	if len(s.calls) > 0 {
		id = pick(s.c.c.scheduler, s.calls).m.ID
	}
	b := appendID(nil, wire.IDMsgNewDetailedInfo)
	if len(s.latest) > 0 && s.c.c.chance(2) {
		b = appendLong(appendID(nil, wire.IDMsgDetailedInfo), pick(s.c.c.scheduler, s.latest))
	}
	b = appendInt(appendInt(appendLong(b, id), 40000), 0)
	s.c.c.note(s.name, "tells of a message", s.id, id)
	s.send(s.message(b, false))
}

// announced takes word of a message of the server that is too large to be
// repeated.
func (s *csession) announced(id int64) {
	if _, has := s.got[id]; has {
		s.acknowledge(id)
		return
	}
	m := s.message(tlLongs(wire.IDMsgResendReq, id), true)
	s.asked[m.ID] = []int64{id}
	s.send(m)
}

// acknowledged are the messages of the server that a packet of a client says
// have come, by msgs_ack or msgs_all_info.
func acknowledged(in sess.Input) (ids []int64) {
	d, ok := in.(*sess.Data)
	if !ok {
		return nil
	}
	outer, err := wire.ParsePacket(d.Payload)
	if err != nil {
		return nil
	}
	messages := []wire.Message{outer}
	if kind, _ := wire.PeekID(outer.Body); kind == wire.IDMsgContainer {
		messages, _ = wire.Members(nil, outer.Body, 1024)
	}
	for _, m := range messages {
		r := wire.NewReader(m.Body)
		switch kind := r.ID(); kind {
		case wire.IDMsgsAck, wire.IDMsgsAllInfo:
			list := r.Longs()
			info := r.Bytes()
			for i := range list.Len() {
				if kind == wire.IDMsgsAck || len(info) == list.Len() && info[i]&7 == 4 {
					ids = append(ids, list.At(i))
				}
			}
		}
	}
	return ids
}

// notTaken are the events of a packet or message that the machine did not take.
var notTaken = map[sess.Counter]bool{
	sess.CountBadSalt: true, sess.CountBadTooLow: true, sess.CountBadTooHigh: true, sess.CountBadParity: true,
	sess.CountBadContainerID: true, sess.CountBadTooOld: true, sess.CountBadSeqno: true, sess.CountBadContainer: true,
	sess.CountSilenced: true, sess.CountMalformed: true, sess.CountHeldDropped: true, sess.CountUndecodable: true,
}

// understood reports whether a step took all of the packet that came in it.
func (m *machine) understood(out *sess.Effects) bool {
	return m.now.HeldPackets <= m.before.HeldPackets && !slices.ContainsFunc(out.Counts, func(c sess.Count) bool {
		return notTaken[c.What]
	})
}

// Invariant: what a client says it has is not sent again.
func (w *watch) acknowledged(l *life, ids []int64) {
	if l == nil {
		return
	}
	for _, id := range ids {
		l.acked[id] = true
	}
}
