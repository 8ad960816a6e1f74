package sess

import (
	"slices"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/app/internal/buffers"
	sessionpb "github.com/tgsession/tgsession/proto/session"
	"github.com/tgsession/tgsession/proto/tl"
)

// Ticket names a Call of one wrapper until its CallDone.
type Ticket uint64

// Slot names an HTTP response slot of the node.
type Slot uint64

// Effects is what one Step asks the world around the wrapper to do. Step
// appends; the caller resets it between steps and owns everything in it.
type Effects struct {
	Sends   []Send
	Replies []Reply
	Calls   []Call

	// Handover gives the sessions of a freshly bound temp key to the wrapper
	// of its perm key.
	Handover *Handover

	// State answers HandOff: all that there is of the key, for the node that gets
	// it. The wrapper is not to be used any more.
	State *sessionpb.KeyState

	// Unplaced are packets of temp keys for which the wrapper has no place
	// (Limits.MaxTempKeys): they are to be answered as those of a key that was
	// dropped, so that the client binds another one.
	Unplaced []*Data

	// Present answers Drain: the sessions that updates go to now. Another node
	// that takes the key over is told of them by ConnNew.
	Present []ConnNew

	// WakeAt is when the wrapper wants its next Tick, Unix nanoseconds;
	// 0: it waits for input alone. It replaces any earlier wish.
	WakeAt int64

	// Counts is what happened, for metrics; Faults, for the log.
	Counts []Count
	Faults []Fault

	// Ended are the sessions that have ended, and why, for who watches.
	Ended []Ended

	// Held is how many bytes the outboxes of all sessions hold.
	Held int

	// Drained answers Drain: nothing is in flight any more. Behind says that
	// there are updates all the same that the client may not have.
	Drained bool
	Behind  bool

	// Done says that the wrapper holds nothing worth keeping.
	Done bool

	// Scratch of a step.
	members []wire.Message
	items   []*outMsg
	// The call that ended last, and its trace.
	concluded      int64
	concludedTrace *Trace
}

// Reset empties e for the next step and keeps its memory.
func (e *Effects) Reset() {
	clear(e.Sends)
	clear(e.Replies)
	clear(e.Calls)
	clear(e.Faults)
	clear(e.Unplaced)
	clear(e.Present)
	clear(e.Ended)
	clear(e.members)
	clear(e.items)
	*e = Effects{
		Sends: e.Sends[:0], Replies: e.Replies[:0], Calls: e.Calls[:0],
		Counts: e.Counts[:0], Unplaced: e.Unplaced[:0], Present: e.Present[:0], Faults: e.Faults[:0], Ended: e.Ended[:0],
		members: e.members[:0], items: e.items[:0],
	}
}

// Send is a packet for a gateway (PEERS.md, "gateway"): salt, session_id,
// msg_id, seq_no, length and body; the gateway pads and encrypts it.
type Send struct {
	ServerID  string
	AuthKeyID int64
	SessionID int64
	Payload   []byte
	// Tail is what follows Payload: the body of a large message, which the outbox keeps,
	// so that it is not copied each time that it goes out. It never changes. nil: Payload
	// is all.
	Tail []byte
	// Room is where Tail is, which whoever has the packet frees when it is gone; nil: Tail is
	// the garbage collector's.
	Room  *buffers.Room
	At    int64  // when it was sent
	Trace *Trace // of the first call that is answered in it; nil: none is, or is traced
}

// Len is how many bytes the packet has (PEERS.md, "gateway").
func (s *Send) Len() int { return len(s.Payload) + len(s.Tail) }

// Bytes is the packet in one piece (PEERS.md, "gateway"). It is not to be changed.
func (s *Send) Bytes() []byte { return inOnePiece(s.Payload, s.Tail) }

// inOnePiece is a packet whose tail, if it has one, is copied behind what leads it.
func inOnePiece(payload, tail []byte) []byte {
	if len(tail) == 0 {
		return payload
	}
	return slices.Concat(payload, tail)
}

// Reply answers an HTTP response slot (rule HTTP-2); an empty payload is an
// empty answer.
type Reply struct {
	Slot    Slot
	Payload []byte
}

// Call asks a peer for something. It is completed by exactly one CallDone,
// except SetOnline, whose outcome may come as Announced, and SetOffline, which
// nobody waits for.
type Call struct {
	Ticket  Ticket
	Request Request
}

// Request is what a Call asks for.
type Request interface{ request() }

