package check

import "time"

// Send is a message as its sender knows it. Text is what a message is known by:
// no two have the same.
type Send struct {
	Text     string
	From, To string
	Began    time.Time
	Done     time.Time
	// Err is why it is not known whether the message was taken. Empty: it was.
	Err string
}

// Effect is a call that reached the BFF and was carried out there, or would have
// been had an earlier one not been: the BFF knows a message again.
type Effect struct {
	Text string
	// Key and Session are where it came from, MsgID is the call's.
	Key, Session, MsgID int64
	// Place is where the message stands in the recipient's box; 0: an earlier
	// call had put it there.
	Place int
	At    time.Time
}

// How a recipient learned of a message.
type How string

// The ways.
const (
	Pushed     How = "pushed"
	TooLong    How = "too long"    // fetched after updatesTooLong
	NewSession How = "new session" // fetched after new_session_created, a new connection's too
	Gap        How = "gap"         // fetched because a later update was pushed
	Library    How = "library"     // a library of which that is not known
)

// Seen is a message that was handed to the recipient's application.
type Seen struct {
	Text string
	By   string
	At   time.Time
	How  How
}

// Fault is a fault that was made.
type Fault struct {
	Name string
	// Begin is when it was made, Healed when all was as before: a node serves
	// again.
	Begin, Healed time.Time
	// Kill says that a session node was killed: a call in flight may have been
	// carried out twice.
	Kill bool
	// Stop says that a session node was stopped. It does not answer the node that is
	// to have its keys, which greets their sessions anew; upon that some libraries send
	// again what has no answer, as calls of other msg_ids.
	Stop bool
}

// Moment is something that befell a client's connection, as its library tells.
type Moment struct {
	By   string
	At   time.Time
	What What
}

// What befell a connection.
type What string

// What is told.
const (
	Ended   What = "connection ended"
	Created What = "session created" // new_session_created came
)

// History is what a run has seen. Each list but that of Seen is in any order;
// Seen is in the order in which each recipient saw its messages.
type History struct {
	Begin   time.Time
	Sends   []Send
	Effects []Effect
	Seen    []Seen
	Faults  []Fault // by Begin
	// Broken are the ends of connections, by client, where the library tells and then
	// sends again what was not answered, as calls of other msg_ids.
	Broken map[string][]time.Time
	// Moments are in order. They explain a late message, and excuse nothing.
	Moments []Moment
	// Ended are clients whose login has ended, with the reason.
	Ended []string
}
