package sess

import (
	"strconv"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/app/internal/buffers"
)

const needPassword = "SESSION_PASSWORD_NEEDED"

// loginMark is what is known of the marks that bracket a call.
type loginMark struct {
	owner int64      // names the call
	user  int64      // whose login it has completed, as the BFF says; 0: nobody's
	word  *LoginWord // of storage when the mark was cleared; nil: none
	done  *CallDone  // the outcome, while the mark is being cleared
	told  bool       // storage says what it thinks of marks, and tells one from another
	tries uint8      // to clear it
}

// mark brackets a call that may log in, or leave a login that owes its password
// (rule ERR-6; PEERS.md, "Our own calls"): from here until the outcome is known, a
// crash leaves a key that owes it, whatever the BFF has done. The mark names the
// call, so that no other clears it.
func (w *MainAuthWrapper) mark(c *pendingCall) {
	c.phase, c.mark = phaseMarking, new(loginMark)
	for c.mark.owner == 0 {
		c.mark.owner = w.random()
	}
	w.ask(ask{kind: askMark, call: c}, &SetPasswordPending{AuthKeyID: w.key, Owner: c.mark.owner, Pending: true})
}

// onMarked goes on with such a call (rule ERR-6).
func (w *MainAuthWrapper) onMarked(c *pendingCall, word *LoginWord, e *RPCError) {
	c.mark.told = word.says()
	switch {
	case e != nil && e.Code == 401: // authsession's word, not a fault: the key is gone
		w.login.doubt()
		w.refuse(c, e)
	case e != nil:
		w.fault("password mark", c.method, e)
		w.refuse(c, ErrInternal)
	case c.s.list == nil: // nobody waits for it, and its message may have come again
		w.onMethodDone(c, &CallDone{Err: errSessionGone})
	default:
		w.invoke(c)
	}
}

// says reports whether storage has said anything.
func (l *LoginWord) says() bool { return l != nil && l.State != StateUnknown }

// errSessionGone is the outcome of a call that was not made because its session
// had ended. Nobody sees it.
var errSessionGone = rpcerr.ErrSessionGone

// onMethodDone takes the outcome of an API call (rules RPC-1 and RPC-2).
func (w *MainAuthWrapper) onMethodDone(c *pendingCall, in *CallDone) {
	if r, ok := in.Result.(*MethodResult); ok && r.Pushed && in.Err == nil {
		r.free()
		w.calls.promised()
		c.phase = phasePushed
		c.deadline = w.now + int64(w.cfg.PushedWait)
		return
	}
	if user, ok := w.concludesPassword(c, in); ok {
		c.mark.done, c.mark.user = in, user
		w.clearMark(c)
		return
	}
	w.conclude(c, in)
}

// concludesPassword reports whether an outcome says for certain what is owed: a login of
// user is complete, or there is none (0). A fault says nothing. Where storage
// cannot tell one mark from another, who owes a password does not get out of it
// by another attempt.
func (w *MainAuthWrapper) concludesPassword(c *pendingCall, in *CallDone) (user int64, ok bool) {
	if c.mark == nil {
		return 0, false
	}
	if e := in.Err; e != nil {
		ok = e.Code >= 300 && e.Code < 500 && !strings.HasPrefix(e.Message, needPassword)
	} else {
		res, _ := in.Result.(*MethodResult)
		if user = w.userOf(res); user != 0 {
			return user, true
		}
		ok = true
	}
	return 0, ok && (c.mark.told || w.login.state != StateNeedPassword)
}

func (w *MainAuthWrapper) clearMark(c *pendingCall) {
	const pause = 100 * time.Millisecond
	switch c.phase = phaseClearing; {
	case w.leaving: // the node that gets the key does
		c.deadline = w.now
		return
	case w.asksFor(askMarkUser): // overtaken by what it is told now, storage would take the login for one that owes its password
		c.deadline = w.now + int64(pause)
		return
	}
	c.deadline = 0 // of the wait for another node, where the call was moved
	w.ask(ask{kind: askClear, call: c}, &SetPasswordPending{AuthKeyID: w.key, UserID: c.mark.user, Owner: c.mark.owner})
}

