package sess

import (
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// onMessage handles one message, which came alone or in a container (rules
// MSGID-3 to MSGID-7).
func (w *MainAuthWrapper) onMessage(s *session, in *incoming, m wire.Message, outer bool) {
	id, ok := wire.PeekID(m.Body)
	in.asks = in.asks || !asksNothing(id)
	if m.ID&3 != 0 || m.ID <= 0 {
		w.bad(s, m, wire.BadParity)
		return
	}
	if r := s.window.find(m.ID); r != nil { // known ids have no time: rule MSGID-6
		w.onDuplicate(s, m, r)
		return
	}
	if s.window.forgot(m.ID) && w.repeated(s, m) {
		return
	}
	if code := w.badID(s, m, outer); code != 0 {
		w.bad(s, m, code)
		return
	}
	packed := id == wire.IDGzipPacked
	if packed { // judged by what is inside: rule SEQ-3
		body, err := w.unpack(m.Body, in)
		if err != nil {
			w.record(s, in, m, stateReceived, 0)
			w.undecodable(s, m.ID, w.unreadable(err))
			return
		}
		m.Body = body
		id, ok = wire.PeekID(m.Body)
	}
	if !ok || packed && (id == wire.IDGzipPacked || id == wire.IDMsgContainer) {
		w.record(s, in, m, stateReceived, 0)
		w.undecodable(s, m.ID, errFetch)
		return
	}
	if code := w.badSeq(s, m, id); code != 0 {
		w.bad(s, m, code)
		return
	}
	w.handle(s, in, m, id)
}

// handle records a message and does what it says.
func (w *MainAuthWrapper) handle(s *session, in *incoming, m wire.Message, id uint32) {
	if id == wire.IDMsgCopy {
		w.onCopy(s, in, m)
		return
	}
	if service := serviceOf(id); service != nil {
		acks := m.Seq&1 != 0 && acknowledgeable(id)
		state := stateReceived
		if !acks {
			state |= stateNoAck
		}
		w.record(s, in, m, state, 0)
		if acks { // rule ACK-2
			s.ack(m.ID, w.now, int64(w.cfg.AckDelay))
		}
		service(w, s, m)
		return
	}
	if w.draining { // another node will do it: the client repeats it there
		return
	}
	w.record(s, in, m, stateReceived|stateCall, 0)
	s.ack(m.ID, w.now, int64(w.cfg.AckDelay)) // unless the answer is quicker: rule ACK-4
	w.onCall(s, in, m)
}

// record remembers a message as received.
func (w *MainAuthWrapper) record(s *session, in *incoming, m wire.Message, state, flags uint8) {
	in.fresh, s.until = true, w.now+int64(w.cfg.MaxPast)
	if !s.greeted && (s.first == 0 || m.ID < s.first) {
		s.first = m.ID
	}
	s.window.insert(w.wall, received{id: m.ID, seq: m.Seq, state: state, flags: flags})
}

// badID judges an unknown id. A member of a container may be older than its
// container (rule MSGID-4): Telegram Desktop sends a message that was refused for
// its time or salt again with its old id, in a fresh container. What may have been
// received and forgotten, with its session (gone.go) or without, is not served,
// however young: it would be done twice. A young one that may be done twice is.
func (w *MainAuthWrapper) badID(s *session, m wire.Message, outer bool) wire.BadMsg {
	code := w.badTime(s, m.ID)
	inside := code == wire.BadTooLow && !outer
	if code != 0 && !inside {
		return code
	}
	if id, _ := wire.PeekID(m.Body); s.window.forgot(m.ID) && (inside || !repeatable(id)) {
		return wire.BadTooOld // rule MSGID-5
	}
	return 0
}

// badSeq judges a seqno by what the message is and by its neighbours. Parity says
// whether a message wants to be acknowledged. A call must want it (rule SEQ-2).
// Of everything else either is taken, also of msgs_ack and containers, which
// rule SEQ-3 wants even: mtcute counts all its service messages, and begins anew
// whenever one is refused.
func (w *MainAuthWrapper) badSeq(s *session, m wire.Message, id uint32) wire.BadMsg {
	if m.Seq&1 == 0 && id != wire.IDMsgCopy && serviceOf(id) == nil && w.schema.Method(id) != nil {
		return wire.BadSeqnoEven
	}
	if w.cfg.AllowSeqnoDisorder {
		return 0
	}
	switch d := s.window.disorder(m.ID, m.Seq); {
	case d < 0:
		return wire.BadSeqnoLow
	case d > 0:
		return wire.BadSeqnoHigh
	}
	return 0
}

// onCopy handles msg_copy: the message inside as if it had come itself, unless
// it is known (rule COPY-1).
func (w *MainAuthWrapper) onCopy(s *session, in *incoming, m wire.Message) {
	inner, ok := wire.Copy(m.Body)
	id, _ := wire.PeekID(inner.Body)
	if !ok || inner.ID >= m.ID || id == wire.IDMsgCopy || id == wire.IDMsgContainer {
		w.bad(s, m, wire.BadContainer)
		return
	}
	w.record(s, in, m, stateReceived|stateNoAck, 0)
	if r := s.window.find(inner.ID); r != nil {
		s.ack(m.ID, w.now, int64(w.cfg.AckDelay))
		s.ack(inner.ID, w.now, int64(w.cfg.AckDelay))
		w.onDuplicate(s, inner, r)
		return
	}
	w.onMessage(s, in, inner, false)
}

// onDuplicate answers a message that came before: it is not done again. What
// was answered is answered again, from memory (rules MSGID-6 and STATE-8).
func (w *MainAuthWrapper) onDuplicate(s *session, m wire.Message, r *received) {
	w.count(CountDuplicates)
	switch {
	case r.flags&recvLost != 0:
		r.flags &^= recvLost
		w.forgotten(s, m.ID)
		return
	case w.repeatAnswer(s, m.ID):
		return
	}
	id, _ := wire.PeekID(m.Body)
	if repeatable(id) {
		serviceOf(id)(w, s, m)
		return
	}
	if m.Seq&1 != 0 && (serviceOf(id) == nil || acknowledgeable(id)) {
		s.ack(m.ID, w.now, int64(w.cfg.AckDelay))
	}
}

// forgotten answers a call whose answer is not there any more.
func (w *MainAuthWrapper) forgotten(s *session, req int64) {
	e := errForgotten
	if s.ended {
		e = errUnregistered
	}
	w.answerError(s, req, e.Code, e.Message)
}

// repeated is onDuplicate for ids that the window has forgotten, but whose
// call or answer is still there.
func (w *MainAuthWrapper) repeated(s *session, m wire.Message) bool {
	if !w.repeatAnswer(s, m.ID) {
		if w.findCall(s, m.ID) == nil {
			return false
		}
		s.ack(m.ID, w.now, int64(w.cfg.AckDelay))
	}
	w.count(CountDuplicates)
	return true
}

// undecodable answers a message that cannot be read; never silence (rule ERR-9).
func (w *MainAuthWrapper) undecodable(s *session, req int64, e *RPCError) {
	w.count(CountUndecodable)
	w.answerError(s, req, e.Code, e.Message)
}
