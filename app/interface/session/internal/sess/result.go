package sess

import (
	"strconv"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

const needPassword = "SESSION_PASSWORD_NEEDED"

// onMarked goes on with a call that may log in without its password: from now
// on a crash leaves a key that still owes it (rule ERR-6; PEERS.md,
// "Our own calls").
func (w *MainAuthWrapper) onMarked(c *pendingCall, e *RPCError) {
	switch {
	case e != nil:
		w.fault("password mark", c.method, e)
		w.refuse(c, errInternal)
	case c.s.list == nil: // nobody waits for it, and its message may have come again
		w.onMethodDone(c, &CallDone{Err: errSessionGone})
	default:
		w.invoke(c)
	}
}

// errSessionGone is the outcome of a call that was not made because its session
// had ended. Nobody sees it.
var errSessionGone = &RPCError{400, "SESSION_GONE"}

// onMethodDone takes the outcome of an API call (rules RPC-1 and RPC-2).
func (w *MainAuthWrapper) onMethodDone(c *pendingCall, in *CallDone) {
	if r, ok := in.Result.(*MethodResult); ok && r.Pushed && in.Err == nil {
		w.running--
		c.phase = phasePushed
		c.deadline = w.now + int64(w.cfg.PushedWait)
		return
	}
	if w.settles(c, in) {
		c.result = in
		w.clearMark(c)
		return
	}
	w.conclude(c, in)
}

// settles reports whether an outcome says for certain that no password is owed
// any more: a login, or a plain answer or refusal where none was owed before. A
// fault says nothing; and who owes one does not get out of it by asking for
// another code.
func (w *MainAuthWrapper) settles(c *pendingCall, in *CallDone) bool {
	if c.trait&traitsOwing == 0 {
		return false
	}
	res, _ := in.Result.(*MethodResult)
	if in.Err == nil && w.userOf(res) != 0 {
		return c.trait&traitLogin != 0 || w.state == StateNeedPassword
	}
	if c.trait&traitPending == 0 || w.state == StateNeedPassword {
		return false
	}
	e := in.Err
	return e == nil || e.Code >= 300 && e.Code < 500 && !strings.HasPrefix(e.Message, needPassword)
}

func (w *MainAuthWrapper) clearMark(c *pendingCall) {
	c.phase = phaseClearing
	w.ask(ask{kind: askClear, call: c}, &SetPasswordPending{AuthKeyID: w.key})
}

// onCleared gives the client its answer, now that a restart would not ask for
// the password again (PEERS.md, "Our own calls"). A failure is tried again
// a few times, but not by a node that lets the key go: on the next one a new
// login may owe its password by then.
func (w *MainAuthWrapper) onCleared(c *pendingCall, e *RPCError) {
	const tries, pause = 5, 500 * time.Millisecond
	if c.tries++; e != nil && c.tries < tries && !w.draining {
		c.deadline = w.now + int64(pause)<<c.tries
		return
	}
	if e != nil {
		w.fault("password mark", c.method, e)
	}
	w.conclude(c, c.result)
}

// conclude ends a call: what it did to the login, then its answer.
func (w *MainAuthWrapper) conclude(c *pendingCall, in *CallDone) {
	w.finishCall(c)
	res, _ := in.Result.(*MethodResult)
	e := in.Err
	if res == nil && e == nil {
		e = errInternal
	}
	switch {
	case !w.over(c.s):
		e = w.effects(c, res, e)
	case c.trait&traitEnds == 0: // what ended the login here may still say so
		e = errUnregistered
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
	body, err := w.result(c, res)
	if err != nil {
		w.count(CountEncodeFailed)
		w.fault("result", res.Method, err)
		w.answerError(c.s, c.meta.MsgID, errInternal.Code, errInternal.Message)
		return
	}
	w.answer(c.s, c.meta.MsgID, body)
}

// result writes rpc_result as the session that asked can read it (rule INIT-6).
func (w *MainAuthWrapper) result(c *pendingCall, res *MethodResult) ([]byte, error) {
	m := res.Method
	if m == nil {
		m = c.method
	}
	body := make([]byte, 0, wire.ResultHeader+len(res.PB)+len(res.PB)/4+16)
	body = wire.AppendResult(body, c.meta.MsgID)
	body, err := w.schema.ResultToTL(body, m, res.PB, int(c.meta.Layer))
	if err != nil {
		return nil, err
	}
	if !noGzip[m.Result] {
		body = w.pack(body, wire.ResultHeader)
	}
	return body, nil
}

// effects draws the conclusions from the outcome of a call (PEERS.md, "Auth
// states"), by the request's method, and returns the error for the client.
func (w *MainAuthWrapper) effects(c *pendingCall, res *MethodResult, e *RPCError) *RPCError {
	if e == nil && c.ttlDays > 0 {
		w.ask(ask{kind: askTTL}, &SetTTL{UserID: w.userID, Days: c.ttlDays})
	}
	if c.trait&(traitLogin|traitLoginHalf|traitLogOut|traitDoubt) == 0 {
		if e != nil && e.Code == 401 && w.state == StateNormal {
			w.doubted = true
		}
		return e
	}
	switch {
	case e != nil && c.trait&traitPending != 0 && strings.HasPrefix(e.Message, needPassword+"_"):
		w.owePassword(e.Message[len(needPassword)+1:])
		return &RPCError{401, needPassword}
	case e != nil && c.trait&traitLogOut != 0:
		w.logout(StateUnknown) // authsession knows how far it came
	case e != nil:
		w.doubted = true
	case c.trait&traitLogOut != 0:
		w.logout(StateLoggedOut)
	default:
		user := w.userOf(res)
		if user != 0 && (c.trait&traitLogin != 0 || w.state == StateNeedPassword) {
			w.login(user)
			w.stateAt = w.now
		} else if c.trait&traitDoubt != 0 {
			w.doubted = true
		}
	}
	return e
}

// owePassword notes that the login of a user waits for the password.
func (w *MainAuthWrapper) owePassword(user string) {
	id, err := strconv.ParseInt(user, 10, 64)
	if err != nil || w.state == StateLoggedOut && id == 0 {
		return
	}
	// A login that is still known here has ended elsewhere, unheard, or has
	// been begun anew: what storage has owes the password.
	w.logout(StateNeedPassword)
	w.owed = true
	w.ask(ask{kind: askMarkUser}, &SetPasswordPending{AuthKeyID: w.key, UserID: id, Pending: true})
}

// userOf finds the user that a result logs in: the id of the user of the
// auth.authorization that it is or holds; 0 when there is none.
func (w *MainAuthWrapper) userOf(res *MethodResult) int64 {
	if res == nil || res.Method == nil || res.Method.Reply == nil {
		return 0
	}
	name, pb := res.Method.Reply.Name(), res.PB
	switch w.schema.Predicate(name, pb) {
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