// onCleared gives the client its answer, now that a restart would not ask for
// the password again, and that storage has said whether the login is one
// (PEERS.md, "Our own calls"). A failure is tried again a few times; then what is
// left of it goes before the next read of the state. A node that lets the key go
// does not insist where the mark could be another's: on the next one a new login
// may owe its password by then.
func (w *MainAuthWrapper) onCleared(c *pendingCall, word *LoginWord, e *RPCError) {
	const tries, pause = 5, 500 * time.Millisecond
	m := c.mark
	if m.tries++; e != nil && m.tries < tries && (m.told || !w.draining) {
		c.deadline = w.now + int64(pause)<<m.tries
		return
	}
	if e != nil {
		w.fault("password mark", c.method, e)
		w.login.keepMark(&SetPasswordPending{AuthKeyID: w.key, UserID: m.user, Owner: m.owner})
	}
	m.word = word
	w.conclude(c, m.done)
}

// conclude ends a call: what it did to the login, then its answer.
func (w *MainAuthWrapper) conclude(c *pendingCall, in *CallDone) {
	w.finishCall(c)
	res, _ := in.Result.(*MethodResult)
	e := in.Err
	switch {
	case res != nil:
		defer res.free()
		w.calls.weigh(c, len(res.PB))
		w.haveAnswered(c, len(res.PB))
	case e == nil:
		e = ErrInternal
	}
	if e == nil && c.ttlDays > 0 && c.meta.UserID != 0 { // of who asked, whoever is there now
		w.ask(ask{kind: askTTL}, &SetTTL{UserID: c.meta.UserID, Days: c.ttlDays})
	}
	switch {
	case w.login.destroyed:
		e = errUnregistered
	case !c.stale || c.trait&traitMarked != 0:
		e = w.applyOutcome(c, res, e)
	}
	if c.s.list == nil {
		w.count(CountResultsOrphan)
		return
	}
	if c.answered { // rpc_drop_answer; but others may wait for the outcome
		if e != nil {
			c.s.window.fail(c.meta.MsgID)
		}
		return
	}
	if e != nil {
		w.answerError(c.s, c.meta.MsgID, e.Code, e.Message)
		return
	}
	body, room, err := w.result(c, res)
	if err != nil {
		w.count(CountEncodeFailed)
		w.fault("result", res.Method, err)
		w.answerError(c.s, c.meta.MsgID, ErrInternal.Code, ErrInternal.Message)
		return
	}
	w.answerIn(c.s, c.meta.MsgID, body, room)
}

// free gives the room of a reply back that nobody reads any more.
func (r *MethodResult) free() {
	if r.Room != nil {
		r.Room.Free()
	}
	r.PB, r.Room = nil, nil
}

// result writes rpc_result as the session that asked can read it (rule INIT-6). A large
// one lies in a room.
func (w *MainAuthWrapper) result(c *pendingCall, res *MethodResult) (body []byte, room *buffers.Room, err error) {
	m := res.Method
	if m == nil {
		m = c.method
	}
	if noGzip[m.Result] {
		empty, room := buffers.NewRoom(wire.ResultHeader + len(res.PB) + len(res.PB)/4 + 16)
		body, err = w.schema.Encode(wire.AppendResult(empty, c.meta.MsgID), m.Reply, res.PB, int(c.meta.Layer))
		if err != nil || &body[0] != &empty[:1][0] { // it has outgrown its room
			room.Free()
			room = nil
		}
		return body, room, err
	}
	d := deflaters.Get().(*deflater)
	defer d.release()
	object, err := w.schema.Encode(wire.AppendResult(d.object[:0], c.meta.MsgID), m.Reply, res.PB, int(c.meta.Layer))
	if err != nil {
		return nil, nil, err
	}
	d.object = object
	body, room = w.pack(d, object, wire.ResultHeader, buffers.NewRoom)
	return body, room, nil
}

