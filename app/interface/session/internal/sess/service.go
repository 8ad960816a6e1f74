package sess

import (
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// service handles one kind of service message.
type service func(w *MainAuthWrapper, s *session, m wire.Message)

// serviceOf returns what handles messages with a constructor id; nil when it
// is no service message of a client.
func serviceOf(id uint32) service {
	switch id {
	case wire.IDMsgsAck:
		return (*MainAuthWrapper).onAck
	case wire.IDPing:
		return (*MainAuthWrapper).onPing
	case wire.IDPingDelayDisconnect:
		return (*MainAuthWrapper).onPingDelay
	case wire.IDGetFutureSalts:
		return (*MainAuthWrapper).onGetFutureSalts
	case wire.IDDestroySession:
		return (*MainAuthWrapper).onDestroySession
	case wire.IDDestroyAuthKey:
		return (*MainAuthWrapper).onDestroyKey
	case wire.IDRPCDropAnswer:
		return (*MainAuthWrapper).onDropAnswer
	case wire.IDMsgsStateReq:
		return (*MainAuthWrapper).onStateReq
	case wire.IDMsgsAllInfo:
		return (*MainAuthWrapper).onAllInfo
	case wire.IDMsgResendReq:
		return (*MainAuthWrapper).onResendReq
	case wire.IDMsgResendAnsReq:
		return (*MainAuthWrapper).onResendAnswers
	case wire.IDHTTPWait:
		return (*MainAuthWrapper).onHTTPWait
	case wire.IDMsgsStateInfo, wire.IDMsgDetailedInfo, wire.IDMsgNewDetailedInfo, wire.IDPong,
		wire.IDBadMsgNotification, wire.IDBadServerSalt, wire.IDNewSessionCreated, wire.IDRPCResult:
		return (*MainAuthWrapper).onIgnored
	}
	return nil
}

// asksNothing reports whether a service message only says something: it has no
// answer.
func asksNothing(id uint32) bool {
	switch id {
	case wire.IDMsgsAck, wire.IDMsgsAllInfo, wire.IDMsgsStateInfo, wire.IDMsgDetailedInfo, wire.IDMsgNewDetailedInfo,
		wire.IDPong, wire.IDBadMsgNotification, wire.IDBadServerSalt, wire.IDNewSessionCreated, wire.IDRPCResult:
		return true
	}
	return false
}

// acknowledgeable reports whether msgs_ack names a service message whose seqno asks for
// an acknowledgment. It names those that have no answer, and destroy_auth_key, whose
// answer may come as late as that of a call. For the others their answer is the
// acknowledgment (rule ACK-6). msgs_ack and http_wait need none (rule ACK-5).
func acknowledgeable(id uint32) bool {
	return id == wire.IDDestroyAuthKey || id != wire.IDMsgsAck && asksNothing(id)
}

// repeatable reports whether a service message may simply be handled again
// when it comes again: its answer is not kept.
func repeatable(id uint32) bool {
	switch id {
	case wire.IDPing, wire.IDPingDelayDisconnect, wire.IDGetFutureSalts, wire.IDMsgsStateReq, wire.IDMsgResendReq,
		wire.IDMsgResendAnsReq, wire.IDDestroySession:
		return true
	}
	return false
}

// malformed answers a service message that does not parse.
func (w *MainAuthWrapper) malformed(s *session, m wire.Message) {
	w.undecodable(s, m.ID, errFetch)
}

// onAck handles msgs_ack (rules ACK-1 and ACK-7).
func (w *MainAuthWrapper) onAck(s *session, m wire.Message) {
	r := wire.NewReader(m.Body[4:])
	ids := r.Longs()
	if !r.Done() {
		w.count(CountUndecodable) // an ack is never answered
		return
	}
	w.acknowledged(s, ids)
}

// onPing handles ping (rule PING-1).
func (w *MainAuthWrapper) onPing(s *session, m wire.Message) {
	r := wire.NewReader(m.Body[4:])
	id := r.Long()
	if !r.Done() {
		w.malformed(s, m)
		return
	}
	w.pong(s, m.ID, id)
}

// onPingDelay handles ping_delay_disconnect (rule PING-2): without another one
// in time the session counts as disconnected. No gateway closes a connection
// for us. A delay of zero or less counts as one second (rule PING-3).
func (w *MainAuthWrapper) onPingDelay(s *session, m wire.Message) {
	r := wire.NewReader(m.Body[4:])
	id, delay := r.Long(), r.Int()
	if !r.Done() {
		w.malformed(s, m)
		return
	}
	const longest = 600 // seconds; real clients ask for 35 to 420
	s.pingAt, s.pingDelay = w.now, min(max(delay, 1), longest)
	w.pong(s, m.ID, id)
}

// pong answers a ping by the id of the message that holds the ping: in a container
// by the id of the member, not of the container (rule PING-4).
func (w *MainAuthWrapper) pong(s *session, msgID, pingID int64) {
	w.reply(s, wire.AppendPong(make([]byte, 0, 20), msgID, pingID))
}

// onHTTPWait handles http_wait (rule HTTP-4).
func (w *MainAuthWrapper) onHTTPWait(s *session, m wire.Message) {
	r := wire.NewReader(m.Body[4:])
	maxDelay, waitAfter, maxWait := r.Int(), r.Int(), r.Int()
	if !r.Done() {
		w.malformed(s, m)
		return
	}
	w.httpWait(s, maxDelay, waitAfter, maxWait)
}

// onIgnored reads what a client says of messages that we never ask
// about, and does nothing (rules STATE-7 and STATE-9).
func (w *MainAuthWrapper) onIgnored(*session, wire.Message) {}

// onDestroySession handles destroy_session (rule SESS-10): it ends another
// session of the same transport key.
func (w *MainAuthWrapper) onDestroySession(s *session, m wire.Message) {
	r := wire.NewReader(m.Body[4:])
	id := r.Long()
	if !r.Done() {
		w.malformed(s, m)
		return
	}
	other := s.list.find(id)
	ok := other != nil && other != s
	if ok {
		w.drop(other, EndDestroyed)
	}
	w.reply(s, wire.AppendDestroySession(make([]byte, 0, 12), id, ok))
}

// onDestroyKey handles destroy_auth_key (rule KEY-23).
func (w *MainAuthWrapper) onDestroyKey(s *session, m wire.Message) {
	if len(m.Body) != 4 {
		w.malformed(s, m)
		return
	}
	if w.busy() {
		w.count(CountOverload)
		w.answerError(s, m.ID, errFlood.Code, errFlood.Message)
		return
	}
	w.ask(ask{kind: askDestroy, list: s.list, s: s, msgID: m.ID}, &DestroyKey{AuthKeyID: s.list.authKeyID})
}

// onDestroyed completes destroy_auth_key (rule KEY-23). tdesktop takes the answer
// in an rpc_result only, TDLib only bare, and waits a minute for it; each passes
// over the other form.
func (w *MainAuthWrapper) onDestroyed(a ask, gone *KeysGone, e *RPCError) {
	id := uint32(wire.IDDestroyAuthKeyOK)
	switch {
	case e != nil:
		id = wire.IDDestroyAuthKeyFail
	case gone != nil && !gone.Existed:
		id = wire.IDDestroyAuthKeyNone
	}
	if e == nil && a.list.authKeyID == w.key {
		w.destroy() // before the answer, which is the last that leaves
	}
	if e != nil {
		w.login.doubt() // it may be gone all the same
	}
	w.respond(&a, nil, wire.AppendConstructor(nil, id))
	if a.s.list != nil && !a.dropped {
		w.reply(a.s, wire.AppendConstructor(nil, id))
	}
	if e == nil && a.list.authKeyID != w.key && w.has(a.list) { // a temp key, which goes alone
		w.flush(a.s)
		w.dropList(a.list, EndDestroyed)
	}
}

// onDropAnswer handles rpc_drop_answer (rule RPC-8) in its three outcomes.
func (w *MainAuthWrapper) onDropAnswer(s *session, m wire.Message) {
	r := wire.NewReader(m.Body[4:])
	req := r.Long()
	if !r.Done() {
		w.malformed(s, m)
		return
	}
	body := wire.AppendResult(make([]byte, 0, wire.ResultHeader+20), m.ID)
	if w.dropRunning(s, req) { // rule RPC-6
		w.answer(s, m.ID, wire.AppendConstructor(body, wire.IDRPCAnswerDroppedRunning))
		w.answer(s, req, wire.AppendConstructor(wire.AppendResult(nil, req), wire.IDRPCAnswerDroppedRunning))
		return
	}
	if a := s.answerTo(req); a != nil { // rule RPC-7
		w.stampID(s, a)
		body = wire.AppendAnswerDropped(body, a.id, a.seq, len(a.body))
		s.discard(func(o *outMsg) bool { return o.kind == outAnswer && o.req == req })
		s.window.lose(req) // who asks again has not heard that it is dropped
		s.unack(req)
	} else { // rule RPC-5
		body = wire.AppendConstructor(body, wire.IDRPCAnswerUnknown)
	}
	w.answer(s, m.ID, body)
}

// dropRunning has a call that is in work end without an answer, and says whether
// there is one.
func (w *MainAuthWrapper) dropRunning(s *session, req int64) bool {
	if c := w.findCall(s, req); c != nil && !c.answered {
		c.answered = true
		return true
	}
	if a := w.findAsk(s, req); a != nil && a.kind != askFutureSalts && !a.dropped { // that one is no call
		a.dropped = true
		return true
	}
	return false
}
