package dao

import "slices"

// mark says that one call of session may leave a login on a key that owes the
// second factor. It is in flight until a login begins on the key: from then on
// it belongs to that login, and ends with it. The zero Owner is a session that
// names no call.
type mark struct {
	Owner   int64 `db:"owner"`
	UserID  int64 `db:"user_id"` // whose login it belongs to; 0: in flight
	Created int64 `db:"date_created"`
	Seq     int64 `db:"seq"` // counts the marks of a key
}

const (
	// markLife is how long a mark is in flight, in seconds: longer than a call
	// can take, session's waits included. What is older was left by a call
	// whose end nobody heard of.
	markLife = 600
	// maxMarks bounds the marks of a key that are in flight, and those that
	// belong to its login. The oldest give way: one is enough to owe.
	maxMarks = 16
)

// marks are those of one key. The methods return what they become.
type marks []mark

// owed reports whether the login of a user owes the second factor.
func (l marks) owed(userID int64) bool {
	return slices.ContainsFunc(l, func(m mark) bool { return m.UserID == userID })
}

// set marks a call: its login, if it is known, owes the second factor, else the
// next one that begins. A mark that belongs to a login stays with it.
func (l marks) set(owner, userID, now int64) marks {
	m := mark{Owner: owner, UserID: userID, Created: now, Seq: 1}
	for _, other := range l {
		m.Seq = max(m.Seq, other.Seq+1)
		if other.Owner == owner && userID == 0 {
			m.UserID = other.UserID
		}
	}
	l = slices.DeleteFunc(slices.Clone(l), func(other mark) bool { return other.Owner == owner || other.isOver(now) })
	return append(l, m).bounded()
}

// cleared takes a call that left no login out; of a session that names none,
// all.
func (l marks) cleared(owner int64) marks {
	if owner == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(l), func(m mark) bool { return m.Owner == owner })
}

// completed takes out what is over when a call has completed the login of a
// user: the call's own mark, and those of that login that were set before it.
// Later ones are of later calls. Marks without a name count as earlier: only an
// older node, which took the call's first request, can have written them.
func (l marks) completed(owner, userID int64) marks {
	if owner == 0 {
		return nil
	}
	at := int64(0)
	for _, m := range l {
		if m.Owner == owner {
			at = m.Seq
		}
	}
	return slices.DeleteFunc(slices.Clone(l), func(m mark) bool {
		switch m.UserID {
		case userID:
			return m.Seq <= at || m.Owner == 0
		case 0:
			return m.Owner == owner
		}
		return false
	})
}

// signedIn gives what is in flight to the login of a user that begins, or that
// goes on: any of these calls may be the one that made it. A login that begins
// owes nothing of the past.
func (l marks) signedIn(userID int64, goesOn bool, now int64) marks {
	var out marks
	for _, m := range l {
		switch {
		case m.UserID == 0 && !m.isOver(now):
			m.UserID = userID
			out = append(out, m)
		case m.UserID == userID && goesOn:
			out = append(out, m)
		}
	}
	return out.bounded()
}

func (m mark) isOver(now int64) bool { return m.UserID == 0 && m.Created < now-markLife }

// bounded keeps the newest of each kind.
func (l marks) bounded() marks {
	slices.SortFunc(l, func(a, b mark) int { return int(b.Seq - a.Seq) })
	inFlight, owing := 0, 0
	return slices.DeleteFunc(l, func(m mark) bool {
		n := &owing
		if m.UserID == 0 {
			n = &inFlight
		}
		*n++
		return *n > maxMarks
	})
}
