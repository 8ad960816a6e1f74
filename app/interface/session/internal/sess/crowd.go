package sess

import (
	"cmp"
	"slices"
)

// What one session keeps for its client is bounded by AnswerBytes. A key has many
// sessions, and a client many keys: what the sessions of a key keep together is
// bounded by KeyBytes, and by an eighth of that while nobody is logged in, for then
// answers are short. Without that bound a key held 64 times AnswerBytes for as long
// as its client sent a ping now and then.

// keyBytes is what the sessions of the key may keep together. It has room for the
// largest answer.
func (w *MainAuthWrapper) keyBytes() int {
	if w.login.state == StateNormal || w.undecided() {
		return w.cfg.KeyBytes
	}
	return max(w.cfg.KeyBytes/8, w.cfg.PayloadBytes)
}

// lighten makes room where the sessions of the key keep too much: first what their
// clients have, as far as can be told, then what the session keeps that was silent
// longest, and so on. Who asks again is answered ANSWER_FORGOTTEN, and updates
// collapse into updatesTooLong.
func (w *MainAuthWrapper) lighten() {
	over := w.held() - w.keyBytes()
	if over <= 0 {
		return
	}
	sessions := slices.SortedFunc(w.sessions(), func(a, b *session) int { return cmp.Compare(a.lastSeen, b.lastSeen) })
	for _, s := range sessions {
		before := s.bytes
		w.presume(s, s.lastSeen-int64(settledFor))
		s.discard(func(m *outMsg) bool {
			if !m.had || m.due || over <= before-s.bytes {
				return false
			}
			s.window.lose(m.req)
			return true
		})
		over -= before - s.bytes
	}
	for _, s := range sessions {
		if over <= 0 {
			return
		}
		before := s.bytes
		w.reduce(s, max(0, s.bytes-over))
		over -= before - s.bytes
	}
}

// reduce has a session keep no more than most bytes, if that is possible: answers
// that were sent give way, then those that were not, then updates.
func (w *MainAuthWrapper) reduce(s *session, most int) {
	for s.bytes > most && w.forget(s, &s.sent) {
	}
	w.shrink(s, most)
	if s.bytes <= most {
		return
	}
	if lost := s.discard(func(m *outMsg) bool { return m.kind == outPush }); lost > 0 {
		w.countN(CountPushesLost, lost)
		w.tooLong(s)
	}
}