// applyOutcome draws the conclusions from the outcome of a call (PEERS.md, "Auth
// states"), by the request's method, and returns the error for the client.
func (w *MainAuthWrapper) applyOutcome(c *pendingCall, res *MethodResult, e *RPCError) *RPCError {
	asked, owes := strings.CutPrefix(errorText(e), needPassword+"_")
	if owes { // who it is stays between the BFF and us
		e = rpcerr.ErrPasswordNeeded
	}
	if c.trait&(traitMarked|traitLogOut|traitDoubt) == 0 {
		if e != nil && e.Code == 401 && w.login.state == StateNormal {
			w.login.doubt()
		}
		return e
	}
	switch {
	case owes && c.trait&traitMarked != 0:
		w.owePassword(c, asked)
	case c.trait&traitLogOut != 0 && w.login.state == StateNormal && c.meta.UserID != w.login.userID:
		w.login.doubt() // another one has logged in since
	case e != nil && c.trait&traitLogOut != 0:
		w.logOut(StateUnknown) // authsession knows how far it came
	case e != nil:
		w.login.doubt()
	case c.trait&traitLogOut != 0:
		w.logOut(StateLoggedOut)
	default:
		return w.loginBy(c, w.userOf(res))
	}
	return e
}

func errorText(e *RPCError) string {
	if e == nil {
		return ""
	}
	return e.Message
}

// loginBy takes the login of a user from a call that succeeded, if it was one. An
// answer alone is no proof, where storage can tell: the login may have been ended
// while its password was owed, or since.
func (w *MainAuthWrapper) loginBy(c *pendingCall, user int64) *RPCError {
	if user == 0 || c.mark == nil {
		if c.trait&traitDoubt != 0 {
			w.login.doubt()
		}
		return nil
	}
	switch word := c.mark.word; {
	case word.says() && word.State == StateNormal && word.UserID == user:
		w.loginIn(c.s, user)
	case word.says() && word.State == StateNeedPassword: // by another call, later
		w.logOut(StateNeedPassword)
		return rpcerr.ErrPasswordNeeded
	case word.says():
		w.login.doubt()
		w.noLogin(StateUnauthorized)
		return errUnregistered
	case !c.mark.told && !c.stale && (c.trait&traitLogin != 0 || w.login.state == StateNeedPassword):
		w.loginIn(c.s, user)
	default:
		w.login.doubt()
	}
	return nil
}

// loginIn makes the key a user's by a call in a session. That session is supposed
// to take updates: mtcute 0.27 calls nothing after a second login, and listens.
func (w *MainAuthWrapper) loginIn(s *session, user int64) {
	w.logIn(user)
	w.login.confirm(w.now)
	if s.list != nil && s.updates.suppose() {
		w.deliverHeld()
	}
}

// owePassword notes that the login of a user waits for the password.
func (w *MainAuthWrapper) owePassword(c *pendingCall, user string) {
	id, err := strconv.ParseInt(user, 10, 64)
	if err != nil || w.login.state == StateLoggedOut && id == 0 {
		return
	}
	// A login that is still known here has ended elsewhere, unheard, or has
	// been begun anew: what storage has owes the password.
	w.logOut(StateNeedPassword)
	if !c.mark.told {
		w.login.owePassword()
	}
	w.ask(ask{kind: askMarkUser}, &SetPasswordPending{AuthKeyID: w.key, UserID: id, Owner: c.mark.owner, Pending: true})
}

// onOwed takes what storage says of a login that waits for its password (PEERS.md,
// "Our own calls"): it may have been ended since the BFF made it.
func (w *MainAuthWrapper) onOwed(word *LoginWord) {
	if word.says() && word.State != StateNeedPassword && w.login.state == StateNeedPassword {
		w.logOut(StateUnauthorized)
		w.login.doubt()
	}
}

// userOf finds the user that a result logs in: the id of the user of the
// auth.authorization that it is or holds; 0 when there is none.
func (w *MainAuthWrapper) userOf(res *MethodResult) int64 {
	if res == nil || res.Method == nil || res.Method.Reply == nil {
		return 0
	}
	name, pb := res.Method.Reply.Name(), res.PB
	switch w.schema.Predicate(name, pb) {
	case "account_emailVerifiedLogin":
		pb = field(w.schema, name, "sent_code", pb)
		if name = "auth_SentCode"; w.schema.Predicate(name, pb) != "auth_sentCodeSuccess" {
			return 0
		}
		fallthrough
	case "auth_sentCodeSuccess", "auth_loginTokenSuccess":
		pb = field(w.schema, name, "authorization", pb)
		name = "auth_Authorization"
	}
	if name != "auth_Authorization" || w.schema.Predicate(name, pb) != "auth_authorization" {
		return 0
	}
	user := field(w.schema, name, "user", pb)
	return number(w.schema, "User", "id", user)
}
