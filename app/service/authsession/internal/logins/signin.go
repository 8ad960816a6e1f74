package logins

import (
	"cmp"
	"slices"
)

// MaxOthers bounds the devices that hear of a login.
const MaxOthers = 100

// SignIn is what is known when a user signs in on a perm key.
type SignIn struct {
	Now        int64
	AuthKeyID  int64
	UserID     int64
	DeviceType string  // of the device that uses the key
	Own        Policy  // the user's own settings
	OnKey      []Login // all logins on the key, of whatever user, ended ones too
	// Live are the user's live logins, the one active last first: the first MaxOthers+1 of
	// them, and those that the policy may end (Rules.Limits).
	Live  []Login
	Marks Marks // of the key
}

// SignInPlan is what a sign-in does.
type SignInPlan struct {
	// Replace are the rows of logins that other users have on the key.
	Replace []int64
	// GoesOn: the user is logged in on the key already, and that login stays.
	GoesOn bool
	// Marks are what the marks of the key become.
	Marks Marks
	// Complete: the login owes no second factor. Completion is empty otherwise; it follows
	// when the second factor has been given.
	Complete bool
	Completion
	// UnconfirmedUntil is how long a login that begins waits to be confirmed; 0: it does not.
	UnconfirmedUntil int64
}

// Begins reports whether a login begins that is complete at once.
func (p *SignInPlan) Begins() bool { return p.Complete && !p.GoesOn }

// Completion is what a login that is complete does to the other logins of its user.
type Completion struct {
	// End are the rows of those that the policy does not let stay.
	End []int64
	// Tell are the perm keys of the others, the last active first, at most 100: they hear of
	// the login when it waits to be confirmed.
	Tell []int64
}

// SignIn says what a sign-in does. The login gets the marks of calls in flight on its key,
// any of which may be the call that made it. While it owes the second factor it ends none of
// the user's other logins: else a stolen code would log the user out everywhere.
func (r Rules) SignIn(in SignIn) SignInPlan {
	var plan SignInPlan
	for _, l := range in.OnKey {
		switch {
		case l.Reason != Live:
		case l.UserID == in.UserID:
			plan.GoesOn = true
		default:
			plan.Replace = append(plan.Replace, l.ID)
		}
	}
	plan.Marks = in.Marks.signedIn(in.UserID, plan.GoesOn, in.Now)
	if plan.Complete = !plan.Marks.Owed(in.UserID); plan.Complete {
		plan.Completion = r.Completion(in.Own, in.Live, in.AuthKeyID, in.DeviceType)
	}
	if r.ConfirmWithin > 0 && slices.ContainsFunc(in.Live, func(l Login) bool { return l.AuthKeyID != in.AuthKeyID }) {
		plan.UnconfirmedUntil = in.Now + r.ConfirmWithin
	}
	return plan
}

// Completion says what a login on the key perm, which owes nothing, does to the user's other
// logins. Its device has the given type; live are the user's live logins, the one active last
// first, with or without the login itself.
func (r Rules) Completion(own Policy, live []Login, perm int64, deviceType string) Completion {
	end := r.Surplus(own, live, perm, deviceType)
	tell := keysOf(live, func(l Login) bool { return l.AuthKeyID != perm && !slices.Contains(end, l.ID) })
	return Completion{End: end, Tell: tell}
}

// Others are the perm keys of logins but that with the given hash, in the order of the list,
// at most 100.
func Others(list []Login, hash int64) []int64 {
	return keysOf(list, func(l Login) bool { return l.Hash != hash })
}

func keysOf(list []Login, wanted func(Login) bool) (perms []int64) {
	for _, l := range list {
		if len(perms) == MaxOthers {
			break
		}
		if wanted(l) {
			perms = append(perms, l.AuthKeyID)
		}
	}
	return perms
}

// Row is what the row of a login says when its user has signed in.
type Row struct {
	Hash     int64
	SignedIn int64
	// Anew: a login begins. The row loses what was set of the one before it, which ended.
	Anew bool
}

// RowOf returns the row of a user's login on a key. Before is what the row said when it was
// read; nil: there is none. Live says whether that login is live under a lock: it may have
// ended since it was read. A live login keeps its hash and its date. A stock install has one
// row a key and user, so a login that begins takes over the row of one that has ended, with
// newHash.
func RowOf(before *Login, live bool, newHash, now int64) Row {
	if before == nil || !live {
		return Row{Hash: newHash, SignedIn: now, Anew: true}
	}
	// A stock node's login may have no hash, and its date may be wiped.
	return Row{Hash: cmp.Or(before.Hash, newHash), SignedIn: cmp.Or(before.SignedIn, now)}
}