type (
	// InvokeMethod forwards an API call to the BFF that serves it (PEERS.md,
	// "BFF calls").
	InvokeMethod struct {
		Method *tl.Method
		PB     []byte // the encoded request message
		Meta   Meta
	}

	// GetAuthState reads what authsession knows of the wrapper's key (PEERS.md,
	// "Auth states").
	GetAuthState struct{ AuthKeyID int64 }

	// GetSalts reads the future salts of a transport key (PEERS.md, "Salts").
	GetSalts struct{ AuthKeyID int64 }

	// BindTempKey is auth.bindTempAuthKey with the facts of the packet that
	// carried it (PEERS.md, "bindTempAuthKey").
	BindTempKey struct {
		PermAuthKeyID    int64
		Nonce            int64
		ExpiresAt        int32
		EncryptedMessage []byte
		Meta             Meta
	}

	// SetLayer stores the layer of the wrapper's key (rule INIT-1).
	SetLayer struct {
		AuthKeyID int64
		IP        string
		Layer     int32
	}

	// SetInitConnection stores what initConnection told (rule INIT-3).
	SetInitConnection struct {
		AuthKeyID int64
		Client    ClientInfo
	}

	// SetPushSession stores the session that takes push messages (PEERS.md,
	// "Pushes").
	SetPushSession struct {
		AuthKeyID, UserID, SessionID int64
	}

	// SetPasswordPending brackets a call that may log in or owe the password:
	// Pending before it, not Pending when it has ended, with the user whom it
	// logged in or asked for the password, if any (PEERS.md, "Our own calls").
	// Owner names the call, is never 0, and is the same in all that is said of
	// it. It is answered by LoginWord.
	SetPasswordPending struct {
		AuthKeyID int64
		UserID    int64
		Owner     int64
		Pending   bool
	}

	// SetTTL stores after how many idle days a user's logins end (PEERS.md,
	// "Our own calls").
	SetTTL struct {
		UserID int64
		Days   int32
	}

	// DestroyKey removes a key from storage (rule KEY-23).
	DestroyKey struct{ AuthKeyID int64 }

	// DropTempKeys removes the temp keys of a perm key but those excepted (rule
	// PFS-21).
	DropTempKeys struct {
		PermAuthKeyID int64
		Except        []int64
	}

	// SetOnline tells the status service that the key can be reached here
	// (PEERS.md, "status").
	SetOnline struct {
		UserID    int64
		AuthKeyID int64
		Layer     int32
		Client    string
		Expires   int64 // Unix seconds
		At        int64 // names it: Announced
		Confirm   bool  // its success is worth an Announced, as every failure is
		Renews    bool  // status should have an entry of the key, and is asked before whether it does
		// Was is the node that the entry may name still, beside this one: it had the
		// key before. Empty: none.
		Was string
	}
	// SetOffline tells the status service that nobody is there any more
	// (PEERS.md, "status").
	SetOffline struct {
		UserID    int64
		AuthKeyID int64
	}
)

func (*InvokeMethod) request()       {}
func (*GetAuthState) request()       {}
func (*GetSalts) request()           {}
func (*BindTempKey) request()        {}
func (*SetLayer) request()           {}
func (*SetInitConnection) request()  {}
func (*SetPushSession) request()     {}
func (*SetPasswordPending) request() {}
func (*SetTTL) request()             {}
func (*DestroyKey) request()         {}
func (*DropTempKeys) request()       {}
func (*SetOnline) request()          {}
func (*SetOffline) request()         {}

// Meta is what a BFF learns of the caller (PEERS.md, "rpc_metadata"), as it
// was when the call was accepted.
type Meta struct {
	ClientAddr    string
	AuthKeyID     int64 // transport key
	PermAuthKeyID int64
	SessionID     int64
	MsgID         int64
	ReceiveTime   int64 // Unix seconds
	UserID        int64
	Layer         int32
	Client        string // client name: android, ios, tdesktop, weba, react, ...
	LangPack      string
	LangCode      string
	Takeout       *Takeout // nil outside takeout and message ranges
	Trace         *Trace   // of the packet that brought the call; nil: none, or another node took it
}

// Takeout names the takeout or message range that a call was made in
// (https://core.telegram.org/api/takeout).
type Takeout struct {
	ID           int64
	MinID, MaxID int32
	HasRange     bool
}

// ClientInfo is what initConnection and invokeWithLayer told (rule INIT-2).
// Strings are valid UTF-8. Proxy and Params are JSON text, "null" when absent.
type ClientInfo struct {
	IP             string
	Layer          int32
	APIID          int32
	DeviceModel    string
	SystemVersion  string
	AppVersion     string
	SystemLangCode string
	LangPack       string
	LangCode       string
	Proxy          string
	Params         string
}

// Handover carries sessions from the wrapper of an unbound temp key to that
// of its perm key (rule PFS-2). The sessions belong to whoever holds the
// Handover.
type Handover struct {
	To    int64 // perm key id
	List  *SessionList
	calls []*pendingCall // that waited for the key to be bound
	gone  goneSessions   // that ended under the key
}
