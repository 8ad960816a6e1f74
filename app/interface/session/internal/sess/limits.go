package sess

import "time"

// Limits are the limits and times of one key, its sessions and its packets.
// They are keys of the Session block of session.yaml, by these names; zero
// values mean the defaults below.
type Limits struct {
	// Limits of one key.
	MaxSessions  int `json:",optional"` // sessions of a key; the one idle longest makes room. Zero value means 64
	GoneSessions int `json:",optional"` // ended sessions of a key whose highest message id is remembered, for MaxPast, so that nothing of them is done again; of more, any session that comes must begin above. Zero value means 64
	MaxTempKeys  int `json:",optional"` // temp keys, and media temp keys, of a key that have sessions (rule PFS-22); of more the newest stay. Zero value means 32
	MaxInFlight  int `json:",optional"` // calls of a key at a BFF at a time; of this and the next two, calls of file parts may take three quarters. Zero value means 32
	MaxQueued    int `json:",optional"` // calls of a key accepted but not yet invoked; more are answered 420. Zero value means 256
	QueuedBytes  int `json:",optional"` // the same in bytes; one call always fits. Zero value means 16 MiB
	RepeatBytes  int `json:",optional"` // bytes of messages that are repeated to the clients of a key, for whatever reason, in 4 s; what is beyond waits. Zero value means 4 MiB
	KeyBytes     int `json:",optional"` // bytes not acknowledged in all sessions of a key, beyond which they give way as those of AnswerBytes do, the most silent session's first; an eighth while nobody is logged in. At least AnswerBytes. Zero value means 32 MiB
	HeldPackets  int `json:",optional"` // packets kept while salts are being read, for a key and its temp keys; more are refused by bad_server_salt, upon which clients repeat them. Zero value means 32
	HeldBytes    int `json:",optional"` // the same in bytes: a few parts of an upload. Zero value means 4 MiB
	HeldPushes   int `json:",optional"` // pushes kept while no session takes updates; more collapse into updatesTooLong. Zero value means 100

	// Limits of one session.
	Window         int `json:",optional"` // message ids remembered (rule MSGID-5), and up to eight times as many while they are younger than MaxPast. Zero value means 400
	OutboxMessages int `json:",optional"` // messages not acknowledged; beyond it answers that the client seems to have give way, then pushes collapse into updatesTooLong. Zero value means 400
	OutboxBytes    int `json:",optional"` // bytes of pushes not acknowledged beyond which they collapse. Zero value means 1 MiB
	AnswerBytes    int `json:",optional"` // bytes not acknowledged beyond which even answers that were sent give way, oldest first. Zero value means 16 MiB
	HTTPRequests   int `json:",optional"` // open HTTP requests; of more the oldest is answered at once. Below the connections that clients have, 6 to 16, so that there is always one for the next call. Zero value means 4

	// Limits of one packet.
	ContainerIn    int `json:",optional"` // members accepted (rule CONT-2). Zero value means 1024
	ContainerOut   int `json:",optional"` // members sent. Zero value means 1020
	ContainerBytes int `json:",optional"` // bytes of a container sent; larger messages go alone (rule ENC-8). Zero value means 1 MiB
	PayloadBytes   int `json:",optional"` // bytes of a packet for a gateway. Zero value means 3.5 MiB
	GunzipBytes    int `json:",optional"` // bytes that a packet may inflate to; more is answered 400 INPUT_REQUEST_TOO_LONG. Zero value means 10 MiB
	GunzipRatio    int `json:",optional"` // times its own size that a message may inflate to, once its packet has inflated 1 MiB. Zero value means 100
	RequestBytes   int `json:",optional"` // bytes of a call as a BFF gets it; a longer one is answered 400 INPUT_REQUEST_TOO_LONG. No more than BFFs take, which is gRPC's 4 MiB unless they are told otherwise. Zero value means 4 MiB
	NoLoginBytes   int `json:",optional"` // the same two for a key without a login, whose calls are short; four times as much may wait, instead of QueuedBytes. Zero value means 256 KiB
	GzipFrom       int `json:",optional"` // results and updates from this size on are packed when that shrinks them. Zero value means 512
	DetailedFrom   int `json:",optional"` // messages from this size on are announced, not repeated, until the client asks for them (rules STATE-8 and STATE-9). Zero value means 4096
	WrapperDepth   int `json:",optional"` // wrappers around one query. Zero value means 16

	// Limits of all keys together.
	WorkBytes     int `json:",optional"` // memory in which packets are read that become much larger by it; who finds none waits until another is done, and one packet is always read. Half of the processors read such packets, at most. Zero value means 256 MiB
	StrangerBytes int `json:",optional"` // bytes that packets of keys without a login become in a second when they are unpacked and decoded, for all at one address or in one IPv6 network of 64 bits; four times as much may come at once, more is answered 420 unread. Zero value means 4 MiB

	// Times.
	MaxPast      time.Duration `json:",optional"` // oldest unknown message id (rule MSGID-3). Zero value means 300 s
	MaxFuture    time.Duration `json:",optional"` // newest unknown message id. Zero value means 30 s
	AckDelay     time.Duration `json:",optional"` // how long an acknowledgment waits for company (rule ACK-10). Zero value means 300 ms
	ResendAfter  time.Duration `json:",optional"` // first repetition on a live connection, doubling from there (rule ACK-8). It must be above 30 s, for which clients keep acknowledgments back. Zero value means 60 s
	ResendLimit  int           `json:",optional"` // repetitions on a live connection; then an answer is forgotten, and others wait for the next connection. Zero value means 2
	IdleOffline  time.Duration `json:",optional"` // silence after which a session is offline. Zero value means 75 s
	IdleClose    time.Duration `json:",optional"` // silence after that which ends the session. Zero value means 180 s
	OnlineEvery  time.Duration `json:",optional"` // how often being online is repeated. Zero value means 45 s
	OnlineFor    time.Duration `json:",optional"` // how long being online is announced for. Zero value means 60 s
	OfflineAfter time.Duration `json:",optional"` // how long a client whose connection broke may be away before status hears of it. Zero value means 3 s
	AfterWait    time.Duration `json:",optional"` // how long invokeAfterMsg waits for calls that have begun (rule AFTER-3): longer than most of them take. Zero value means 2 s
	PushedWait   time.Duration `json:",optional"` // how long a promised result is waited for. Zero value means 30 s
	SaltGrace    time.Duration `json:",optional"` // how long a salt stays good after its time (rule SALT-1). Zero value means 1800 s
	SaltRetry    time.Duration `json:",optional"` // pause after salts could not be read. Zero value means 30 s
	StateRefresh time.Duration `json:",optional"` // least pause between reads of a state that refuses calls. Zero value means 2 s
	LoginRecheck time.Duration `json:",optional"` // how often a used login is checked with authsession. Zero value means 60 s
	StoreEvery   time.Duration `json:",optional"` // pause between changes of what a client tells of itself, its layer and initConnection, that are stored; eight may follow each other at once. Zero value means 15 s
	HTTPMaxWait  time.Duration `json:",optional"` // longest hold of an HTTP request (rule HTTP-8). Zero value means 25 s
	// AllowSeqnoDisorder switches the checks BAD-32 and BAD-33 off, for
	// clients that repeat a call under a new id with its old seqno.
	AllowSeqnoDisorder bool `json:",optional"`
}
