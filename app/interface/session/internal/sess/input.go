package sess

import (
	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/proto/tl"
)

// KeyType is the kind of a transport key, as authsession stores it (PEERS.md,
// "Keys").
type KeyType int32

// Kinds of transport keys.
const (
	PermKey      KeyType = 0
	TempKey      KeyType = 1
	MediaTempKey KeyType = 2
)

// Input is one thing that happened to a wrapper. Step takes ownership of an
// input and of the slices in it.
type Input interface{ input() }

type (
	// Data is one decrypted packet of a client: msg_id, seq_no, length, body
	// and padding, all little endian (PEERS.md, "session").
	Data struct {
		ServerID  string // gateway to answer through, host:port; empty over HTTP
		AuthKeyID int64  // transport key that encrypted the packet
		KeyType   KeyType
		// BoundUntil is when the binding of a temp key ends, Unix seconds; 0
		// when that is not known.
		BoundUntil uint32
		// Unbound says that authsession knows no binding of this temp key, so
		// that the wrapper is the key's own and only binds it (rule PFS-1).
		Unbound bool
		// Dead says that the temp key's binding has ended, or that its perm key has too
		// many temp keys to take one more. Its calls are refused (rule PFS-19).
		Dead      bool
		SessionID int64
		Salt      int64
		ClientIP  string
		NewConn   bool // the gateway saw the session for the first time
		Payload   []byte
		// HTTP is the response slot of a request that came over HTTP, 0 for
		// other transports. It is answered by exactly one Reply, not later
		// than HTTPUntil (Unix nanoseconds).
		HTTP      Slot
		HTTPUntil int64
		// Taken is when the node took the packet for its key, Unix seconds of its wall clock.
		// Since then it may have waited until the key had come from another node, or for
		// salts. BFFs are told of it. 0: as it is read.
		Taken int64
		// Trace is where the packet came in a trace; nil: nobody collects spans.
		Trace *Trace

		stub bool // the packet had to wait for salts and there was no room for its body: only msg_id and seqno are kept
	}

	// ConnNew says that a gateway opened a connection for a session (PEERS.md,
	// "session").
	ConnNew struct {
		ServerID  string
		AuthKeyID int64
		KeyType   KeyType
		SessionID int64
		ClientIP  string
		// Introduced says that the node which had the key until now, not a
		// gateway, tells of the connection: updates go there.
		Introduced bool
	}

	// ConnClosed says that a gateway has no connection left for a session
	// (PEERS.md, "session").
	// It counts only while the session is answered through that gateway.
	ConnClosed struct {
		ServerID  string
		AuthKeyID int64
		SessionID int64
	}

	// SendFailed says that a Send did not reach a connection (PEERS.md,
	// "gateway"): the gateway is gone or knows none. Content stays in the
	// outbox. It does not count where the session has had a new connection since.
	SendFailed struct {
		ServerID  string
		AuthKeyID int64
		SessionID int64
		SentAt    int64 // Send.At; 0: not known, as on another node than the one that sent it
	}

	// HTTPGone says that the reader of a response slot went away (rule HTTP-2).
	// Lost is the packet that it did not take; empty: it was not answered yet.
	HTTPGone struct {
		Slot Slot
		Lost []byte
	}

	// PushUpdates brings updates for the key's user (PEERS.md, "Pushes"): an
	// encoded mtproto.Updates.
	PushUpdates struct {
		Notification bool // also wake the session that takes push messages
		Updates      []byte
	}

	// PushSessionUpdates brings updates for one session (PEERS.md, "Pushes").
	PushSessionUpdates struct {
		AuthKeyID int64
		SessionID int64
		Updates   []byte
	}

	// PushesLost says that updates for the key found no room on their way here: the
	// client is to fetch the difference (rule UPD-5).
	PushesLost struct{}

	// PushRPCResult brings the answer that a BFF promised by status 700
	// (PEERS.md, "Errors"): a whole serialized rpc_result.
	PushRPCResult struct {
		AuthKeyID int64 // transport key that asked; senders may not know it
		SessionID int64
		ReqMsgID  int64
		RPCResult []byte
	}

	// Revoked says that the key's login was ended elsewhere (rule ERR-4;
	// PEERS.md, "Pushes"): nothing that was meant for it is delivered any more,
	// and calls that need a login are refused. Asked is when the sender asked
	// authsession about the login, Unix nanoseconds: a login that began after that is
	// another one and stays, and without a live login nothing happens. 0: the sender
	// did not ask, and whatever login is there is meant.
	Revoked struct{ Asked int64 }

	// CallDone completes a Call. Exactly one of Result and Err is set; both
	// nil is success without a result.
	CallDone struct {
		Ticket Ticket
		Result Result
		Err    *RPCError
	}

	// Announced is the outcome of a SetOnline (PEERS.md, "status"): a failure
	// always, success when it was asked for or found that status had lost the
	// entry. At tells which one.
	Announced struct {
		At     int64
		Failed bool
		Lost   bool
	}

	// Forgotten says that status, asked after Asked (Unix nanoseconds), has no
	// entry that leads to this node (PEERS.md, "status").
	Forgotten struct {
		UserID int64
		Asked  int64
	}

	// Bound says that the wrapper's key, a temp key of its own, is bound (rule PFS-2),
	// though its own auth.bindTempAuthKey did not say so: the outcome was lost on its
	// way, or another node made it. From now on its packets are for its perm key, which
	// is to know what they had brought before.
	Bound struct {
		To      int64 // perm key id
		KeyType KeyType
		Until   uint32 // when the binding ends, Unix seconds; 0: not known
	}

	// Adopt hands over the sessions of a temp key that was just bound.
	Adopt struct{ Handover *Handover }

	// Tick says that the time asked for by Effects.WakeAt has come.
	Tick struct{}

	// Returned says that another node owned the key for a while: there its
	// login may have changed, updates may have gone astray, and status (PEERS.md,
	// "status") may have been told that nobody is there.
	Returned struct{}

	// Settled says that all nodes agree by now about who owns the key. Before that,
	// another node may have served the key, too, and may have stored something
	// after this node read the state of the login. So the state is read again
	// (PEERS.md, "authsession").
	Settled struct{}

	// HandOff says that another node is to have the key: nothing new begins here.
	// Effects.State follows, in this step or when the last peer has answered that
	// was asked for something, Config.HandOffWait later at the latest.
	HandOff struct{}

	// Stay takes HandOff back: the key goes nowhere from here.
	Stay struct{}

	// Arrived is the first input of a wrapper that Import has made.
	Arrived struct{}

	// Drain says that the node is about to stop: no new calls are invoked;
	// Effects.Drained tells when every answer has left.
	Drain struct{}
)

