package sess

import (
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
)

// chainWait is how long a call waits in all, also behind others that wait
// themselves. It ends what waits in a circle.
const chainWait = 60 * time.Second

// Outcomes of waiting for other calls. Codes as clients handle them best (rule
// AFTER-4).
var (
	errWaiting     = new(RPCError) // not over yet
	errWaitTimeout = rpcerr.ErrMsgWaitTimeout
	errWaitFailed  = rpcerr.ErrMsgWaitFailed
)

// msgRef is a message of a session.
type msgRef struct {
	s  *session
	id int64
}

func (c *pendingCall) ref() msgRef { return msgRef{c.s, c.meta.MsgID} }

// unfinished are the messages that have no outcome yet: of calls, and of what peers are
// asked for (nil).
type unfinished map[msgRef]*pendingCall

func (w *MainAuthWrapper) unfinished() unfinished {
	u := make(unfinished, len(w.calls.list)+len(w.asks))
	for i := range w.asks {
		u[msgRef{w.asks[i].s, w.asks[i].msgID}] = nil
	}
	for _, c := range w.calls.list {
		u[c.ref()] = c
	}
	return u
}

// judgeWaits looks how the calls went that others wait for: which of these need not wait
// any more, and which are refused, with what waits for them in turn. Each is looked up
// once: with 256 calls that wait for a thousand, anything else is work that one packet
// makes for every other. It reports whether there were any.
func (w *MainAuthWrapper) judgeWaits() (some bool) {
	var waiting []*pendingCall
	for _, c := range w.calls.list {
		if c.phase == phaseReady && len(c.after) > 0 {
			waiting = append(waiting, c)
		}
	}
	if len(waiting) == 0 {
		return false
	}
	u := w.unfinished()
	var behind map[msgRef][]*pendingCall
	for again := waiting; len(again) > 0; again = again[1:] {
		c := again[0]
		if len(c.after) == 0 || u[c.ref()] != c { // judged already
			continue
		}
		switch refusal := w.awaits(c, u); refusal {
		case errWaiting:
		case nil:
			c.after, c.deadline = nil, 0
		default:
			w.refuse(c, refusal)
			delete(u, c.ref())
			if behind == nil {
				behind = behindEach(waiting)
			}
			again = append(again, behind[c.ref()]...)
		}
	}
	return true
}

// behindEach are the calls that wait for each message.
func behindEach(waiting []*pendingCall) map[msgRef][]*pendingCall {
	behind := map[msgRef][]*pendingCall{}
	for _, c := range waiting {
		for _, id := range c.after {
			m := msgRef{c.s, id}
			behind[m] = append(behind[m], c)
		}
	}
	return behind
}

// awaits reports how the calls that c waits for went (rule AFTER-1): nil when
// all succeeded. A failure weighs more than one that was not made in time, and
// that more than one that is not over.
//
// AfterWait begins when none of them waits itself. Were it to begin when c arrives,
// the end of a chain would be refused however quick its links are, and sent again,
// with all behind it.
func (w *MainAuthWrapper) awaits(c *pendingCall, u unfinished) *RPCError {
	verdict, behind := (*RPCError)(nil), false
	for _, id := range c.after {
		switch e := w.outcome(c, id, u, &behind); {
		case e == errWaitFailed:
			return e
		case e == errWaitTimeout, e != nil && verdict == nil:
			verdict = e
		}
	}
	if verdict == errWaiting && !behind && !c.clocked {
		c.clocked = true
		c.deadline = min(c.deadline, w.now+int64(w.cfg.AfterWait))
	}
	return verdict
}

// outcome is how the call of message id, of the same session, went. It sets behind
// when that waits itself.
func (w *MainAuthWrapper) outcome(c *pendingCall, id int64, u unfinished, behind *bool) *RPCError {
	if id == c.meta.MsgID {
		return errWaitFailed
	}
	if other, ok := u[msgRef{c.s, id}]; ok {
		*behind = *behind || other != nil && other.phase <= phaseReady
		return errWaiting
	}
	if r := c.s.window.find(id); r != nil {
		switch {
		case r.flags&recvLate != 0:
			return errWaitTimeout
		case r.flags&recvFailed != 0:
			return errWaitFailed // rule AFTER-2
		}
		return nil
	}
	if c.s.window.below(id) && timeOf(id) < w.wall-int64(w.cfg.MaxPast) {
		return errWaitFailed // it cannot come any more: rule AFTER-5
	}
	return errWaiting
}
