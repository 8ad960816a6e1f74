package sess

import (
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// onStateReq handles msgs_state_req (rule STATE-1).
func (w *MainAuthWrapper) onStateReq(s *session, m wire.Message) {
	r := wire.NewReader(m.Body[4:])
	ids := r.Longs()
	if !r.Done() {
		w.malformed(s, m)
		return
	}
	w.stateInfo(s, m.ID, ids)
}

func (w *MainAuthWrapper) stateInfo(s *session, req int64, ids wire.Longs) {
	info := make([]byte, ids.Len())
	var table map[int64]*outMsg
	if ids.Len() > 16 { // for many it pays to make a table first
		table = w.allKept(s)
	}
	var notes [][]byte
	var lost []int64
	for i := range info {
		id := ids.At(i)
		if id&3 != 0 { // one of ours
			if info[i] = stateForgotten; s.knows(id) {
				info[i] = stateReceived
			}
			continue
		}
		a, kept := table[id]
		if table == nil {
			a, kept = w.kept(s, id)
		}
		if a != nil && a.sentAt != 0 {
			notes = w.lacks(s, a, notes)
		}
		r := s.window.find(id)
		if r != nil && r.flags&recvLost != 0 {
			r.flags &^= recvLost
			lost = append(lost, id)
		}
		info[i] = s.status(id, r, kept)
	}
	for _, id := range lost {
		w.forgotten(s, id)
	}
	for _, n := range notes {
		w.note(s, n)
	}
	w.reply(s, wire.AppendStateInfo(make([]byte, 0, 16+len(info)+7), req, info))
}

// lacks repeats an answer that was sent, or announces it: who asks for the state of
// a call lacks its answer. A large one that left by this TCP connection is on its way
// in it.
func (w *MainAuthWrapper) lacks(s *session, a *outMsg, notes [][]byte) [][]byte {
	const underWay = time.Second
	large := len(a.body) >= w.cfg.DetailedFrom
	switch {
	case w.now-a.sentAt < int64(underWay):
	case !large:
		a.due = true
	case a.had || s.server == "" || a.sentAt < s.connAt:
		notes = append(notes, a.announce(w.now))
	}
	a.had = false
	return notes
}

// status is the state byte of a message (rules STATE-2 to STATE-5); r is what the
// window knows of it, and kept says that it is in work or its answer is there. Only of an answer
// that the client has is said that there is one (+64): on that alone mtcute calls
// again at once, though the answer is on its way.
func (s *session) status(id int64, r *received, kept bool) uint8 {
	switch {
	case r != nil:
		if r.state&stateNoAck == 0 {
			r.state |= stateAcked // rule STATE-3: saying so acknowledges
			s.unack(id)
		}
		if r.state&stateConfirmed != 0 {
			return r.state
		}
		return r.state &^ stateAnswered
	case kept: // never reported as lost, however long ago it came
		s.unack(id)
		return stateKept
	}
	return s.window.status(id)
}

// knows reports whether one of our messages is kept.
func (s *session) knows(id int64) bool {
	_, ok := s.findSent(id)
	return ok
}

// kept reports whether a message is in work or answered, and returns the answer if
// it is there.
func (w *MainAuthWrapper) kept(s *session, id int64) (a *outMsg, kept bool) {
	a = s.answerTo(id)
	return a, a != nil || w.findCall(s, id) != nil || w.findAsk(s, id) != nil
}

// allKept is kept for all messages of a session.
func (w *MainAuthWrapper) allKept(s *session) map[int64]*outMsg {
	kept := make(map[int64]*outMsg, len(s.sent)+len(s.queue)+len(w.calls.list)+len(w.asks))
	for _, c := range w.calls.list {
		if c.s == s {
			kept[c.meta.MsgID] = nil
		}
	}
	for i := range w.asks {
		if w.asks[i].s == s {
			kept[w.asks[i].msgID] = nil
		}
	}
	for _, list := range [2][]outMsg{s.queue, s.sent} {
		for i := range list {
			if list[i].kind == outAnswer {
				kept[list[i].req] = &list[i]
			}
		}
	}
	return kept
}

// onAllInfo handles msgs_all_info (rule STATE-7): what the client says of our
// messages.
func (w *MainAuthWrapper) onAllInfo(s *session, m wire.Message) {
	r := wire.NewReader(m.Body[4:])
	ids := r.Longs()
	info := r.Bytes()
	if !r.Done() || len(info) != ids.Len() {
		w.count(CountUndecodable)
		return
	}
	for i, state := range info {
		j, ok := s.findSent(ids.At(i))
		switch {
		case !ok:
		case state&7 == stateReceived:
			w.acknowledged(s, ids.Slice(i, i+1))
		default:
			s.sent[j].due = true
		}
	}
	s.touch()
}

// onResendReq handles msg_resend_req, which names our messages (rule
// STATE-10). If one is not there, the client is told of all (rule STATE-11).
func (w *MainAuthWrapper) onResendReq(s *session, m wire.Message) {
	w.resend(s, m, s.findSent)
}

// onResendAnswers handles msg_resend_ans_req, which names requests whose
// answers are wanted again (rule MSGID-6;
// https://core.telegram.org/mtproto/service_messages_about_messages).
func (w *MainAuthWrapper) onResendAnswers(s *session, m wire.Message) {
	answers := make(map[int64]int, len(s.sent))
	for i := range s.sent {
		if s.sent[i].kind == outAnswer {
			answers[s.sent[i].req] = i
		}
	}
	w.resend(s, m, func(req int64) (int, bool) {
		i, ok := answers[req]
		return i, ok
	})
}

// resend sends those of our messages again that a request names; find says where in
// s.sent the message of an id is. If one of them is not kept, none is sent, and the
// client is told the state of all (rule STATE-11).
func (w *MainAuthWrapper) resend(s *session, m wire.Message, find func(int64) (int, bool)) {
	r := wire.NewReader(m.Body[4:])
	ids := r.Longs()
	if !r.Done() {
		w.malformed(s, m)
		return
	}
	for i := range ids.Len() {
		if _, ok := find(ids.At(i)); !ok {
			w.stateInfo(s, m.ID, ids)
			return
		}
	}
	for i := range ids.Len() {
		j, _ := find(ids.At(i))
		s.sent[j].due = true
	}
	if s.http != nil {
		s.http.queued(w.now)
	}
	s.touch() // the messages themselves answer it
}
