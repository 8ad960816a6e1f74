package sess

import (
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
	var table map[int64]uint8
	for i := range info {
		id := ids.At(i)
		if info[i] = w.status(s, id); info[i] != stateForgotten || id&3 != 0 {
			continue
		}
		// What is in work or answered is never reported as lost, however
		// long ago it came.
		if state := w.kept(s, id, len(info), &table); state != 0 {
			info[i] = state
		}
	}
	w.reply(s, wire.AppendStateInfo(make([]byte, 0, 16+len(info)+7), req, info))
}

// status is the state byte of a message (rules STATE-2 to STATE-5), as far as
// the window goes.
func (w *MainAuthWrapper) status(s *session, id int64) uint8 {
	if id&3 != 0 { // one of ours
		if _, ok := s.findSent(id); ok {
			return stateReceived
		}
		return stateForgotten
	}
	if r := s.window.find(id); r != nil {
		if r.state&stateNoAck == 0 {
			r.state |= stateAcked // rule STATE-3: saying so acknowledges
			s.unack(id)
		}
		return r.state
	}
	return s.window.status(id)
}

// kept is the state of a call that is in work or answered, one of n asked for;
// 0: it is neither. For many it pays to make a table first.
func (w *MainAuthWrapper) kept(s *session, id int64, n int, table *map[int64]uint8) uint8 {
	const few = 16
	switch {
	case n > few && *table == nil:
		*table = w.allKept(s)
		fallthrough
	case n > few:
		return (*table)[id]
	case s.answerTo(id) != nil:
		return stateKept | stateAnswered
	case w.findCall(s, id) != nil:
		return stateKept
	}
	return 0
}

func (w *MainAuthWrapper) allKept(s *session) map[int64]uint8 {
	states := make(map[int64]uint8, len(s.sent)+len(s.queue)+len(w.calls))
	for _, c := range w.calls {
		if c.s == s {
			states[c.meta.MsgID] = stateKept
		}
	}
	for _, list := range [2][]outMsg{s.sent, s.queue} {
		for i := range list {
			if list[i].kind == outAnswer {
				states[list[i].req] = stateKept | stateAnswered
			}
		}
	}
	return states
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
