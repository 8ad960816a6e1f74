package logins

import "fmt"

// Reason says why a login ended; its number is stored.
type Reason int8

// Reasons.
const (
	Live             Reason = 0
	LoggedOut        Reason = 1   // by its own client
	ByUser           Reason = 2   // by another of the user's clients
	ByAdmin          Reason = 3   // over the admin API
	TTLExpired       Reason = 4   // nobody used it for as long as its TTL
	Inactive         Reason = 5   // nobody used it for as long as the clean-up was told
	ConcurrentLogin  Reason = 6   // a sign-in on another device, by policy
	ReplacedOnKey    Reason = 7   // another user signed in on the same key
	KeyDestroyed     Reason = 8   // its key was destroyed
	EndedByStockNode Reason = 127 // by a node that does not say why; never stored: the row has none
)

var reasonNames = map[Reason]string{
	Live:             "",
	LoggedOut:        "logged-out",
	ByUser:           "by-user",
	ByAdmin:          "by-admin",
	TTLExpired:       "ttl-expired",
	Inactive:         "inactive",
	ConcurrentLogin:  "concurrent-login",
	ReplacedOnKey:    "replaced-on-key",
	KeyDestroyed:     "key-destroyed",
	EndedByStockNode: "unknown",
}

// String is the reason's name in events, in the admin API and in logs; empty
// for Live.
func (r Reason) String() string {
	if name, ok := reasonNames[r]; ok {
		return name
	}
	return fmt.Sprintf("reason-%d", int8(r))
}

// ByIdleness reports whether a login ended because nobody used it, and not by anyone's act.
func (r Reason) ByIdleness() bool { return r == TTLExpired || r == Inactive }
