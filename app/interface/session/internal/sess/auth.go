package sess

import (
	"slices"
	"time"
)

// loadState reads the state of the key.
func (w *MainAuthWrapper) loadState() {
	if w.loading || w.unbound || w.destroyed || w.leaving {
		return
	}
	w.loading, w.doubted, w.overruled = true, false, false
	w.stateAt = w.now
	if w.uncleared != nil { // what is read would be that mark
		w.ask(ask{kind: askUncleared}, w.uncleared)
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
	w.uncleared = nil
	w.ask(ask{kind: askState}, &GetAuthState{AuthKeyID: w.key})
}

// gate decides whether a call may be made. While that is not known it waits;
// a fault of a peer never becomes a 401 (rule ERR-15).
func (w *MainAuthWrapper) gate(c *pendingCall) {
	switch {
	case w.destroyed:
		w.deny(c)
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
	case w.state == StateUnknown || w.suspect: // an answer would be kept from it, too
		c.phase = phaseState
		w.loadState()
	case !w.needsLogin(c.method.Name, c.trait):
		w.ready(c)
		w.recheck()
	case w.mayHaveChanged(c.asked):
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
	case w.unbound:
		return !w.undecided() && t&traitUnbound == 0
	case w.undecided() || w.suspect || t&traitLoginCode != 0:
		return false
	default:
		return w.needsLogin(name, t) && !w.mayHaveChanged(false)
	}
}

// mayHaveChanged reports whether the state is worth a read before a call is
// refused: a login may have been accepted on another device meanwhile, or made by a
// call that another node had when the key moved. Not on every call, for not everyone
// who is refused has a reason to hope; a password that a BFF asked for here is paid
// here, or not at all; and who has logged out logs in again by a call of this key,
// which casts doubt if its result does not say so.
func (w *MainAuthWrapper) mayHaveChanged(asked bool) bool {
	if asked || w.owed {
		return false
	}
	return w.loading || w.doubted ||
		w.state != StateLoggedOut && w.now-max(w.stateAt, w.endedAt) >= int64(w.cfg.StateRefresh)
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
	if w.suspect {
		defer w.resolve()
	}
	if st == nil {
		fault := errInternal
		if e != nil && e.Code == 401 { // authsession's word, not a fault
			fault = e
		}
		if w.state == StateNormal && !w.overruled && (w.suspect || fault == e) {
			w.revoke()
		}
		w.suspect = false
		// What refuses calls must have been read, not failed to be: the next
		// one reads it again.
		w.doubted = w.doubted || fault == errInternal && w.state != StateNormal
		if e != nil && e.Code == errTimeout.Code {
			fault = errTimeout
		}
		w.regate(fault)
		return
	}
	if w.destroyed {
		return
	}
	known := w.state == StateNormal
	w.suspect = w.suspect && w.doubted
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

// resolve lets go what was kept from a login that was suspected to have ended, and
// has not.
func (w *MainAuthWrapper) resolve() {
	if w.suspect {
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
		if !w.owed {
			w.login(st.UserID)
		}
	case StateNeedPassword:
		// An authsession of an earlier release says so of a key that has such a
		// call in work, too. Our own says nothing of what the login owes.
		if w.state == StateUnknown || !w.loggingIn() {
			w.logout(StateNeedPassword)
		}
	case StateNew, StateWaitInit:
		w.noLogin(st.State)
	default:
		w.noLogin(StateUnauthorized)
	}
}

// noLogin takes in that nobody is logged in. A login that was there until now
// has ended elsewhere, and how the key came to have none is kept.
func (w *MainAuthWrapper) noLogin(to State) {
	switch w.state {
	case StateNormal:
		w.revoke()
	case StateRevoked, StateLoggedOut:
	default:
		for s := range w.sessions() {
			s.ended, s.doomed = s.ended || s.doomed, false
		}
		w.logout(to)
	}
}

// login makes the key a user's.
func (w *MainAuthWrapper) login(userID int64) {
	if w.state == StateNormal && w.userID != userID {
		w.offline()
		w.dropPushes() // they are not for the new one
		w.pushID = 0   // it registers its own
		w.disown()
	}
	if w.state != StateNormal || w.userID != userID {
		w.loginAt, w.suspect = w.now, false
		if w.state != StateUnknown {
			w.since = w.now
		}
	}
	for s := range w.sessions() { // the client has begun anew, with all of them
		s.ended, s.doomed = false, false
	}
	w.state, w.userID = StateNormal, userID
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
	if to != StateUnknown {
		w.disown()
	}
}

// disown ends what a login that is over has let in and that waits still. Nobody
// makes what needs no login.
func (w *MainAuthWrapper) disown() {
	for _, c := range slices.Clone(w.calls) {
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
	w.presence = presence{}
	if w.unbound || w.destroyed {
		return
	}
	used := w.state == StateNormal
	w.logout(StateUnknown)
	w.missUpdates()
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
	switch w.state {
	case StateNormal, StateNeedPassword:
	case StateRevoked, StateLoggedOut:
		return
	default: // of an earlier login, or of one that is not heard of here yet
		for s := range w.sessions() {
			s.doomed = w.state == StateUnknown
		}
		for _, c := range w.calls {
			c.stale = c.stale || c.trait&traitMarked != 0 && c.phase > phaseReady
		}
		w.doubted = true
		w.loadState()
		return
	}
	var listening []*session
	for s := range w.sessions() {
		if s.takesUpdates() || s.id == w.pushID && !s.list.media() {
			listening = append(listening, s)
		}
	}
	w.endLogin()
	for _, s := range listening {
		w.tooLong(s)
	}
}

// endLogin leaves nothing of the login but refusals.
func (w *MainAuthWrapper) endLogin() {
	w.endedAt = w.now
	for s := range w.sessions() { // before the refusals are there
		s.ended = true
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
	w.logout(StateRevoked)
	w.dropPushes()
	for _, c := range slices.Clone(w.calls) {
		w.endCall(c)
	}
}

// endCall refuses a call that an ended login has made. It may be done all the
// same. One that ends or begins a login itself still has its say, though the login
// that it begins may be the one that has ended.
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
	w.destroyed = true
	w.endLogin()
	for _, c := range slices.Clone(w.calls) {
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
	if s.ended = false; w.state == StateRevoked {
		w.state, w.stateAt = StateUnauthorized, w.now
	}
}

// trailing reports whether updates may still be meant for the login that was
// ended elsewhere just now: a push is on its way for a second at most.
func (w *MainAuthWrapper) trailing() bool {
	return w.state != StateNormal && w.now-w.endedAt < int64(2*time.Second)
}
