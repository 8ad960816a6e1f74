package sess

import (
	"time"

	sessionpb "github.com/tgsession/tgsession/proto/session"
)

// State is the authorization state of a wrapper (PEERS.md, "Auth states").
type State int32

// The states of a key.
const (
	StateUnknown      State = 0 // not loaded yet
	StateNew          State = 1 // key without client info
	StatePermBound    State = 2
	StateWaitInit     State = 3
	StateUnauthorized State = 4 // no user bound
	StateNeedPassword State = 5 // the login waits for the password
	StateNormal       State = 6 // logged in
	StateLoggedOut    State = 7 // by auth.logOut of this key
	StateRevoked      State = 8 // ended elsewhere
)

// login is whose the key is, how far that is known, and since when. The table in
// doc.go, "The transitions of a login", says what moves it from state to state; what
// each move does to calls, updates and status is in auth.go. Times are Unix
// nanoseconds.
//
// Between two Steps (invariants_test.go checks it in every test):
//   - userID is 0 unless state is StateNormal.
//   - state is never StatePermBound, LoggedOut only after an auth.logOut of this key,
//     Revoked only after a login of this key.
//   - superseded implies reading: it is about the read on its way.
//   - suspect implies reading or stale, unless the key is destroyed: somebody is
//     asked, or will be before the next call is let through.
//   - passwordOwed implies StateNeedPassword.
//   - destroyed implies StateRevoked, and lasts.
type login struct {
	userID    int64
	at        int64 // when the login of userID began
	hereSince int64 // when the key came to this node, or its login began here
	endedAt   int64 // when a login of the key was last ended elsewhere; 0: never
	readAt    int64 // when the state was last asked for, or said by a call's result; 0: never

	// uncleared is the mark of a sign-in that storage could not clear. It is
	// cleared before the state is read, which would be that mark; nil: there is none.
	uncleared *SetPasswordPending

	state        State
	reading      bool // the state is being read
	stale        bool // the state may have changed elsewhere: it is to be read again
	suspect      bool // it is said that the login has ended; a read that fails confirms it
	superseded   bool // the state has changed here since the read on its way began
	passwordOwed bool // a BFF asked for the password, which storage may not know of
	unread       bool // a read has failed while it was not known who the user is: nobody was told of the client
	destroyed    bool // destroy_auth_key
}

// arrive notes when the key came to this node.
func (l *login) arrive(now int64) {
	if l.hereSince == 0 {
		l.hereSince = now
	}
}

// neverLoggedIn begins the login of an unbound temp key, which storage has no state of.
func (l *login) neverLoggedIn() { l.state = StateNew }

// doubt has the state read again before the next call is refused or, of a login in
// use, beside it.
func (l *login) doubt() { l.stale = true }

// suspectEnd notes that the login is said to have ended. Nothing that is meant for it
// leaves until a read says whether it has.
func (l *login) suspectEnd() { l.stale, l.suspect = true, true }

// dispelSuspicion notes that it is known whether the login has ended.
func (l *login) dispelSuspicion() { l.suspect = false }

// beginRead notes that the state is being asked for: whatever raised a doubt before
// is in the answer.
func (l *login) beginRead(now int64) {
	l.reading, l.stale, l.superseded = true, false, false
	l.readAt = now
}

// endRead notes that the answer is there. It returns whether the state has changed
// here meanwhile, so that the answer may be older.
func (l *login) endRead() (superseded bool) {
	superseded = l.superseded
	l.reading, l.superseded = false, false
	return superseded
}

// failRead notes that it could not be found out who the user is, so that status did not
// hear of a client that may be here.
func (l *login) failRead() { l.unread = true }

// confirm notes that the result of a call says the same as a read would.
func (l *login) confirm(now int64) { l.readAt = now }

// begin makes the key a user's.
func (l *login) begin(userID, now int64) {
	if l.state != StateNormal || l.userID != userID {
		l.at, l.suspect = now, false
		if l.state != StateUnknown {
			l.hereSince = now
		}
	}
	l.state, l.userID = StateNormal, userID
	l.superseded, l.passwordOwed = l.reading, false
}

