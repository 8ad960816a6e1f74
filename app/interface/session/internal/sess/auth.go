package sess

import (
	"slices"
)

// loadState reads the state of the key.
func (w *MainAuthWrapper) loadState() {
	if w.loading || w.unbound || w.state == StateRevoked {
		return
	}
	w.loading, w.doubted, w.overruled = true, false, false
	w.stateAt = w.now
	w.ask(ask{kind: askState}, &GetAuthState{AuthKeyID: w.key})
}

// gate decides whether a call may be made. While that is not known it waits;
// a fault of a peer never becomes a 401 (rule ERR-15).
func (w *MainAuthWrapper) gate(c *pendingCall) {
	switch {
	case w.over(c.s):
		w.count(CountRefused)
		w.refuse(c, errUnregistered)
	case w.unbound:
		switch {
		case w.bound != nil: // another wrapper decides
			c.phase = phaseState
		case c.trait&traitUnbound != 0:
			w.ready(c)
		case w.binding: // decided with it
			c.phase = phaseState
		default:
			w.deny(c)
		}
	case w.state == StateUnknown:
		c.phase = phaseState
		w.loadState()
	case !w.needsLogin(c.method.Name, c.trait):
		w.ready(c)
		w.recheck()
	case w.mayHaveChanged(c):
		c.asked = true
		c.phase = phaseState
		w.loadState()
	default:
		w.deny(c)
	}
}

// mayHaveChanged reports whether the state is worth a read before a call is
// refused: a login may have been accepted on another device meanwhile. Not
// on every call, for not everyone who is refused has a reason to hope; and a
// password that a BFF asked for here is paid here, or not at all. Who has logged
// out logs in again by a call of this key, which casts doubt if its result does
// not say so.
func (w *MainAuthWrapper) mayHaveChanged(c *pendingCall) bool {
	if c.asked || w.owed {
		return false
	}
	return w.loading || w.doubted || w.state != StateLoggedOut && w.now-w.stateAt >= int64(w.cfg.StateRefresh)
}

// recheck reads the state of a login in use now and then, beside its calls:
// not every way to end a login is announced.
func (w *MainAuthWrapper) recheck() {
	if w.state == StateNormal && (w.doubted || w.now-w.stateAt >= int64(w.cfg.LoginRecheck)) {
		w.loadState()
	}
}

// deny refuses a call for want of a login (rules ERR-1, ERR-3 and ERR-6).
func (w *MainAuthWrapper) deny(c *pendingCall) { w.refuse(c, w.denial()) }

func (w *MainAuthWrapper) denial() *RPCError {
	w.count(CountRefused)
	switch {
	case w.unbound:
		return &RPCError{401, "AUTH_KEY_PERM_EMPTY"}
	case w.state == StateNeedPassword:
		return &RPCError{401, "SESSION_PASSWORD_NEEDED"}
	}
	return errUnregistered
}

// regate decides again about the calls that wait for the state.
func (w *MainAuthWrapper) regate(fault *RPCError) {
	for _, c := range slices.Clone(w.calls) {
		switch {
		case c.phase != phaseState:
		case fault != nil:
			w.refuse(c, fault)
		default:
			c.asked = true
			w.gate(c)
		}
	}
}

// onState takes in what authsession knows of the key (PEERS.md, "Auth states").
func (w *MainAuthWrapper) onState(st *AuthState, e *RPCError) {
	w.loading = false
	if st == nil {
		fault := errInternal
		if e != nil && e.Code == 401 { // authsession's word, not a fault
			fault = e
			if w.state == StateNormal && !w.overruled {
				w.logout(StateUnauthorized)
			}
		}
		// What refuses calls must have been read, not failed to be: the next
		// one reads it again.
		w.doubted = w.doubted || fault == errInternal && w.state != StateNormal
		w.regate(fault)
		return
	}
	if w.state == StateRevoked {
		return
	}
	known := w.state == StateNormal
	if !w.overruled {
		w.adoptState(st)
	}
	w.adoptClient(&st.Client)
	if w.pushID == 0 && st.PushSessionID != 0 {
		// What was known of the key did not name it: it may have been due.
		w.pushAsked = w.pushAsked || known
		w.named(st.PushSessionID)
	}
	if w.doubted { // meanwhile: what was read may be older
		if w.loadState(); w.state != StateNormal {
			return
		}
	}
	w.regate(nil)
	w.deliverHeld()
}

