package sess

import (
	"slices"
	"strings"

	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/app/internal/buffers"
)

// outKind is what a message of ours is, by how it is kept.
type outKind uint8

const (
	outAnswer   outKind = iota // rpc_result: kept until acknowledged
	outPush                    // updates: kept, but may collapse into updatesTooLong
	outTooLong                 // that updatesTooLong
	outGreeting                // new_session_created
	outReply                   // answers a service message; not content-related
	outNote                    // other service messages of ours
)

// outMsg is a message for the client. It gets its id and seqno when it is
// first sent, and keeps them (rule SEQ-6).
type outMsg struct {
	id     int64
	req    int64 // message that it answers; 0: none
	body   []byte
	room   *buffers.Room // where body is; nil: it is the garbage collector's
	trace  *Trace        // of the call that it answers, until it is sent; nil: none
	sentAt int64         // when it was last sent or announced; 0: never sent
	seq    int32
	kind   outKind
	sends  uint8 // how often it was sent
	tries  uint8 // how often it was sent or announced on this connection
	due    bool  // to be sent again
	told   bool  // announced since it was last sent
	had    bool  // an answer that the client has, as far as can be told
}

// release lets go of the body of a message that leaves the outbox. Packets on their way
// hold it themselves.
func (m *outMsg) release() {
	m.room.Free()
	m.body, m.room = nil, nil
}

func (m *outMsg) content() bool { return m.kind < outReply }

// parity is what the message's id says of it (rule MSGID-2).
func (m *outMsg) parity() int64 {
	if m.kind == outAnswer || m.kind == outReply {
		return idAnswer
	}
	return idNotice
}

// enqueue puts a message into the outbox of s.
func (w *MainAuthWrapper) enqueue(s *session, m outMsg) {
	s.queue = append(s.queue, m)
	s.bytes += len(m.body)
	if isUpdate(m) {
		w.waits(s)
	}
	if s.http != nil {
		s.http.queued(w.now)
	}
	if len(s.queue)+len(s.sent) > w.cfg.OutboxMessages || s.bytes > w.cfg.OutboxBytes {
		w.overflow(s)
	}
	s.touch()
}

// waits notes that one more update waits in a session's outbox.
func (w *MainAuthWrapper) waits(s *session) {
	if s.updates.unpass(); !s.online {
		w.pushes.strand()
	}
}

// overflow makes room: answers are kept as long as they can be, unless the client
// has them; pushes collapse into one updatesTooLong (rule UPD-5). Where bytes are
// short, it is by their own: a file on its way to the client must not cost it every
// update.
func (w *MainAuthWrapper) overflow(s *session) {
	w.forgetHad(s)
	lost := 0
	if s.crowd() > w.cfg.OutboxMessages || s.pushBytes() > w.cfg.OutboxBytes {
		lost = s.discard(func(m *outMsg) bool { return m.kind == outPush })
	}
	if lost > 0 {
		w.countN(CountPushesLost, lost)
		w.tooLong(s)
	}
	// What is left are answers. Those that were sent once give way, oldest
	// first; a repeated request is told so.
	for w.crowded(s, 0) && w.forget(s, &s.sent) {
	}
	if s.server != "" {
		return // the others leave at the end of the step
	}
	w.shrink(s, w.cfg.AnswerBytes)
	room := 0
	if s.reachable() { // one packet may be owed that many
		room = w.cfg.ContainerIn
	}
	for w.crowded(s, room) && w.forget(s, &s.queue) {
	}
}

// crowd is how many messages the outbox holds. What leaves at the end of the step
// and is not kept does not count: a packet of many pings costs nobody an update.
func (s *session) crowd() int {
	n := len(s.queue) + len(s.sent)
	if s.server != "" {
		for i := range s.queue {
			if !s.queue[i].content() {
				n--
			}
		}
	}
	return n
}

// crowded reports whether even answers have to give way, with room for some
// more.
func (w *MainAuthWrapper) crowded(s *session, room int) bool {
	return s.crowd() > w.cfg.OutboxMessages+room || s.bytes > w.cfg.AnswerBytes
}

// forget drops the oldest answer of a list and says whether there was one.
func (w *MainAuthWrapper) forget(s *session, list *[]outMsg) bool {
	i := slices.IndexFunc(*list, func(m outMsg) bool { return m.kind == outAnswer || !m.content() })
	if i < 0 {
		return false
	}
	m := &(*list)[i]
	s.bytes -= len(m.body)
	if m.release(); m.kind == outAnswer {
		s.window.lose(m.req)
		w.count(CountAnswersLost)
	}
	*list = slices.Delete(*list, i, i+1)
	return true
}

// shrink turns answers that found no way to the client into errors, oldest
// first, until the session keeps no more than most bytes: who asked has to be told
// something.
func (w *MainAuthWrapper) shrink(s *session, most int) {
	for i := 0; i < len(s.queue) && s.bytes > most; i++ {
		m := &s.queue[i]
		if m.kind != outAnswer {
			continue
		}
		body := wire.AppendError(wire.AppendResult(nil, m.req), errForgotten.Code, errForgotten.Message)
		if len(body) >= len(m.body) {
			continue
		}
		s.bytes -= len(m.body) - len(body)
		m.release()
		m.body = body
		s.window.fail(m.req)
		w.count(CountAnswersLost)
	}
}

