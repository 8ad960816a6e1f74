package sess

// Outcomes of waiting for other calls. Codes as clients handle them best (rule
// AFTER-4).
var (
	errWaiting     = &RPCError{0, ""} // not over yet
	errWaitTimeout = &RPCError{400, "MSG_WAIT_TIMEOUT"}
	errWaitFailed  = &RPCError{500, "MSG_WAIT_FAILED"}
)

// awaits reports how the calls that c waits for went (rule AFTER-1): nil when
// all succeeded.
func (w *MainAuthWrapper) awaits(c *pendingCall) *RPCError {
	verdict := (*RPCError)(nil)
	for _, id := range c.after {
		switch e := w.outcome(c, id); {
		case e == errWaitFailed:
			return e
		case e != nil:
			verdict = e
		}
	}
	return verdict
}

// outcome is how the call of message id, of the same session, went.
func (w *MainAuthWrapper) outcome(c *pendingCall, id int64) *RPCError {
	if id == c.meta.MsgID {
		return errWaitFailed
	}
	if w.findCall(c.s, id) != nil || w.findAsk(c.s, id) != nil {
		return errWaiting
	}
	if r := c.s.window.find(id); r != nil {
		if r.flags&recvFailed != 0 {
			return errWaitFailed // rule AFTER-2
		}
		return nil
	}
	if c.s.window.below(id) && timeOf(id) < w.now-int64(w.cfg.MaxPast) {
		return errWaitFailed // it cannot come any more: rule AFTER-5
	}
	return errWaiting
}