func (w *MainAuthWrapper) adoptState(st *AuthState) {
	switch st.State {
	case StateNormal:
		// An authsession that does not know of owed passwords counts such a
		// login as complete.
		if !w.owed {
			w.login(st.UserID)
		}
	case StateNew, StateWaitInit, StateNeedPassword:
		w.logout(st.State)
	default:
		w.logout(StateUnauthorized)
	}
}

// login makes the key a user's.
func (w *MainAuthWrapper) login(userID int64) {
	if w.state == StateNormal && w.userID != userID {
		w.offline()
		w.dropPushes() // they are not for the new one
		w.pushID = 0   // it registers its own
	}
	if w.state != StateNormal || w.userID != userID {
		w.loginAt = w.now
	}
	if w.ended { // the client has begun anew, with all of its sessions
		for s := range w.sessions() {
			s.ended = false
		}
	}
	w.state, w.userID, w.ended = StateNormal, userID, false
	w.overruled, w.owed = w.loading, false
}

// logout ends the login of the key, if it has one; to is what the key is then.
func (w *MainAuthWrapper) logout(to State) {
	goesOn := to == StateUnknown || to == StateNeedPassword // it may turn out so
	if w.state == StateNormal {
		w.offline()
		// A login that goes on is told what it lost meanwhile, and so is its
		// push session.
		asked := w.pushAsked
		lost := w.dropPushes()
		w.missed = lost && goesOn
		w.pushAsked = (lost || asked) && w.pushID != 0 && goesOn
	}
	if to != StateUnknown {
		w.pushID, w.updates = 0, nil
		w.missed, w.owing = w.missed || w.owing, false
		for s := range w.sessions() {
			s.subscribed, s.supposed, s.owed = false, false, false
		}
	}
	if !goesOn {
		w.missed = false // who logs in next has missed nothing
	}
	w.state, w.userID = to, 0
	w.overruled, w.owed = w.loading, false
	if to == StateUnknown || to == StateRevoked {
		return
	}
	for _, c := range slices.Clone(w.calls) { // let in by the login, and still here
		switch {
		case c.phase != phaseReady:
		case w.needsLogin(c.method.Name, c.trait):
			w.deny(c)
		default:
			c.meta.UserID = 0
		}
	}
}

// onReturned takes the key back from another node. What happened to its login
// there has to be asked, what was pushed there to be fetched, and status to be
// told again (PEERS.md, "status").
func (w *MainAuthWrapper) onReturned() {
	w.presence = presence{}
	if w.unbound || w.state == StateRevoked {
		return
	}
	used := w.state == StateNormal
	w.logout(StateUnknown)
	w.missUpdates()
	if used {
		w.loadState()
	}
}

// revoke ends the key's login from elsewhere: nothing more is delivered to the
// sessions that it had, and every call of theirs is refused.
func (w *MainAuthWrapper) revoke() {
	if w.state == StateRevoked {
		return
	}
	w.logout(StateRevoked)
	w.ended = true
	w.dropPushes()
	for s := range w.sessions() {
		s.discard(func(m *outMsg) bool {
			if r := s.window.find(m.req); r != nil && m.kind == outAnswer {
				r.flags |= recvLost // who asks again is refused, not left in silence
			}
			return m.content()
		})
		s.greeted, s.ended = true, true
	}
	for _, c := range slices.Clone(w.calls) {
		if c.phase <= phaseReady || c.phase == phasePushed {
			w.refuse(c, errUnregistered)
		}
	}
}

// over reports whether a session is of a login that was ended elsewhere.
func (w *MainAuthWrapper) over(s *session) bool { return s.ended || w.state == StateRevoked }

// reopen makes the key of an ended login one without a login, for a session that
// is new: so a client that keeps its key can log in again. Official Android
// clients do.
func (w *MainAuthWrapper) reopen() {
	if w.state == StateRevoked && !w.destroyed {
		w.state, w.stateAt = StateUnauthorized, w.now
	}
}
