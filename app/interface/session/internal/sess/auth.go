package sess

import (
	"slices"

	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
)

// loadState reads the state of the key.
func (w *MainAuthWrapper) loadState() {
	if w.login.reading || w.binding.unbound || w.login.destroyed || w.leaving {
		return
	}
	w.login.beginRead(w.now)
	if w.login.uncleared != nil { // while the mark stands, a read says "password owed": clear it first
		w.ask(ask{kind: askUncleared}, w.login.uncleared)
		return
	}
	w.ask(ask{kind: askState}, &GetAuthState{AuthKeyID: w.key})
}

// onUncleared goes on to read the state, once a mark is gone that could not be
// cleared before (PEERS.md, "Our own calls").
func (w *MainAuthWrapper) onUncleared(e *RPCError) {
	if e != nil && (e.Code < 300 || e.Code >= 500) {
		w.onState(nil, e)
		return
	}
	w.login.markCleared()
	w.ask(ask{kind: askState}, &GetAuthState{AuthKeyID: w.key})
}

// gate decides whether a call may be made. While that is not known it waits;
// a fault of a peer never becomes a 401 (rule ERR-15).
func (w *MainAuthWrapper) gate(c *pendingCall) {
	switch {
	case w.login.destroyed:
		w.deny(c)
	case w.binding.unbound:
		switch {
		case w.binding.outcome != nil: // bound: the call goes to the wrapper of the perm key, which decides
			c.phase = phaseState
		case c.trait&traitUnbound != 0:
			w.ready(c)
		case w.binding.asking: // whether the key gets bound decides about the call
			c.phase = phaseState
		default:
			w.deny(c)
		}
	case w.login.state == StateUnknown || w.login.suspect: // suspect: also an answer would be held back until the read
		c.phase = phaseState
		w.loadState()
	case !w.needsLogin(c.method.Name, c.trait):
		w.ready(c)
		if w.login.outdated(w.now, w.cfg) {
			w.loadState()
		}
	case !c.asked && w.login.mayHaveChanged(w.now, w.cfg):
		c.asked = true
		c.phase = phaseState
		w.loadState()
	default:
		w.deny(c)
	}
}

// hopeless reports whether gate would refuse a call of a method, whatever it says:
// then its body is not worth reading.
func (w *MainAuthWrapper) hopeless(name string) bool {
	switch t := traits[name]; {
	case w.binding.unbound:
		return !w.undecided() && t&traitUnbound == 0
	case w.undecided() || w.login.suspect || t&traitLoginCode != 0:
		return false
	default:
		return w.needsLogin(name, t) && !w.login.mayHaveChanged(w.now, w.cfg)
	}
}

// deny refuses a call for want of a login (rules ERR-1, ERR-3 and ERR-6).
func (w *MainAuthWrapper) deny(c *pendingCall) { w.refuse(c, w.denial()) }

func (w *MainAuthWrapper) denial() *RPCError {
	w.count(CountRefused)
	switch {
	case w.binding.unbound:
		return rpcerr.ErrPermEmpty
	case w.login.state == StateNeedPassword:
		return rpcerr.ErrPasswordNeeded
	}
	return errUnregistered
}