// end makes the key nobody's; to is what it is then.
func (l *login) end(to State) {
	l.state, l.userID = to, 0
	l.superseded, l.passwordOwed, l.unread = l.reading, false, false
}

// endElsewhere notes when a login was ended by somebody else, whose pushes to it may
// still be on their way.
func (l *login) endElsewhere(now int64) { l.endedAt = now }

// owePassword notes that the login of a StateNeedPassword is known to this node alone:
// no read of the state counts against it.
func (l *login) owePassword() { l.passwordOwed = true }

// reopen lets a key whose login was ended elsewhere have another one. It is known that
// it has none, so nothing needs to be read.
func (l *login) reopen(now int64) {
	if l.state == StateRevoked {
		l.state, l.readAt = StateUnauthorized, now
	}
}

// introduce notes that storage knows the client of a key that had none.
func (l *login) introduce() {
	if l.state == StateNew {
		l.state = StateUnauthorized
	}
}

// destroy makes the key one of no more use.
func (l *login) destroy() { l.destroyed = true }

// keepMark keeps a mark that storage could not clear.
func (l *login) keepMark(m *SetPasswordPending) { l.uncleared = m }

// markCleared forgets it.
func (l *login) markCleared() { l.uncleared = nil }

// mayHaveChanged reports whether the state is worth a read before a call is
// refused: a login may have been accepted on another device meanwhile, or made by a
// call that another node had when the key moved. There is at most one read each
// StateRefresh, unless there is a doubt. There is none while passwordOwed: only a call of
// this key can give that password. After auth.logOut only a doubt brings one: the next
// login is a call of this key, which raises a doubt if its result does not say enough.
func (l *login) mayHaveChanged(now int64, cfg *Config) bool {
	if l.passwordOwed {
		return false
	}
	return l.reading || l.stale ||
		l.state != StateLoggedOut && now-max(l.readAt, l.endedAt) >= int64(cfg.StateRefresh)
}

// outdated reports whether a login in use is to be read again, beside its calls: not
// every way to end a login is announced.
func (l *login) outdated(now int64, cfg *Config) bool {
	return l.state == StateNormal && (l.stale || now-l.readAt >= int64(cfg.LoginRecheck))
}

// trailing reports whether updates may still be meant for the login that was
// ended elsewhere just now: a push is on its way for a second at most.
func (l *login) trailing(now int64) bool {
	return l.state != StateNormal && now-l.endedAt < int64(2*time.Second)
}

// export writes the login for the node that gets the key.
func (l *login) export(st *sessionpb.KeyState, moment func(int64) int64) {
	st.State, st.UserId = int32(l.state), l.userID
	st.LoginAt, st.Since, st.EndedAt, st.StateAt = moment(l.at), moment(l.hereSince), moment(l.endedAt), moment(l.readAt)
	st.Flags |= when(keyDestroyed, l.destroyed) | when(keyStale, l.stale) | when(keySuspect, l.suspect) | when(keyPasswordOwed, l.passwordOwed) | when(keyUnread, l.unread)
	if m := l.uncleared; m != nil {
		st.Uncleared = &sessionpb.PendingMark{Owner: m.Owner, UserId: m.UserID}
	}
}

// restore reads what export wrote of a key.
func (l *login) restore(key int64, st *sessionpb.KeyState, at func(int64) int64) {
	*l = login{
		state: State(st.GetState()), userID: st.GetUserId(),
		at: at(st.GetLoginAt()), hereSince: at(st.GetSince()), endedAt: at(st.GetEndedAt()), readAt: at(st.GetStateAt()),
		destroyed: has(st.GetFlags(), keyDestroyed), stale: has(st.GetFlags(), keyStale), suspect: has(st.GetFlags(), keySuspect), passwordOwed: has(st.GetFlags(), keyPasswordOwed),
		unread: has(st.GetFlags(), keyUnread),
	}
	if m := st.GetUncleared(); m != nil {
		l.uncleared = &SetPasswordPending{AuthKeyID: key, UserID: m.GetUserId(), Owner: m.GetOwner()}
	}
}
