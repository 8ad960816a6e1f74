package sess

import (
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// httpState is what a session that came over HTTP has more than others: open
// requests, each good for one packet (rules HTTP-2 and HTTP-3).
type httpState struct {
	slots []httpSlot
	first int64 // when the first of what is queued was queued; 0: nothing is
	last  int64 // when the last was
}

// httpSlot is an open request.
type httpSlot struct {
	slot      Slot
	limit     int64 // its reader waits no longer
	until     int64 // answered by then at the latest
	maxDelay  int64 // rule HTTP-5, ns
	waitAfter int64
}

// due is when the slot is answered: at once unless http_wait said otherwise
// (rule HTTP-8), and when nothing is queued only in the end (rule HTTP-7).
// Priority is max_wait, max_delay, wait_after (rule HTTP-6).
func (h *httpState) due(s *httpSlot) int64 {
	if h.first == 0 {
		return s.until
	}
	return min(s.until, h.first+s.maxDelay, h.last+s.waitAfter)
}

func (h *httpState) queued(now int64) {
	if h.first == 0 {
		h.first = now
	}
	h.last = now
}

// openSlot adds the request that carried a packet.
func (w *MainAuthWrapper) openSlot(s *session, slot Slot, until int64) {
	if s.http == nil {
		s.http = &httpState{}
	}
	if s.resendAt != 0 && s.resendAt <= w.now {
		w.repeatDue(s)
		s.http.queued(w.now)
	}
	if s.http.first == 0 && len(s.queue) > 0 {
		s.http.queued(w.now)
	}
	until = min(until, w.now+int64(w.cfg.HTTPMaxWait))
	s.http.slots = append(s.http.slots, httpSlot{slot: slot, limit: until, until: until})
	if over := len(s.http.slots) - w.cfg.HTTPRequests; over > 0 { // the oldest are answered with what there is
		for i := range s.http.slots[:over] {
			s.http.slots[i].until = w.now
		}
		s.touch()
	}
}

// answerNewest has the request answered that brought a packet: it asks for nothing.
// Were it held, as rule HTTP-8 has it, the acknowledgments of a client with a bounded
// number of connections would keep its calls out: gotd has 16, and acknowledges in
// requests of their own.
func (s *session) answerNewest(now int64) {
	if s.http != nil && len(s.http.slots) > 0 {
		s.http.slots[len(s.http.slots)-1].until = now
		s.touch()
	}
}

// httpWait applies http_wait to the request that carried it: the newest. Of
// several the last counts (rule HTTP-6).
func (w *MainAuthWrapper) httpWait(s *session, maxDelay, waitAfter, maxWait int32) {
	if s.http == nil || len(s.http.slots) == 0 {
		return // HTTP only (rule HTTP-4)
	}
	ms := func(v int32) int64 { return int64(min(max(v, 0), 60_000)) * int64(time.Millisecond) }
	slot := &s.http.slots[len(s.http.slots)-1]
	slot.maxDelay, slot.waitAfter = ms(maxDelay), ms(waitAfter)
	slot.until = min(slot.limit, w.now+ms(maxWait))
}

// flushHTTP answers the open requests whose time has come.
func (w *MainAuthWrapper) flushHTTP(s *session, items []*outMsg) {
	switch {
	case len(items) > 0 && s.http.first == 0: // they were withheld until now
		s.http.queued(w.now)
	case len(items) == 0 && len(s.http.slots) > 0: // else they wait for the next request
		s.http.first = 0
	}
	salt := w.salt(s.list)
	sent := false
	s.http.slots = slices.DeleteFunc(s.http.slots, func(slot httpSlot) bool {
		if s.http.due(&slot) > w.now {
			return false
		}
		var packet []byte
		var end tail
		packet, end, items = w.packet(s, items, salt)
		if packet == nil {
			packet = w.emptyContainer(s, salt)
		}
		if sent = true; len(items) == 0 {
			s.http.first = 0
		}
		w.out.Replies = append(w.out.Replies, Reply{Slot: slot.slot, Payload: inOnePiece(packet, end.body)})
		return true
	})
	if sent {
		w.moveToSent(s)
	}
	if len(s.http.slots) == 0 && s.server != "" {
		s.http = nil
	}
}

// emptyContainer is a packet that says nothing (rule CONT-8).
func (w *MainAuthWrapper) emptyContainer(s *session, salt int64) []byte {
	packet := make([]byte, 0, wire.PacketHeader+wire.Container)
	packet = wire.AppendPacketHeader(packet, salt, s.id, s.nextID(w.now, w.wall, idNotice), s.nextSeq(false), wire.Container)
	return wire.AppendContainer(packet, 0)
}

// closeSlots answers all open requests with nothing.
func (w *MainAuthWrapper) closeSlots(s *session) {
	if s.http == nil {
		return
	}
	for _, slot := range s.http.slots {
		w.out.Replies = append(w.out.Replies, Reply{Slot: slot.slot})
	}
	s.http.slots = nil
}

// releaseSlots has all open requests answered now, with what is there: what
// else they wait for will not come from this node.
func (w *MainAuthWrapper) releaseSlots() {
	for s := range w.sessions() {
		if s.http == nil {
			continue
		}
		for i := range s.http.slots {
			s.http.slots[i].until = w.now
		}
		s.touch()
	}
	for l := range w.lists() {
		w.releaseHeld(l)
	}
}

// httpGone forgets a request whose reader left.
func (w *MainAuthWrapper) httpGone(gone Slot) {
	for s := range w.sessions() {
		if s.http != nil {
			s.http.slots = slices.DeleteFunc(s.http.slots, func(h httpSlot) bool { return h.slot == gone })
		}
	}
	for l := range w.lists() {
		for _, d := range l.held {
			if d.HTTP == gone {
				d.HTTP = 0
			}
		}
	}
}

// httpLost has what was in a packet that no reader took sent again, by the next
// request (rule SESS-11): nothing else would tell that the client lacks it, but that
// it does not acknowledge it for a minute.
func (w *MainAuthWrapper) httpLost(packet []byte) {
	r := wire.NewReader(packet)
	r.Long() // salt
	id := r.Long()
	m := wire.Message{ID: r.Long(), Seq: r.Int()}
	r.Int() // length
	m.Body = r.Rest()
	if !r.OK() {
		return
	}
	members, err := wire.Members(nil, m.Body, w.cfg.ContainerOut)
	if err != nil {
		members = []wire.Message{m}
	}
	for s := range w.sessions() {
		if s.id == id && s.dueAgain(members) {
			if s.http != nil {
				s.http.queued(w.now)
			}
			s.touch()
		}
	}
}

// dueAgain has messages sent again that are not acknowledged. False: there are none.
func (s *session) dueAgain(messages []wire.Message) (some bool) {
	for i := range s.sent {
		o := &s.sent[i]
		if slices.ContainsFunc(messages, func(m wire.Message) bool { return m.ID == o.id }) {
			o.due, some = true, true
		}
	}
	return some
}
