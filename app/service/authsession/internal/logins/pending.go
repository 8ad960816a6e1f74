package logins

import "slices"

// Pending is what setPasswordPending says of a call (proto/authsession/manager.proto).
type Pending struct {
	Owner  int64 // names the call; 0: a session that names none
	UserID int64 // whose login it is for; 0: not known
	Owed   bool  // the second factor is owed, or may be; false: no longer
}

// ChangesState reports whether a login may owe something else than before: a
// call that begins says nothing of the login that there is.
func (p Pending) ChangesState() bool { return !p.Owed || p.UserID != 0 }

// PendingPlan is what a word on the second factor does.
type PendingPlan struct {
	Marks Marks // what the marks of the key become
	// Completed is whose login has owed the second factor and does so no longer; 0: nobody's.
	// The policy of that user applies now (Completion).
	Completed int64
}

// Plan says what becomes of the marks of a key on which the given users are logged in. A key
// has one user, unless stock nodes left more: which of them then owes is not known, so no
// sign-in counts as completed.
//
// A user may owe a second factor and not be logged in on the key. Either the BFF binds the
// login after it has answered: so the mark is kept as that of a call in flight. Or the login
// has ended: then the next one begins with a call of its own, which clears the mark.
func (p Pending) Plan(before Marks, users []int64, now int64) PendingPlan {
	plan := PendingPlan{Marks: p.apply(before, users, now)}
	if len(users) == 1 && before.Owed(users[0]) && !plan.Marks.Owed(users[0]) {
		plan.Completed = users[0]
	}
	return plan
}

func (p Pending) apply(l Marks, users []int64, now int64) Marks {
	switch {
	case p.Owed && slices.Contains(users, p.UserID):
		return l.set(p.Owner, p.UserID, now)
	case p.Owed:
		return l.set(p.Owner, 0, now)
	case p.UserID != 0:
		return l.completed(p.Owner, p.UserID)
	}
	return l.cleared(p.Owner)
}