func (*Data) input()               {}
func (*ConnNew) input()            {}
func (*ConnClosed) input()         {}
func (*SendFailed) input()         {}
func (*HTTPGone) input()           {}
func (*PushUpdates) input()        {}
func (*PushSessionUpdates) input() {}
func (*PushesLost) input()         {}
func (*PushRPCResult) input()      {}
func (*Revoked) input()            {}
func (*CallDone) input()           {}
func (*Announced) input()          {}
func (*Forgotten) input()          {}
func (*Bound) input()              {}
func (*Adopt) input()              {}
func (*Tick) input()               {}
func (*Returned) input()           {}
func (*Settled) input()            {}
func (*HandOff) input()            {}
func (*Stay) input()               {}
func (*Arrived) input()            {}
func (*Drain) input()              {}

// Room is where an encoded reply is. It is freed once the reply is written for the client,
// and used for others then; nil: it is the garbage collector's.
type Room interface{ Free() }

// Result is what a Call came back with.
type Result interface{ result() }

type (
	// MethodResult answers InvokeMethod (PEERS.md, "BFF calls").
	MethodResult struct {
		// Method gives the type of PB; it differs from the invoked one where
		// a call was rewritten for an old client.
		Method *tl.Method
		PB     []byte // the encoded reply
		Room   Room   // where PB is
		// Pushed says that the answer comes later, by PushRPCResult.
		Pushed bool
	}

	// AuthState answers GetAuthState (PEERS.md, "Auth states").
	AuthState struct {
		State         State
		UserID        int64
		Client        ClientInfo
		PushSessionID int64 // 0: none
	}

	// LoginWord answers SetPasswordPending: what storage says of the key from now
	// on (PEERS.md, "Our own calls"). There is none, or its State is StateUnknown,
	// from an authsession that does not say.
	LoginWord struct {
		State  State
		UserID int64 // of states 5 and 6
	}

	// Salts answers GetSalts, oldest first (PEERS.md, "Salts").
	Salts struct{ Salts []Salt }

	// KeysGone answers DestroyKey and DropTempKeys (rules KEY-23 and PFS-21).
	KeysGone struct {
		Existed bool
		Keys    []int64
	}
)

func (*MethodResult) result() {}
func (*AuthState) result()    {}
func (*LoginWord) result()    {}
func (*Salts) result()        {}
func (*KeysGone) result()     {}

// Salt is valid in [Since, Until), Unix seconds (rule SALT-5).
type Salt struct {
	Since, Until int32
	Salt         int64
}

// RPCError is an rpc_error, or a peer's refusal in the same terms (rule RPC-2).
type RPCError = rpcerr.Error

// IsPush reports whether an input brings what somebody else has for a client (PEERS.md,
// "Pushes"). Its sender does not send it again, so it is kept where a client's packet
// would be dropped, to be repeated.
func IsPush(in Input) bool {
	switch in.(type) {
	case *PushUpdates, *PushSessionUpdates, *PushRPCResult:
		return true
	}
	return false
}
