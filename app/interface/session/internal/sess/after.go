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

// awaits reports how the calls that c waits for went (rule AFTER-1): nil when
// all succeeded. A failure weighs more than one that was not made in time, and
// that more than one that is not over.
//
// AfterWait begins when none of them waits itself. Were it to begin when c arrives,
// the end of a chain would be refused however quick its links are, and sent again,
// with all behind it.
func (w *MainAuthWrapper) awaits(c *pendingCall) *RPCError {
	verdict, behind := (*RPCError)(nil), false
	for _, id := range c.after {
		switch e := w.outcome(c, id, &behind); {
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
func (w *MainAuthWrapper) outcome(c *pendingCall, id int64, behind *bool) *RPCError {
	if id == c.meta.MsgID {
		return errWaitFailed
	}
	if other := w.findCall(c.s, id); other != nil {
		*behind = *behind || other.phase <= phaseReady
		return errWaiting
	}
	if w.findAsk(c.s, id) != nil {
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
