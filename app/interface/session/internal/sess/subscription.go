package sess

// subscription is whether a session takes updates, and what it still lacks of them.
// Its own calls say so (rules UPD-2 and INIT-7); of a session that lived before this
// node knew it that is supposed until one does. Sessions of media temp keys take none,
// whatever it says (rule UPD-8).
//
// Between two Steps:
//   - declined excludes subscribed, supposed and gap: nothing is sent to the session,
//     so nothing can be missing.
//   - syncing is how many calls of the session hold its updates back.
type subscription struct {
	subscribed bool  // called the API and may take updates
	supposed   bool  // may take them, as far as is known
	declined   bool  // invokeWithoutUpdates: a file connection
	files      bool  // moved files
	lived      bool  // before this node knew the session
	gap        bool  // may have missed updates, and is to be told so
	passedOn   bool  // its client has left it, and another session was told of the updates that wait here
	syncing    uint8 // calls of updates.getState and getDifference in work
}

// takes reports whether the session may take updates.
func (u *subscription) takes() bool { return u.subscribed || u.supposed }

// ask notes a call that asks for updates.
func (u *subscription) ask() { u.subscribed, u.declined = true, false }

// call notes a call of any other kind.
func (u *subscription) call() { u.subscribed = !u.declined }

// moveFile notes a call that moves files, which says nothing of updates.
func (u *subscription) moveFile() { u.files = true }

// decline notes a call that wants no updates. A session that takes some does not stop.
func (u *subscription) decline() {
	if !u.subscribed {
		u.declined, u.supposed, u.gap = true, false, false
	}
}

// suppose has the session taken for one that takes updates, until its calls say so or
// not. It returns false, and changes nothing, where the session has declined them.
func (u *subscription) suppose() bool {
	if u.declined {
		return false
	}
	u.supposed = !u.subscribed
	return true
}

// resume notes that the session lived before this node knew it. It returns whether it
// may have missed updates.
func (u *subscription) resume() bool {
	u.lived = true
	if !u.suppose() {
		return false
	}
	u.gap = true
	return true
}

// told notes that the session has been told to fetch the difference, or that there is
// none to fetch.
func (u *subscription) told() { u.gap = false }

// pass notes that another session has been told to fetch what waits here. It returns whether
// that is news.
func (u *subscription) pass() (news bool) {
	news, u.passedOn = !u.passedOn, true
	return news
}

// unpass notes that another update waits here, of which no session was told, or that the
// session's client has not left it.
func (u *subscription) unpass() { u.passedOn = false }

// loginEnds forgets what the sessions of a login took.
func (u *subscription) loginEnds() { u.subscribed, u.supposed, u.gap = false, false, false }

// holdBack has the session's updates wait for the result of a call, which they must not
// overtake. It returns false where 255 calls hold them back already: this call is not
// counted then, and letGo is not called for it.
func (u *subscription) holdBack() bool {
	if u.syncing == 255 {
		return false
	}
	u.syncing++
	return true
}

// letGo ends what holdBack began for one call.
func (u *subscription) letGo() { u.syncing-- }

// export is the flags of the session that are these.
func (u *subscription) export() uint32 {
	return when(sessionSubscribed, u.subscribed) | when(sessionLived, u.lived) | when(sessionSupposed, u.supposed) |
		when(sessionGap, u.gap) | when(sessionFiles, u.files) | when(sessionDeclined, u.declined)
}

// restore reads what export wrote. The calls that hold updates back follow.
func (u *subscription) restore(flags uint32) {
	*u = subscription{
		subscribed: has(flags, sessionSubscribed), lived: has(flags, sessionLived), supposed: has(flags, sessionSupposed),
		gap: has(flags, sessionGap), files: has(flags, sessionFiles), declined: has(flags, sessionDeclined),
	}
}
