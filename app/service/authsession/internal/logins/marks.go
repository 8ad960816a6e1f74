package logins

import "slices"

// Mark says that one call of session may leave a login on a key that owes the
// second factor. It is in flight until a login begins on the key: from then on
// it belongs to that login, and ends with it. The zero Owner is a session that
// names no call.
type Mark struct {
	Owner   int64
	UserID  int64 // whose login it belongs to; 0: in flight
	Created int64
	Seq     int64 // counts the marks of a key
}

const (
	// MarkLife is how long a mark is in flight, in seconds: longer than a call
	// can take, session's waits included. What is older was left by a call
	// whose end nobody heard of.
	MarkLife = 600
	// maxMarks bounds the marks of a key that are in flight, and those that
	// belong to its login. The oldest give way: one is enough to owe.
	maxMarks = 16
)

// Marks are those of one key, in any order, with one for each owner at most. The methods
// return what they become.
type Marks []Mark

// Owed reports whether the login of a user owes the second factor.
func (l Marks) Owed(userID int64) bool {
	return slices.ContainsFunc(l, func(m Mark) bool { return m.UserID == userID })
}

// set marks a call: its login, if it is known, owes the second factor, else the
// next one that begins. A mark that belongs to a login stays with it.
func (l Marks) set(owner, userID, now int64) Marks {
	m := Mark{Owner: owner, UserID: userID, Created: now, Seq: 1}
	for _, other := range l {
		m.Seq = max(m.Seq, other.Seq+1)
		if other.Owner == owner && userID == 0 {
			m.UserID = other.UserID
		}
	}
	l = slices.DeleteFunc(slices.Clone(l), func(other Mark) bool { return other.Owner == owner || other.isOver(now) })
	return append(l, m).bounded()
}

// cleared takes a call that left no login out; of a session that names none,
// all.
func (l Marks) cleared(owner int64) Marks {
	if owner == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(l), func(m Mark) bool { return m.Owner == owner })
}

// completed takes out what is over when a call has completed the login of a
// user: the call's own mark, and those of that login that were set before it.
// Later ones are of later calls. Marks without a name count as earlier: only an
// older node, which took the call's first request, can have written them.
func (l Marks) completed(owner, userID int64) Marks {
	if owner == 0 {
		return nil
	}
	at := int64(0)
	for _, m := range l {
		if m.Owner == owner {
			at = m.Seq
		}
	}
	return slices.DeleteFunc(slices.Clone(l), func(m Mark) bool {
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
func (l Marks) signedIn(userID int64, goesOn bool, now int64) Marks {
	var out Marks
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

func (m Mark) isOver(now int64) bool { return m.UserID == 0 && m.Created < now-MarkLife }

// bounded keeps the newest of each kind.
func (l Marks) bounded() Marks {
	slices.SortFunc(l, func(a, b Mark) int { return int(b.Seq - a.Seq) })
	inFlight, owing := 0, 0
	return slices.DeleteFunc(l, func(m Mark) bool {
		n := &owing
		if m.UserID == 0 {
			n = &inFlight
		}
		*n++
		return *n > maxMarks
	})
}

// Change returns what to write so that the stored marks l become after: the owners whose
// marks go, and the marks to store in place of those of their owners.
func (l Marks) Change(after Marks) (drop []int64, put Marks) {
	for _, m := range l {
		if !slices.ContainsFunc(after, func(other Mark) bool { return other.Owner == m.Owner }) {
			drop = append(drop, m.Owner)
		}
	}
	for _, m := range after {
		if !slices.Contains(l, m) {
			put = append(put, m)
		}
	}
	return drop, put
}
