package dao

import "fmt"

// Reason says why a login ended; its number is stored.
type Reason int8

// Reasons.
const (
	Live             Reason = 0
	LoggedOut        Reason = 1
	ByUser           Reason = 2
	ByAdmin          Reason = 3
	TTLExpired       Reason = 4
	Inactive         Reason = 5
	ConcurrentLogin  Reason = 6
	ReplacedOnKey    Reason = 7
	KeyDestroyed     Reason = 8
	EndedByStockNode Reason = 127 // never stored: the row has none
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
