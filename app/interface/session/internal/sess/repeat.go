package sess

import (
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// What the client does not acknowledge is repeated: after a while on the connection
// that carried it, a few times (rule ACK-8), and at once on the next one (rule
// SESS-11). Large messages are announced instead (rules STATE-8 and STATE-9), and
// sent again when the client asks for them: what it asks for it lacks, and of what
// it has, it may have acknowledged everything in vain. TDLib loses the
// acknowledgments that it gathers for up to 30 s with its connection, gives none for
// an answer that comes again, and closes a connection after 256 KiB of such answers.
//
// Not everything is acknowledged by everyone: gotd acknowledges nothing that came in
// a container, mtcute nothing that came twice. So an answer counts as had by the
// client when it has acknowledged what was sent some time later on the same TCP
// connection, which keeps its order. Such an answer is not repeated any more, is
// announced once on the next connection, gives way before others, and is forgotten
// after a while. Should the client lack it all the same, because its gateway lost a
// packet without a word, it asks or repeats the call: it gets the answer while that
// is there, and ANSWER_FORGOTTEN later. Updates stay until they are acknowledged or
// collapse into updatesTooLong: of them nobody would ask.
const (
	repeatBytes = 128 << 10        // of messages repeated at a time; more are announced
	mostSends   = 8                // an update sent as often collapses with the others
	settledFor  = 6 * time.Second  // by then it is known if a gateway did not take a packet
	hadFor      = 60 * time.Second // an answer that the client has is kept that long
)

// dueAt is when the message goes out again if nothing else happens: later
// each time, and at last never; 0.
func (m *outMsg) dueAt(cfg *Config) int64 {
	switch {
	case m.had || int(m.tries) > cfg.ResendLimit:
		return 0
	case m.tries == 0: // repeated as soon as there is a way
		return m.sentAt
	}
	return m.sentAt + int64(cfg.ResendAfter)<<(m.tries-1)
}

// repeatAll repeats everything that is not acknowledged and was sent on another
// connection: the present one is new, and so is its schedule.
func (w *MainAuthWrapper) repeatAll(s *session) {
	earlier := func(m *outMsg) bool { return m.sentAt <= s.connAt }
	if slices.ContainsFunc(s.sent, func(m outMsg) bool { return m.kind == outPush && m.sends >= mostSends }) {
		w.countN(CountPushesLost, s.discard(func(m *outMsg) bool { return m.kind == outPush }))
		w.tooLong(s)
	}
	for i := range s.sent {
		if earlier(&s.sent[i]) {
			s.sent[i].tries = 0
		}
	}
	w.repeat(s, earlier)
}

// repeatDue repeats what was sent long ago. On a connection that lives the client
// most likely has it.
func (w *MainAuthWrapper) repeatDue(s *session) {
	w.repeat(s, func(m *outMsg) bool {
		at := m.dueAt(w.cfg)
		return at != 0 && at <= w.now
	})
}

// repeat has those messages sent again that match, or announced.
func (w *MainAuthWrapper) repeat(s *session, match func(*outMsg) bool) {
	left := repeatBytes
	var notes [][]byte
	for i := range s.sent {
		m := &s.sent[i]
		switch optional := m.kind == outAnswer || m.kind == outPush; {
		case m.due || !match(m):
		case optional && (m.had || len(m.body) >= w.cfg.DetailedFrom || len(m.body) > left):
			notes = append(notes, m.announce(w.now))
		default:
			left -= len(m.body)
			m.due = true
		}
	}
	w.plan(s)
	for _, n := range notes { // last, for each may make another message give way
		w.spend(wire.MessageHeader + len(n))
		w.note(s, n)
	}
	s.touch()
}

// announce is what tells of a message without its body. The client acknowledges it
// or asks for it.
func (m *outMsg) announce(now int64) []byte {
	m.told, m.sentAt = true, now
	if m.tries < 250 {
		m.tries++
	}
	if m.kind == outAnswer {
		return wire.AppendDetailedInfo(nil, m.req, m.id, len(m.body), int32(stateReceived))
	}
	return wire.AppendNewDetailedInfo(nil, m.id, len(m.body))
}

// repeatAnswer repeats a kept answer, or announces it when it is large. Who was told
// of it, and repeats the call, does not understand announcements: gotd.
func (w *MainAuthWrapper) repeatAnswer(s *session, req int64) bool {
	a := s.answerTo(req)
	switch {
	case a == nil:
		return false
	case a.id == 0: // about to be sent
	case len(a.body) >= w.cfg.DetailedFrom && !a.told:
		w.note(s, a.announce(w.now))
	default:
		a.due = true
		if s.http != nil {
			s.http.queued(w.now)
		}
	}
	s.touch()
	return true
}

// acknowledged drops the messages that the client says it has (rule ACK-7).
func (w *MainAuthWrapper) acknowledged(s *session, ids wire.Longs) {
	gone, until := false, int64(0)
	for i := range ids.Len() {
		if j, ok := s.findSent(ids.At(i)); ok && s.sent[j].body != nil {
			m := &s.sent[j]
			if r := s.window.find(m.req); m.kind == outAnswer && r != nil {
				r.state |= stateConfirmed
			}
			if m.sends == 1 { // else it may be another sending that it has
				until = max(until, m.sentAt)
			}
			s.bytes -= len(m.body)
			m.release()
			gone = true
			w.count(CountAcks)
		}
	}
	if !gone {
		return
	}
	s.sent = slices.DeleteFunc(s.sent, func(m outMsg) bool { return m.body == nil })
	w.presume(s, until-int64(settledFor))
	w.plan(s)
	s.compact()
}

// presume notes that the client has the answers that left until then on this
// connection.
func (w *MainAuthWrapper) presume(s *session, until int64) {
	if s.server == "" {
		return
	}
	for i := range s.sent {
		if m := &s.sent[i]; m.kind == outAnswer && m.sentAt >= s.connAt && m.sentAt <= until {
			m.had = true
		}
	}
}

// forgetHad makes room, as far as answers are in the way that the client has: by
// what it acknowledged, or because it has gone on to speak since on the connection
// that carried them.
func (w *MainAuthWrapper) forgetHad(s *session) {
	over, bytes := s.crowd()-w.cfg.OutboxMessages, s.bytes-w.cfg.AnswerBytes
	if over <= 0 && bytes <= 0 {
		return
	}
	w.presume(s, s.lastSeen-int64(settledFor))
	s.discard(func(m *outMsg) bool {
		if !m.had || m.due || over <= 0 && bytes <= 0 {
			return false
		}
		over, bytes = over-1, bytes-len(m.body)
		s.window.lose(m.req)
		return true
	})
}

// plan finds out when the next repetition is due. What will not be repeated any
// more, and need not be kept, is forgotten: answers that the client has, and those
// that were repeated as often as they may be while it went on to speak.
func (w *MainAuthWrapper) plan(s *session) {
	s.resendAt = 0
	done := false
	for i := range s.sent {
		m := &s.sent[i]
		if at := m.dueAt(w.cfg); at != 0 && !m.due && (s.resendAt == 0 || at < s.resendAt) {
			s.resendAt = at
		}
		done = done || w.outdated(s, m)
	}
	if done {
		s.discard(func(m *outMsg) bool {
			if !w.outdated(s, m) {
				return false
			}
			s.window.lose(m.req)
			return true
		})
	}
}

// outdated reports whether nobody will want an answer any more.
func (w *MainAuthWrapper) outdated(s *session, m *outMsg) bool {
	if m.kind != outAnswer || m.sentAt == 0 || m.due || w.now-m.sentAt < int64(hadFor) {
		return false
	}
	return m.had || int(m.tries) > w.cfg.ResendLimit && s.lastSeen-m.sentAt >= int64(settledFor)
}