// regate decides again about the calls that wait for the state.
func (w *MainAuthWrapper) regate(fault *RPCError) {
	for _, c := range slices.Clone(w.calls.list) {
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
	superseded := w.login.endRead()
	if w.login.suspect {
		defer w.resolve()
	}
	if st == nil {
		unknown := e != nil && e.Code == 401 // authsession's word; all else is a fault
		if w.login.state == StateNormal && !superseded && (w.login.suspect || unknown) {
			w.revoke()
		}
		w.login.dispelSuspicion()
		if !unknown && w.login.state != StateNormal {
			// A failed read says nothing about the login. The state is read again
			// before the next call is refused.
			w.login.doubt()
			if w.login.state == StateUnknown {
				w.login.failRead()
			}
		}
		switch {
		case unknown:
			w.regate(e)
		case e != nil && e.Code == ErrTimeout.Code:
			w.regate(ErrTimeout)
		default:
			w.regate(ErrInternal)
		}
		return
	}
	if w.login.destroyed {
		return
	}
	known := w.login.state == StateNormal
	if !w.login.stale {
		w.login.dispelSuspicion()
	}
	if !superseded {
		w.adoptState(st)
	}
	w.adoptClient(&st.Client)
	if w.pushes.pushSession == 0 && st.PushSessionID != 0 {
		if known { // updates may have been lost before the push session was known: wake it now
			w.pushes.wake()
		}
		w.named(st.PushSessionID)
	}
	// The answer may be older than what raised a doubt, or had the state forgotten, during the read.
	if w.login.stale || superseded && w.login.state == StateUnknown {
		if w.loadState(); w.login.state != StateNormal {
			return
		}
	}
	w.regate(nil)
	w.deliverHeld()
}

// resolve lets go what was kept from a login that was suspected to have ended, and
// has not.
func (w *MainAuthWrapper) resolve() {
	if w.login.suspect {
		return
	}
	for s := range w.sessions() {
		s.touch()
	}
}

func (w *MainAuthWrapper) adoptState(st *AuthState) {
	switch st.State {
	case StateNormal:
		// An authsession that does not know of owed passwords counts such a
		// login as complete.
		if !w.login.passwordOwed {
			w.logIn(st.UserID)
		}
	case StateNeedPassword:
		// An authsession of an earlier release says so also while a sign-in is in
		// work. So while one of this key is, the answer proves nothing, and counts
		// only where the state is unknown.
		if w.login.state == StateUnknown || !w.loggingIn() {
			w.logOut(StateNeedPassword)
		}
	case StateNew, StateWaitInit:
		w.noLogin(st.State)
	default:
		w.noLogin(StateUnauthorized)
	}
}

// noLogin takes in that nobody is logged in. A login that was there until now
// has ended elsewhere, and how the key came to have none is kept. Where Revoked came
// before it was known whose the key is, its sessions were doomed: their answers waited
// for this read, and are withdrawn, and their calls are refused.
func (w *MainAuthWrapper) noLogin(to State) {
	switch w.login.state {
	case StateNormal:
		w.revoke()
	case StateRevoked, StateLoggedOut:
	default:
		doomed := false
		for s := range w.sessions() {
			if s.doomed {
				w.endSession(s)
				doomed = true
			}
		}
		w.logOut(to)
		if doomed {
			w.endCalls()
		}
	}
}

// logIn makes the key a user's.
func (w *MainAuthWrapper) logIn(userID int64) {
	if w.login.state == StateNormal && w.login.userID != userID {
		w.offline()
		w.dropPushes()        // they are not for the new one
		w.pushes.unregister() // which registers its own
		w.disown()
	}
	for s := range w.sessions() { // the client has begun anew, with all of them
		s.ended = false
		if s.doomed {
			s.doomed = false
			s.touch() // what was withheld is the login's
		}
	}
	w.login.begin(userID, w.now)
}

// logOut ends the login of the key, if it has one; to is what the key is then.
func (w *MainAuthWrapper) logOut(to State) {
	mayResume := to == StateUnknown || to == StateNeedPassword // the same login may be the key's again
	if w.login.state == StateNormal {
		w.offline()
		wake := w.pushes.wakeDue
		if lost := w.dropPushes(); mayResume {
			w.pushes.resume(lost, wake)
		}
	}
	if to != StateUnknown {
		w.pushes.forgetTakers(mayResume)
		for s := range w.sessions() {
			s.updates.loginEnds()
			if s.doomed {
				s.doomed = false
				w.withdraw(s)
			}
		}
	}
	w.login.end(to)
	if to != StateUnknown {
		w.disown()
	}
}

// disown deals with the calls that the ended login has admitted and that are not at a
// BFF yet. Those that need a login are refused. The others are made all the same, in
// nobody's name.
func (w *MainAuthWrapper) disown() {
	for _, c := range slices.Clone(w.calls.list) {
		switch {
		case c.phase != phaseReady:
		case w.wantsLogin(c.method.Name, c.trait):
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
	w.presence.offline()
	if w.binding.unbound || w.login.destroyed {
		return
	}
	used, suspect := w.login.state == StateNormal, w.login.suspect
	w.logOut(StateUnknown)
	for s := range w.sessions() {
		s.doomed = s.doomed || suspect // a read that fails tells nothing of a state that is unknown
	}
	w.pushes.returned()
	if used {
		w.loadState()
	}
}

// revoke ends the key's login from elsewhere (rule ERR-4). Nothing of it reaches
// the client any more, and what it has in work is refused. Each session that took
// updates or push messages gets updatesTooLong, which tells nothing but makes it
// ask, and so learn that its login has ended: a client that only listens would
// notice when it next had something to say, an hour later perhaps. Calls that
// need no login stay open, for a client logs in again in the session that it has
// unless it is restarted.
func (w *MainAuthWrapper) revoke() {
	switch w.login.state {
	case StateNormal, StateNeedPassword:
	case StateRevoked, StateLoggedOut: // the word is about an earlier login, or about one that a call is making
		w.doubtLogins()
		return
	default: // or about one that this node does not know yet
		for s := range w.sessions() {
			s.doomed = w.login.state == StateUnknown
		}
		w.doubtLogins()
		w.login.doubt()
		w.loadState()
		return
	}
	var listening []*session
	for s := range w.sessions() {
		if s.takesUpdates() || w.pushes.isPushSession(s) {
			listening = append(listening, s)
		}
	}
	w.endLogin()
	for _, s := range listening {
		w.tooLong(s)
	}
}

// doubtLogins notes that a login which a call has made, and which is not answered yet,
// may have ended again: then storage is asked, not the answer believed.
func (w *MainAuthWrapper) doubtLogins() {
	for _, c := range w.calls.list {
		c.stale = c.stale || c.trait&traitMarked != 0 && c.phase > phaseReady
	}
}

// endLogin leaves nothing of the login but refusals.
func (w *MainAuthWrapper) endLogin() {
	w.login.endElsewhere(w.now)
	for s := range w.sessions() { // first: the refusals of endCalls would be withdrawn, too
		w.end(s, EndRevoked)
		w.endSession(s)
	}
	w.logOut(StateRevoked)
	w.dropPushes()
	w.endCalls()
}

// endSession leaves nothing in a session of what the login that has ended was answered.
func (w *MainAuthWrapper) endSession(s *session) {
	s.ended, s.doomed = true, false
	w.withdraw(s)
}

// withdraw drops the answers of a session that the client has not acknowledged.
func (w *MainAuthWrapper) withdraw(s *session) {
	var unsent []int64
	s.discard(func(m *outMsg) bool {
		if m.kind != outAnswer {
			return false
		}
		s.window.lose(m.req) // who asks again is refused, not left in silence
		if m.id == 0 {
			unsent = append(unsent, m.req)
		}
		return true
	})
	for _, req := range unsent {
		w.answerError(s, req, errUnregistered.Code, errUnregistered.Message)
	}
}

// endCalls refuses the calls that an ended login has made.
func (w *MainAuthWrapper) endCalls() {
	for _, c := range slices.Clone(w.calls.list) {
		w.endCall(c)
	}
}

// endCall answers 401 to a call of an ended login that is at a BFF. The BFF may carry
// it out all the same. A call that ends or begins a login itself is not answered here:
// its result counts, but as a stale one, since the login that it begins may be the one
// that has ended.
func (w *MainAuthWrapper) endCall(c *pendingCall) {
	switch {
	case c.phase <= phaseReady || c.stale:
		return
	case c.trait&traitMarked != 0:
		c.stale = true
		return
	case c.meta.UserID == 0: // made by nobody
		return
	case c.phase == phasePushed:
		w.refuse(c, errUnregistered)
		return
	}
	if c.stale = true; c.trait&traitEnds != 0 {
		return
	}
	if c.syncing {
		c.syncing = false
		w.release(c.s)
	}
	if !c.answered && c.s.list != nil {
		w.answerError(c.s, c.meta.MsgID, errUnregistered.Code, errUnregistered.Message)
	}
	c.answered = true
}

// destroy makes the key one of no more use.
func (w *MainAuthWrapper) destroy() {
	w.login.destroy()
	w.endLogin()
	for _, c := range slices.Clone(w.calls.list) {
		switch {
		case c.phase <= phaseReady || c.phase == phasePushed:
			w.refuse(c, errUnregistered)
		default:
			c.stale = true
		}
	}
}

// begin opens a session whose login was ended elsewhere to the next one: its
// client has asked for it.
func (w *MainAuthWrapper) begin(s *session) {
	s.ended = false
	w.login.reopen(w.now)
}
