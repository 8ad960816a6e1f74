package sess

import (
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

const (
	updatesMessage = "Updates"
	updateMessage  = "Update"
	accountReset   = "updateAccountResetAuthorization" // never encoded for a client
)

// onPush delivers updates to the session that takes them (rule UPD-1).
func (w *MainAuthWrapper) onPush(in *PushUpdates) {
	if w.isReset(in.Updates) {
		w.onReset(in)
		return
	}
	switch w.login.state {
	case StateNormal:
		w.deliver(heldPush{in.Updates, in.Notification})
	case StateUnknown:
		w.holdPush(heldPush{in.Updates, in.Notification})
		w.loadState()
	case StateLoggedOut, StateRevoked:
		w.count(CountPushesLost)
	default: // sync pushes to users only: somebody may have logged in, and this node has not heard of it yet
		if w.login.trailing(w.now) {
			w.count(CountPushesLost)
			return
		}
		w.holdPush(heldPush{in.Updates, in.Notification})
		if w.login.stale || w.now-w.login.readAt >= int64(w.cfg.StateRefresh) {
			w.loadState()
		}
	}
}

// onReset takes updateAccountResetAuthorization (PEERS.md, "Pushes"). It goes to
// all keys of the user and concerns the one it names. Several services send it, so
// that the last may come when the client has logged in again: where it may mean an
// earlier login, by its user or because this one has only just begun, authsession
// is asked.
func (w *MainAuthWrapper) onReset(in *PushUpdates) {
	const young = 5 * time.Second
	if number(w.schema, updatesMessage, "auth_key_id", in.Updates) != w.key {
		return
	}
	user := number(w.schema, updatesMessage, "user_id", in.Updates)
	another := in.Notification || w.login.state == StateNormal && user != 0 && user != w.login.userID
	if !another && (w.login.state != StateNormal || w.now-w.login.at >= int64(young)) {
		w.revoke()
		return
	}
	if another {
		w.login.doubt()
	} else {
		w.login.suspectEnd()
	}
	w.loadState()
}

// isReset reports whether updates are updateAccountResetAuthorization, which
// the schema of clients does not have.
func (w *MainAuthWrapper) isReset(updates []byte) bool {
	const constructor = 0x1194cd3d
	if name := field(w.schema, updatesMessage, "predicate_name", updates); len(name) > 0 {
		return string(name) == accountReset
	}
	return number(w.schema, updatesMessage, "constructor", updates) == constructor
}

// deliver gives updates to the best session, or keeps them for one.
func (w *MainAuthWrapper) deliver(p heldPush) {
	s := w.updatesSession()
	w.notify(&p, s)
	if s == nil {
		w.holdPush(p)
	} else {
		w.push(s, p.updates)
	}
}

// notify wakes the session that takes push messages, once, unless it is s,
// which gets the updates themselves.
func (w *MainAuthWrapper) notify(p *heldPush, s *session) {
	if !p.notify || w.pushes.pushSession == 0 {
		return
	}
	p.notify = false
	if s == nil || s.id != w.pushes.pushSession {
		w.wakePushSession()
	}
}

// updatesSession chooses who takes updates: a session that is online before
// one that is not, one that asked for updates before one that merely called
// the API, that before one that is only supposed to take them, of these one
// that pings before one that moves files, and the latest before others (rules
// UPD-1 and UPD-2).
func (w *MainAuthWrapper) updatesSession() (best *session) {
	for s := range w.sessions() {
		if !s.takesUpdates() {
			continue
		}
		if best == nil {
			best = s
			continue
		}
		if a, b := w.rank(s), w.rank(best); a > b || a == b && s.lastSeen > best.lastSeen {
			best = s
		}
	}
	return best
}

// rank is how much a session is the one for updates.
func (w *MainAuthWrapper) rank(s *session) (rank int) {
	switch {
	case s.updates.passedOn: // its client has left it (left.go)
	case s == w.pushes.target:
		rank = 3
	case s.updates.subscribed:
		rank = 2
	case !s.updates.files:
		rank = 1
	}
	if s.online {
		rank += rankOnline
	}
	return rank
}

// rankOnline ranks a session that is online before each that is not.
const rankOnline = 4

// push queues updates for a session, as it can read them (rule UPD-3).
func (w *MainAuthWrapper) push(s *session, updates []byte) {
	layer := s.layer
	if layer == 0 {
		layer = w.profile.layer
	}
	body, ok := w.updatesBody(s, updates, layer)
	if !ok {
		return
	}
	w.count(CountPushes)
	if w.tooLarge(body) {
		w.mustFetch(s)
		return
	}
	w.enqueue(s, outMsg{kind: outPush, body: body})
}

// mustFetch has a session fetch an update that cannot be sent to it. An updatesTooLong that
// waits there already stands for this one, too, of which nobody else was told.
func (w *MainAuthWrapper) mustFetch(s *session) {
	w.waits(s)
	w.tooLong(s)
}

// updatesBody writes updates as a layer has them, packed if that is shorter. The body
// may be another key's, too: nobody writes to it. ok is false when the layer cannot have
// them; then the client is told, if it needs to know.
func (w *MainAuthWrapper) updatesBody(s *session, updates []byte, layer int32) (body []byte, ok bool) {
	known, hash := w.cfg.fanOut.find(updates, layer)
	if known != nil {
		if known.saved > 0 {
			w.countN(CountGzipSaved, known.saved)
		}
		return known.body, true
	}
	d := deflaters.Get().(*deflater)
	defer d.release()
	object, err := w.schema.Encode(d.object[:0], w.schema.Message(updatesMessage), updates, int(layer))
	if err != nil { // nothing is lost silently: the client asks for the difference
		w.count(CountEncodeFailed)
		w.fault("updates", nil, err)
		w.mustFetch(s)
		return nil, false
	}
	d.object = object
	if id, _ := wire.PeekID(object); id == wire.IDUpdatesTooLong { // the layer lacks something of it
		if w.counted(updates) {
			w.mustFetch(s)
		} else {
			w.count(CountPushesForeign)
		}
		return nil, false
	}
	body, _ = w.pack(d, object, 0, newBytes) // keys share it
	w.cfg.fanOut.note(hash, written{updates, layer, body, max(len(object)-len(body), 0)})
	return body, true
}

// counted reports whether updates carry a pts or a qts, so that a client which does not
// get them could fetch them as a difference (rule UPD-6). updates.getDifference does not
// bring any others. A client that is told to fetch because its layer lacks such an
// update would fetch in vain, each time anew.
func (w *MainAuthWrapper) counted(updates []byte) bool {
	if w.schema.Predicate(updatesMessage, updates) != "updateShort" {
		return true
	}
	update := field(w.schema, updatesMessage, "update", updates)
	for _, name := range [...]string{"pts_INT32", "pts", "qts"} {
		if number(w.schema, updateMessage, name, update) != 0 {
			return true
		}
	}
	return field(w.schema, updateMessage, "pts_FLAGINT32", update) != nil
}

// holdPush keeps updates until a session takes them; too many collapse into
// one updatesTooLong.
func (w *MainAuthWrapper) holdPush(p heldPush) {
	if lost := w.pushes.hold(p, w.now, w.cfg.HeldPushes); lost > 0 {
		w.countN(CountPushesLost, lost)
	}
}

// deliverHeld delivers what was held, now that the state may be known.
func (w *MainAuthWrapper) deliverHeld() {
	if w.login.state != StateNormal {
		if w.login.state != StateUnknown {
			w.dropHeld()
		}
		return
	}
	s := w.updatesSession()
	if s == nil {
		if w.pushes.takeNotices() {
			w.wakePushSession()
		}
		return
	}
	for _, p := range w.pushes.take() {
		w.deliver(p)
	}
}

func (w *MainAuthWrapper) dropHeld() {
	w.countN(CountPushesLost, w.pushes.drop())
}

// behind reports whether there are updates that the client may not have.
func (w *MainAuthWrapper) behind() bool {
	if w.pushes.behind() {
		return true
	}
	for s := range w.sessions() {
		if s.keepsUpdates() {
			return true
		}
	}
	return false
}

// dropPushes forgets all updates: their login has ended. It reports whether
// there were any.
func (w *MainAuthWrapper) dropPushes() (lost bool) {
	lost = w.pushes.endLogin()
	for s := range w.sessions() {
		s.updates.told()
		if n := s.discard(func(m *outMsg) bool { return isUpdate(*m) }); n > 0 {
			w.countN(CountPushesLost, n)
			lost = true
		}
	}
	return lost
}

// subscribe notes that a call makes its session one that takes updates (rules
// UPD-2, UPD-8 and INIT-7).
func (w *MainAuthWrapper) subscribe(c *pendingCall) {
	s := c.s
	if c.trait&traitDevice != 0 && c.device != 0 && w.pushes.register(c.device) {
		if w.busy() {
			w.pushes.registered(c.device, true)
		} else {
			w.ask(ask{kind: askPushSession, device: c.device}, &SetPushSession{AuthKeyID: w.key, UserID: w.login.userID, SessionID: c.device})
		}
	}
	if s.list == nil || s.list.media() {
		return
	}
	switch {
	case c.quiet:
		s.updates.decline()
		return
	case c.trait&traitUpdates != 0:
		w.pushes.askedBy(s)
		s.updates.ask()
	case c.trait&traitFile != 0:
		s.updates.moveFile()
		return
	default:
		if s.updates.call(); !s.updates.subscribed {
			return
		}
	}
	if c.trait&traitSync != 0 {
		c.syncing = s.updates.holdBack()
	}
	if len(w.pushes.held) > 0 {
		w.deliverHeld()
	}
}

// release lets the updates of s go that waited for a difference.
func (w *MainAuthWrapper) release(s *session) {
	s.updates.letGo()
	if s.http != nil && len(s.queue) > 0 {
		s.http.queued(w.now)
	}
	s.touch()
}

// wakePushSession sends updatesTooLong to the session that takes push messages: now, or
// when it is there. In the outbox of one that is offline it would be an update that waits,
// of which another session is told (left.go).
func (w *MainAuthWrapper) wakePushSession() {
	w.pushes.wake()
	for s := range w.sessions() {
		if w.pushes.isPushSession(s) && s.online {
			w.pushes.woken()
			w.tooLong(s)
		}
	}
}

// onSessionPush delivers updates to one session (PEERS.md, "Pushes").
func (w *MainAuthWrapper) onSessionPush(in *PushSessionUpdates) {
	if w.login.trailing(w.now) || w.login.state == StateRevoked { // it is meant for the login that has ended
		w.count(CountPushesLost)
		return
	}
	for l := range w.lists() {
		if l.authKeyID != in.AuthKeyID {
			continue
		}
		if s := l.find(in.SessionID); s != nil && !s.ended && !s.doomed {
			w.push(s, in.Updates)
			return
		}
	}
	// The session has ended or has not come here yet, so the update is lost. Its client
	// is told to fetch the difference.
	w.count(CountPushesLost)
	if w.login.state == StateNormal {
		w.pushes.lose()
	}
}

// onPushedResult completes a call that a BFF promised a result for (PEERS.md,
// "Pushes").
func (w *MainAuthWrapper) onPushedResult(in *PushRPCResult) {
	c := w.promised(in)
	if c == nil {
		w.count(CountResultsOrphan)
		return
	}
	if req, ok := wire.ResultOf(in.RPCResult); !ok || req != in.ReqMsgID {
		w.count(CountEncodeFailed)
		w.fault("pushed result", c.method, wire.ErrPacket)
		return
	}
	w.finishCall(c)
	if c.s.list == nil {
		return
	}
	r := wire.NewReader(in.RPCResult[wire.ResultHeader:])
	failed := r.ID() == wire.IDRPCError
	if failed {
		c.s.window.fail(in.ReqMsgID) // rule AFTER-2
	}
	switch {
	case c.answered:
	case failed:
		code, text := r.Int(), string(r.Bytes())
		w.answerError(c.s, in.ReqMsgID, code, text)
	default:
		w.answer(c.s, in.ReqMsgID, in.RPCResult)
	}
}

// promised finds the call that a pushed result answers. Two transport keys may
// have used the same ids: then it is the call of the key that the result
// names. Not every sender names it.
func (w *MainAuthWrapper) promised(in *PushRPCResult) (found *pendingCall) {
	for _, c := range w.calls.list {
		if c.meta.MsgID != in.ReqMsgID || c.meta.SessionID != in.SessionID || c.phase != phasePushed && c.phase != phaseRunning {
			continue
		}
		if c.meta.AuthKeyID == in.AuthKeyID {
			return c
		}
		if found == nil {
			found = c
		}
	}
	return found
}
