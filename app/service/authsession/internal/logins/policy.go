package logins

import (
	"math"
	"slices"
)

// Strategy says what a sign-in does to the user's other logins. It is stored as text.
type Strategy string

// Strategies.
const (
	Inherit            Strategy = ""                      // of a user: as configured
	Unlimited          Strategy = "none"                  // nothing
	LimitAll           Strategy = "limit"                 // Limit logins stay, of whatever device types
	LimitPerDeviceType Strategy = "limit-per-device-type" // Limit logins of a device type stay
	OnePerDeviceType   Strategy = "one-per-device-type"   // one login of a device type stays
	OneLogin           Strategy = "one"                   // one login stays
)

// MaxTTLDays bounds a TTL.
const MaxTTLDays = 3650

// Policy is what holds for a user's logins. Zero members are as configured for all.
type Policy struct {
	TTLDays  int // idle days until a login expires, at most MaxTTLDays
	Strategy Strategy
	Limit    int // of LimitAll and LimitPerDeviceType, at most 10000
}

// Rules are what holds for users without settings of their own.
type Rules struct {
	TTLDays       int64 // idle days until a login expires; 0: it never does
	ConfirmWithin int64 // seconds that a login waits to be confirmed; 0: each counts as confirmed
	Strategy      Strategy
	Limit         int // of LimitAll and LimitPerDeviceType
	// Total bounds the logins of a user over all device types, beside what Strategy says of
	// each; 0: no bound. A user with a strategy of their own has that alone.
	Total int
}

// Surplus returns the rows of those of a user's live logins that may not stay beside the one
// on the key perm, whose device has the given type: the ones idle the longest. The login on
// perm is never among them, be it in the list or not.
func (r Rules) Surplus(own Policy, live []Login, perm int64, deviceType string) (ids []int64) {
	ofType, ofAll := r.mayStay(own)
	others := slices.DeleteFunc(slices.Clone(live), func(l Login) bool { return l.AuthKeyID == perm })
	slices.SortFunc(others, NewestFirst)
	for _, l := range others {
		sameType := l.DeviceType == deviceType
		if ofAll == 0 || sameType && ofType == 0 {
			ids = append(ids, l.ID)
			continue
		}
		ofAll--
		if sameType {
			ofType--
		}
	}
	return ids
}

// Limits reports whether a sign-in may end other logins of a user with the given settings,
// if there are enough of them, and whether only those of its device's type.
func (r Rules) Limits(own Policy) (some, ofTypeAlone bool) {
	ofType, ofAll := r.mayStay(own)
	return ofType != math.MaxInt || ofAll != math.MaxInt, ofAll == math.MaxInt
}

// mayStay is how many of a user's other logins may stay beside a new one: of its
// device type, and of all together.
func (r Rules) mayStay(own Policy) (ofType, ofAll int) {
	strategy, limit, total := r.Strategy, r.Limit, r.Total
	if own.Strategy != Inherit {
		strategy, total = own.Strategy, 0
	}
	if own.Limit != 0 {
		limit = own.Limit
	}
	ofType, ofAll = math.MaxInt, math.MaxInt
	if total > 0 {
		ofAll = total - 1
	}
	switch strategy {
	case LimitAll:
		ofAll = min(ofAll, max(limit, 1)-1)
	case LimitPerDeviceType:
		ofType = max(limit, 1) - 1
	case OnePerDeviceType:
		ofType = 0
	case OneLogin:
		ofAll = 0
	}
	return ofType, ofAll
}
