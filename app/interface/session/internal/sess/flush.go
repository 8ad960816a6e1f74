package sess

import (
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/app/internal/buffers"
)

// freshFor is how long a large message may go out again outside a container:
// clients refuse ids older than 300 s (rule MSGID-8).
const freshFor = 270 * time.Second

// touch has s looked at by flush at the end of the step.
func (s *session) touch() { s.dirty = true }

// flush sends what s has to send, in few packets.
func (w *MainAuthWrapper) flush(s *session) {
	s.dirty, s.throttled = false, false
	if s.list == nil {
		return
	}
	s.dropUnsendable()
	items := w.gather(s)
	if s.server != "" && (len(items) > 0 || w.acksDue(s)) {
		salt := w.salt(s.list)
		for packet, end, rest := w.packet(s, items, salt); packet != nil; packet, end, rest = w.packet(s, rest, salt) {
			w.out.Sends = append(w.out.Sends, Send{
				ServerID: s.server, AuthKeyID: s.list.authKeyID, SessionID: s.id, Payload: packet, Tail: end.body, Room: end.room, At: w.now,
				Trace: firstTrace(items[:len(items)-len(rest)]),
			})
			end.room.Hold()
			items = rest
		}
		w.moveToSent(s)
		items = nil
	}
	if s.http != nil {
		w.flushHTTP(s, items)
	}
}

// dropUnsendable forgets service messages that found no connection: they
// answer the moment, and nobody waits for them later.
func (s *session) dropUnsendable() {
	if s.server != "" || s.http != nil {
		return
	}
	s.queue = slices.DeleteFunc(s.queue, func(m outMsg) bool {
		if m.content() {
			return false
		}
		s.bytes -= len(m.body)
		return true
	})
	s.compact()
}

// gather lists what is to be sent, in the order in which it leaves. It leaves out
// what is withheld, repetitions whose turn has not come, and updates while a
// difference is on its way, which they must not overtake.
func (w *MainAuthWrapper) gather(s *session) []*outMsg {
	if !s.reachable() {
		return nil
	}
	items := w.out.items[:0]
	left, asked := 0, false
	for i := range s.sent {
		m := &s.sent[i]
		if !m.due || w.withheld(s, m) {
			continue
		}
		if m.kind == outAnswer || m.kind == outPush { // the others are short and few
			if !asked {
				left, asked = w.repeatLeft(), true
			}
			if left <= 0 {
				s.throttled = true
				continue
			}
			left -= len(m.body)
		}
		items = append(items, m)
	}
	for i := range s.queue {
		if m := &s.queue[i]; !w.withheld(s, m) && (s.updates.syncing == 0 || m.place() != placeUpdate) {
			items = append(items, m)
		}
	}
	slices.SortStableFunc(items, func(a, b *outMsg) int { return int(a.place()) - int(b.place()) })
	w.out.items = items
	return items
}

// withheld reports whether a message of a session waits until it is known whether the
// login has ended, since it may tell what only that login may hear.
func (w *MainAuthWrapper) withheld(s *session, m *outMsg) bool {
	p := m.place()
	return (w.login.suspect || s.doomed) && (p == placeUpdate || p == placeAnswer)
}

// place is where a message stands among those that leave together, repeated or
// not. Clients stop reading a container at what they cannot read, which is an
// update of a newer layer most of all, so nothing that is waited for stands behind
// one.
type place uint8

const (
	placeGreeting place = iota // new_session_created
	placeAnswer
	placeError // an rpc_error: see fit
	placeReply // to a service message, and what we say ourselves
	placeUpdate
)

func (m *outMsg) place() place {
	switch {
	case m.kind == outGreeting:
		return placeGreeting
	case m.kind == outAnswer && m.isError():
		return placeError
	case m.kind == outAnswer:
		return placeAnswer
	case m.kind == outPush || m.kind == outTooLong:
		return placeUpdate
	}
	return placeReply
}

// isError reports whether an answer is an rpc_error.
func (m *outMsg) isError() bool {
	if len(m.body) < wire.ResultHeader {
		return false
	}
	id, _ := wire.PeekID(m.body[wire.ResultHeader:])
	return id == wire.IDRPCError
}

// acksDue reports whether acknowledgments have waited long enough for company.
func (w *MainAuthWrapper) acksDue(s *session) bool { return s.ackAt != 0 && s.ackAt <= w.now }

// fit is how many of items go into one packet, beside count messages of size
// bytes, and the size that makes. Over TCP an rpc_error is the last of its packet:
// GramJS and its kin forget what stands behind one. Over HTTP, where a packet
// costs a request, no such client is known.
func (w *MainAuthWrapper) fit(s *session, items []*outMsg, count, size int) (n, total int) {
	for n < len(items) && count+n < w.cfg.ContainerOut {
		more := wire.MessageHeader + len(items[n].body)
		if count+n > 0 && size+more > w.cfg.ContainerBytes {
			break
		}
		size, n = size+more, n+1
		if size > w.cfg.ContainerBytes { // a large one goes alone
			break
		}
		if s.server != "" && items[n-1].place() == placeError {
			break
		}
	}
	return n, size
}

// uncopied is from which size on the body that ends a packet is not copied behind what
// leads it: a copy of a megabyte costs more than all else about its packet.
const uncopied = 16 << 10

// tail is the body of a message that ends a packet and is not copied into it.
type tail struct {
	body []byte
	room *buffers.Room // the outbox's hold
}

