package logins

import (
	"cmp"
	"strconv"
)

// Login is what the rules look at of one login, live or ended.
type Login struct {
	// ID is that of its row. A login that another one has followed on its key, and which is
	// kept as history, has a negative one.
	ID         int64
	AuthKeyID  int64 // perm key
	UserID     int64
	Hash       int64 // names the login to clients; 0: a stock node has made it
	DeviceType string

	SignedIn   int64
	LastActive int64
	ExpiresAt  int64 // unless it is used before; 0: it does not expire
	OwnTTL     bool  // ExpiresAt is by a setting of the user

	Reason Reason // Live: it has not ended
}

// NewestFirst orders logins by when they were last active; of those active at the same time,
// the one whose row is younger comes first.
func NewestFirst(a, b Login) int {
	return cmp.Or(cmp.Compare(b.LastActive, a.LastActive), cmp.Compare(b.ID, a.ID))
}

// Used notes that a login is used at a time. The end of its TTL moves with it, where it has
// one. An earlier use than the last one changes nothing.
func (l *Login) Used(at int64) {
	if at <= l.LastActive {
		return
	}
	if l.ExpiresAt != 0 {
		l.ExpiresAt += at - l.LastActive
	}
	l.LastActive = at
}

// UserActor names a user as the one who ended a login.
func UserActor(userID int64) string { return "user:" + strconv.FormatInt(userID, 10) }
