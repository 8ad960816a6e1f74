// Package inside shows what a node has in memory, as JSON over HTTP, under Prefix. It only
// looks: no page makes, keeps or ends anything, waits for a peer, or stops the node. Each
// costs a bounded time and memory, and none shows a key, a salt, or what a user has
// written. docs/inside.md has an example of each.
//
// Ids of 64 bits are strings in JSON, since many readers of JSON round such numbers.
package inside

import (
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// Prefix is where the pages are.
const Prefix = "/debug/session/"

// Error is the body of every answer that is none: {"error": {...}}.
type Error struct {
	Code    string `json:"code"` // BAD_ARGUMENT, NOT_FOUND, METHOD_NOT_ALLOWED, BUSY, NOT_READY
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message }

// Key is the page of a key: keys/{id}.
type Key struct {
	ID    int64  `json:"key,string"`         // perm key, or a temp key of its own
	Asked int64  `json:"asked,string"`       // the id that was asked for: a temp key, too
	Bound string `json:"binding"`            // of the id that was asked for: perm, bound, unbound, unknown (nobody has used it here lately)
	Owner string `json:"owner"`              // node that the ring gives the key to, host:port
	Mine  bool   `json:"mine"`               // it is this one
	Where string `json:"where"`              // here, arriving, leaving, moved (to To), bound (sessions are with their perm key), absent
	To    string `json:"moved_to,omitempty"` // node that has the key now
	// Online is the user as whom status knows the key to be online here; 0: it does not.
	Online  int64             `json:"online_user,string"`
	Guest   bool              `json:"guest"`           // it began here while the ring gave it to another node
	Doubted bool              `json:"doubted"`         // another node may have had it meanwhile, and is asked when something comes
	Mailbox Mailbox           `json:"mailbox"`         // what waits for the key's state machine
	Calls   int               `json:"calls_at_bff"`    // API calls
	State   *sess.Description `json:"state,omitempty"` // absent: there is none here
}

// Mailbox is what waits for a key's state machine: packets and pushes.
type Mailbox struct {
	Items int `json:"items"`
	Bytes int `json:"bytes"`
}

// Top is the page of the largest keys: top?by=outbox|calls|mailbox&n=20.
type Top struct {
	By      string    `json:"by"`
	At      time.Time `json:"at"`      // when it was found out, at most a second ago
	Keys    int       `json:"keys"`    // looked at
	TookMs  float64   `json:"took_ms"` // to look
	Largest []TopKey  `json:"largest"` // none with nothing at all
}

// TopKey is one of them.
type TopKey struct {
	ID          int64   `json:"key,string"`
	OnlineUser  int64   `json:"online_user,string"`
	OutboxBytes int     `json:"outbox_bytes"` // after its last step
	CallsAtBFF  int     `json:"calls_at_bff"`
	Mailbox     Mailbox `json:"mailbox"`
}

// Ended is the page of sessions that ended: ended?key=&reason=&n=100.
type Ended struct {
	Total    uint64         `json:"total"` // since the start; the last Kept are known
	Kept     int            `json:"kept"`
	Sessions []EndedSession `json:"sessions"` // the latest first
}

// EndedSession is one of them.
type EndedSession struct {
	At        time.Time `json:"at"`
	Key       int64     `json:"key,string"`
	AuthKeyID int64     `json:"auth_key_id,string"` // transport key
	SessionID int64     `json:"session_id,string"`
	UserID    int64     `json:"user_id,string"` // 0: nobody's, or not known
	Reason    string    `json:"reason"`
	Gateway   string    `json:"gateway,omitempty"`  // that led to the client last
	MovedTo   string    `json:"moved_to,omitempty"` // node that has the session now
}

// Ring is the page of the ring.
type Ring struct {
	Self       string     `json:"self"`
	Epoch      uint32     `json:"epoch"` // counts the changes since the start
	Converging bool       `json:"converging"`
	Left       bool       `json:"left"`          // this node stops
	Overdue    bool       `json:"lease_overdue"` // the others may take this node for gone
	Paused     bool       `json:"paused"`        // the process stood still until a moment ago
	Nodes      []RingNode `json:"nodes"`
	Past       []PastRing `json:"past"` // the last 16, the latest first
	Moves      Moves      `json:"moves"`
}

// RingNode is a node on the ring.
type RingNode struct {
	Node  string  `json:"node"`
	Self  bool    `json:"self"`
	Share float64 `json:"share"` // of all keys, of a sample of 4096 ids
}

// PastRing is a ring that was.
type PastRing struct {
	Nodes   []string `json:"nodes"`
	EndedMs int64    `json:"ended_ms"` // since when it has not been
}

// Moves is what keys that move wait for.
type Moves struct {
	Fetches      int `json:"fetches"`       // keys that are fetched because something came for them
	Offers       int `json:"offers"`        // keys that others have offered
	ParkedBytes  int `json:"parked_bytes"`  // of pushes that wait for the node of their key
	ForwardBytes int `json:"forward_bytes"` // of requests that wait to be sent on
}

// Queues is the page of what waits.
type Queues struct {
	Keys         int       `json:"keys"` // in memory
	HTTPRequests int       `json:"http_requests"`
	Calls        Calls     `json:"calls"`         // API calls at BFFs
	Peers        Pool      `json:"authsession"`   // calls to it
	Lookups      Pool      `json:"lookups"`       // of transport keys, at authsession
	LookupBytes  int       `json:"lookups_bytes"` // of packets that wait for them
	Moves        Moves     `json:"moves"`         //
	GatewayLinks int       `json:"gateway_links"` // all of them
	Gateways     []Gateway `json:"gateways"`      // the fullest first, 200 at most
}

// Pool is how many calls run and how many wait for their turn.
type Pool struct {
	Running int `json:"running"`
	Waiting int `json:"waiting"`
}

// Calls are the API calls of the node.
type Calls struct {
	Pool
	Bytes int `json:"bytes"` // of those that have 4 KiB or more
}

// Gateway is the link to one gateway.
type Gateway struct {
	Gateway  string `json:"gateway"`
	Listed   bool   `json:"listed"` // by etcd, or by the configuration
	Mode     string `json:"mode"`   // stream, unary
	Packets  int    `json:"packets"`
	Bytes    int    `json:"bytes"`
	Keys     int    `json:"keys"`      // whose packets they are
	UnreadMs int64  `json:"unread_ms"` // for how long the oldest packet on the stream has had no answer
	DownMs   int64  `json:"down_ms"`   // for how long it has not been reached
	IdleMs   int64  `json:"idle_ms"`
}