// packet builds the next packet from the first of items and the pending
// acknowledgments, and returns what is left. It returns nil when there is
// nothing to send. A large body that ends the packet comes apart (Send.Tail).
//
// Over TCP acknowledgments ride with others in a container, or wait until they are
// due. What goes without a container goes without them: gotd acknowledges a message
// only if it comes alone, and what is not acknowledged is kept and repeated.
func (w *MainAuthWrapper) packet(s *session, items []*outMsg, salt int64) (payload []byte, end tail, rest []*outMsg) {
	acks := s.acks
	if len(acks) > wire.MaxIDs {
		acks = acks[:wire.MaxIDs]
	}
	count := 0
	n, size := w.fit(s, items, 0, wire.Container)
	switch {
	case s.server != "" && n == 0 && !w.acksDue(s):
		return nil, tail{}, nil
	case s.server != "" && n == 1 && items[0].content() && w.mayGoAlone(s, items[0]):
		acks = nil
	case len(acks) > 0:
		count = 1
		n, size = w.fit(s, items, 1, wire.Container+wire.MessageHeader+4+4+4+8*len(acks))
	}
	if count += n; count == 0 {
		return nil, tail{}, nil
	}
	bare := count == 1 && (n == 0 || w.mayGoAlone(s, items[0]))
	var ack outMsg // first in its container, so its id comes before the others'
	if len(acks) > 0 {
		ack.kind = outNote
		w.stampID(s, &ack)
	}
	for _, m := range items[:n] {
		w.stamp(s, m)
	}
	body := size
	if bare {
		body -= wire.Container + wire.MessageHeader
	}
	if n > 0 && (len(items[n-1].body) >= uncopied || items[n-1].room != nil) {
		end = tail{items[n-1].body, items[n-1].room}
	}
	payload = make([]byte, 0, wire.PacketHeader+body-len(end.body))
	switch {
	case bare && n == 1:
		payload = wire.AppendPacketHeader(payload, salt, s.id, items[0].id, items[0].seq, body)
	case bare:
		payload = wire.AppendPacketHeader(payload, salt, s.id, ack.id, ack.seq, body)
		payload = wire.AppendAck(payload, acks)
	default:
		payload = wire.AppendPacketHeader(payload, salt, s.id, s.nextID(w.now, w.wall, idNotice), s.nextSeq(false), body)
		payload = wire.AppendContainer(payload, count)
		if len(acks) > 0 {
			payload = wire.AppendMessageHeader(payload, ack.id, ack.seq, 4+4+4+8*len(acks))
			payload = wire.AppendAck(payload, acks)
		}
		for i, m := range items[:n] {
			payload = wire.AppendMessageHeader(payload, m.id, m.seq, len(m.body))
			if i < n-1 {
				payload = append(payload, m.body...)
			}
		}
	}
	if n > 0 && end.body == nil {
		payload = append(payload, items[n-1].body...)
	}
	w.ackedOut(s, len(acks))
	return payload, end, items[n:]
}

// mayGoAlone reports whether a message needs no container: what the client may
// lack goes out again only inside one (rule STATE-6), unless clients refuse
// members of its size (rule ENC-8).
func (w *MainAuthWrapper) mayGoAlone(s *session, m *outMsg) bool {
	large := wire.Container+wire.MessageHeader+len(m.body) > w.cfg.ContainerBytes
	return m.sentAt == 0 || large && s.time(w.now, w.wall)-m.firstSent() < int64(freshFor)
}

// stamp gives a message its id and seqno if it has none, and notes the sending.
func (w *MainAuthWrapper) stamp(s *session, m *outMsg) {
	if m.sentAt != 0 {
		w.count(CountRepeated)
		w.spend(len(m.body))
	}
	w.stampID(s, m)
	m.sentAt, m.due, m.told = w.now, false, false
	if m.tries < 250 {
		m.tries++
	}
	if m.sends < 250 {
		m.sends++
	}
}

// stampID gives a message its id and seqno if it has none.
func (w *MainAuthWrapper) stampID(s *session, m *outMsg) {
	if m.id == 0 {
		m.id, m.seq = s.nextID(w.now, w.wall, m.parity()), s.nextSeq(m.content())
	}
}

// firstSent is the time in a message's id, Unix nanoseconds.
func (m *outMsg) firstSent() int64 { return timeOf(m.id) }

// timeOf is the time in a message id, Unix nanoseconds.
func timeOf(id int64) int64 { return id>>32*1e9 + id&0xffffffff*1e9>>32 }

// ackedOut forgets the first n pending acknowledgments: they are sent.
func (w *MainAuthWrapper) ackedOut(s *session, n int) {
	if n == 0 {
		return
	}
	for _, id := range s.acks[:n] {
		if r := s.window.find(id); r != nil {
			r.state |= stateAcked
		}
	}
	s.acks = s.acks[n:]
	if len(s.acks) == 0 {
		s.acks, s.ackAt = nil, 0
	}
}

// moveToSent moves what was sent and wants an acknowledgment from queue to sent.
func (w *MainAuthWrapper) moveToSent(s *session) {
	first := len(s.sent)
	kept := s.queue[:0]
	for _, m := range s.queue {
		switch {
		case m.sentAt == 0:
			kept = append(kept, m)
		case m.content():
			s.sent = append(s.sent, m)
		default:
			s.bytes -= len(m.body)
		}
	}
	clear(s.queue[len(kept):])
	s.queue = kept
	// Updates that waited were stamped after what came later in the queue.
	slices.SortFunc(s.sent[first:], func(a, b outMsg) int { return int(min(max(a.id-b.id, -1), 1)) })
	w.plan(s)
	s.compact()
}