// pushBytes is the size of the updates that a session is to get.
func (s *session) pushBytes() (n int) {
	for _, list := range [2][]outMsg{s.queue, s.sent} {
		for i := range list {
			if list[i].kind == outPush {
				n += len(list[i].body)
			}
		}
	}
	return n
}

// tooLong queues updatesTooLong, unless one is queued. It stands for those that
// were sent before, too.
func (w *MainAuthWrapper) tooLong(s *session) {
	if !slices.ContainsFunc(s.queue, func(m outMsg) bool { return m.kind == outTooLong }) {
		s.discard(func(m *outMsg) bool { return m.kind == outTooLong })
		w.enqueue(s, outMsg{kind: outTooLong, body: wire.AppendConstructor(nil, wire.IDUpdatesTooLong)})
	}
}

// discard removes the messages that match and says how many there were. No message is
// there twice meanwhile: after a panic of match each room would be left twice, the second
// time while it is another's.
func (s *session) discard(match func(*outMsg) bool) (n int) {
	remove := func(list []outMsg) []outMsg {
		for i := range list {
			if m := &list[i]; match(m) {
				s.bytes -= len(m.body)
				m.release()
				n++
			}
		}
		return slices.DeleteFunc(list, func(m outMsg) bool { return m.body == nil })
	}
	s.queue, s.sent = remove(s.queue), remove(s.sent)
	s.compact()
	return n
}

// compact gives an empty outbox's memory back.
func (s *session) compact() {
	if len(s.queue) == 0 {
		s.queue = nil
	}
	if len(s.sent) == 0 {
		s.sent, s.resendAt = nil, 0
	}
}

// findSent finds a sent message by its id.
func (s *session) findSent(id int64) (int, bool) {
	return slices.BinarySearchFunc(s.sent, id, func(m outMsg, id int64) int {
		switch {
		case m.id < id:
			return -1
		case m.id > id:
			return 1
		}
		return 0
	})
}

// answerTo finds the kept answer to a request, sent or not.
func (s *session) answerTo(req int64) *outMsg {
	for _, list := range [2][]outMsg{s.sent, s.queue} {
		for i := range list {
			if list[i].req == req && list[i].kind == outAnswer {
				return &list[i]
			}
		}
	}
	return nil
}

// reply queues an answer to a service message.
func (w *MainAuthWrapper) reply(s *session, body []byte) {
	w.enqueue(s, outMsg{kind: outReply, body: body})
}

// note queues a service message of ours.
func (w *MainAuthWrapper) note(s *session, body []byte) {
	w.enqueue(s, outMsg{kind: outNote, body: body})
}

// answer queues an rpc_result, which also acknowledges the request (rule
// ACK-3).
func (w *MainAuthWrapper) answer(s *session, req int64, body []byte) { w.answerIn(s, req, body, nil) }

// answerIn is answer with a body in a room, which the outbox holds from here on.
func (w *MainAuthWrapper) answerIn(s *session, req int64, body []byte, room *buffers.Room) {
	if w.tooLarge(body) {
		room.Free()
		w.count(CountEncodeFailed)
		w.answerError(s, req, rpcerr.ErrResponseTooLong.Code, rpcerr.ErrResponseTooLong.Message)
		return
	}
	s.unack(req)
	if r := s.window.find(req); r != nil {
		r.state |= stateAnswered | stateAcked
	}
	m := outMsg{kind: outAnswer, req: req, body: body, room: room}
	if w.out.concluded == req {
		m.trace = w.out.concludedTrace
	}
	w.enqueue(s, m)
}

// ErrorText reports whether a text is one of rpc_error, as clients know them: capitals,
// digits and underscores, at most 128 (rule RPC-2).
func ErrorText(text string) bool {
	const longest = 128
	return text != "" && len(text) <= longest && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// public is an error as clients may see it. Texts in other words are those of gRPC, Go
// and databases: they name hosts and tables, and are for operators. Whoever is
// refused by a code that ends a call is refused by it still; one that a client
// would act upon, as by logging out, is a fault without its text.
func public(code int32, text string) (publicCode int32, publicText string) {
	switch {
	case ErrorText(text) || code == ErrTimeout.Code && text == ErrTimeout.Message:
		return code, text
	case code == 400 || code == 403 || code == 404 || code == 406:
		return code, ErrInternal.Message
	}
	return ErrInternal.Code, ErrInternal.Message
}

// tooLarge reports whether no packet can carry a message with this body.
func (w *MainAuthWrapper) tooLarge(body []byte) bool {
	return len(body) > w.cfg.PayloadBytes-wire.PacketHeader-wire.Container-wire.MessageHeader
}

// answerError answers a request by rpc_error.
func (w *MainAuthWrapper) answerError(s *session, req int64, code int32, message string) {
	code, message = public(code, message)
	s.window.fail(req)
	body := make([]byte, 0, wire.ResultHeader+12+len(message)+4)
	w.answer(s, req, wire.AppendError(wire.AppendResult(body, req), code, message))
}
