package sessions

import (
	"errors"
	"fmt"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// ErrNotFound means that there is no such session, live or ended.
var ErrNotFound = errors.New("no such session")

// ErrUnknown means that a change may have been made or not; repeating it does no
// harm.
var ErrUnknown = dao.ErrUnknown

// ErrBadToken means that a page token is not one that List gave out, or was
// given out for another filter.
var ErrBadToken = errors.New("not a page token of this list")

// Session is one login. Zero times and empty texts are not known, or none.
type Session struct {
	Hash      int64 // names the session; never 0
	UserID    int64
	AuthKeyID int64 // perm key

	DeviceType    string // one of the device.Types
	DeviceModel   string
	Platform      string
	SystemVersion string
	AppName       string
	AppVersion    string
	LangCode      string
	APIID         int32
	Layer         int32 // of the API; 0: not announced

	IP      string // seen last
	Country string // of IP; empty without a place database
	Region  string
	// Addresses are those that it was used from, the one seen last first, at most
	// ten.
	Addresses []Address

	SignedIn     time.Time
	LastActive   time.Time // exact to the interval of touches
	ExpiresAt    time.Time // unless it is used before; zero: it does not expire
	RevokedAt    time.Time // zero: live
	RevokeReason logins.Reason
	RevokedBy    string
	RevokeNote   string // what By.Note said when it was ended
	RevokeTicket string // likewise

	// Unconfirmed: it began beside others, and the user has not said yet that
	// it was them (core.telegram.org/constructor/authorization).
	Unconfirmed               bool
	EncryptedRequestsDisabled bool
	CallRequestsDisabled      bool
}

// Address is one that a session was used from.
type Address struct {
	IP      string
	Country string // empty without a place database
	Region  string
	First   time.Time // zero: not known
	Last    time.Time // exact to the interval of touches
}

// Live reports whether the session was not revoked.
func (s Session) Live() bool { return s.RevokeReason == logins.Live }

// By says why, and by whom, a session is ended. Actor and Ticket are cut to 64
// characters, Note to 200.
type By struct {
	Reason logins.Reason
	Actor  string // "user:1", "admin:alice", "cleanup"; empty: it has no name
	Note   string // why, in the operator's words
	Ticket string // in which it was asked for
	// AnswerTo is the perm key whose client waits for the answer of this call,
	// 0 when none does. Its session node is not told, since the push would
	// overtake the answer and suppress it: it knows by the answer.
	AnswerTo int64
}

func (b By) who() dao.By { return dao.By{Actor: b.Actor, Note: b.Note, Ticket: b.Ticket} }

// Device is a session as its user's list of devices shows it.
type Device struct {
	Session
	PasswordPending bool // the second factor is owed
}

// Settings are what a user may set of a session
// (core.telegram.org/method/account.changeAuthorizationSettings); nil leaves a
// member as it is.
type Settings struct {
	Confirmed                 bool // true: it was the user; false leaves it as it is
	EncryptedRequestsDisabled *bool
	CallRequestsDisabled      *bool
}

// Filter selects sessions; its zero value selects all.
type Filter struct {
	UserID     int64
	DeviceType string
	APIID      int32
	Active     *bool // true: live ones, false: ended ones, nil: both
	Match      Match
}

// Sort is the order of a list.
type Sort string

// Orders. Those by activity are of live sessions alone.
const (
	BySignIn     Sort = ""            // the latest sign-in first
	ByLastActive Sort = "last_active" // the one active last first
	ByIdleness   Sort = "idle"        // the one idle longest first
)

// Bounds of a page.
const (
	DefaultPageSize = 100
	MaxPageSize     = 500
)

// Page selects a part of a list.
type Page struct {
	Size  int    // 0: DefaultPageSize; more than MaxPageSize counts as that
	Token string // from the page before; empty: the first
	Sort  Sort
}

// Selection names the sessions to revoke: the one with Hash, or those of
// UserID, less what the other fields keep. With both Hash and UserID the
// session must be that user's; it is not found otherwise.
type Selection struct {
	Hash   int64
	UserID int64

	AuthKeyID       int64  // only the one on this perm key
	DeviceType      string // only this type
	ExceptHash      int64  // but not this one
	ExceptAuthKeyID int64  // nor the one on this perm key
	KeepNewest      int    // nor as many of the rest, those active last

	// AtMost is how many sessions the caller expects to end; more are a
	// *TooManyError, and none ends. 0: no bound.
	AtMost int
}

// TooManyError means that more sessions would end than Selection.AtMost; none did.
type TooManyError struct{ Count, AtMost int }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("%d sessions would end, more than %d", e.Count, e.AtMost)
}

// Revoked is a session that a call ended.
type Revoked struct {
	Session
	// TempAuthKeyIDs are the temp and media temp keys bound to its key. They
	// stay keys, and nobody is logged in on them any more.
	TempAuthKeyIDs []int64
}

// PolicyChange names what is to change of a user's own settings; nil leaves a member as it
// is.
type PolicyChange struct {
	TTLDays  *int
	Strategy *logins.Strategy
	Limit    *int
}

// Statistics counts sessions.
type Statistics struct {
	Live         int64
	Ended        int64
	Unconfirmed  int64            // of the live ones
	ByDeviceType map[string]int64 // live ones
}
