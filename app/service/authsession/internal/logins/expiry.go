package logins

const day = 24 * 60 * 60

// Expiry is when a login expires that was last active at a time; 0: never. A login of which
// no use is known does not expire. ownTTLDays is the user's own setting; 0: as configured.
func (r Rules) Expiry(lastActive, ownTTLDays int64) int64 {
	if ownTTLDays == 0 {
		ownTTLDays = r.TTLDays
	}
	if ownTTLDays == 0 || lastActive == 0 {
		return 0
	}
	return lastActive + ownTTLDays*day
}

// Expired reports whether a login's TTL is over now; expiresAt 0 is that of a login that does
// not expire.
func Expired(expiresAt, now int64) bool { return expiresAt != 0 && expiresAt <= now }

// Overdue says why a login ends that a reader takes for expired; Live: it does not end.
func Overdue(l *Login, now int64) Reason {
	if Expired(l.ExpiresAt, now) {
		return TTLExpired
	}
	return Live
}

// Unused says why the clean-up ends a login; Live: it does not. A user's own TTL decides
// alone: who chose a year is not logged out after half of one. Other logins end when nobody
// has used them since before.
func Unused(l *Login, before, now int64) Reason {
	switch {
	case l.OwnTTL:
		return Overdue(l, now)
	case l.LastActive != 0 && l.LastActive < before:
		return Inactive
	}
	return Live
}
