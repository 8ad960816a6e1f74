package sess

import (
	"time"

	"github.com/tgsession/tgsession/app/internal/keytable"
	"github.com/tgsession/tgsession/proto/tl"
)

const (
	shortestTime = time.Millisecond
	longestTime  = 24 * time.Hour

	usualKeyBytes = 16 << 20
)

// LimitTable describes Limits: what each is, its default, its range. What one asks of
// another is in Validate.
var LimitTable = keytable.Table{
	{Key: "MaxSessions", Default: 64, Min: 1, Max: 4096, Doc: "Sessions of a key; the one idle longest makes room."},
	{Key: "GoneSessions", Default: 64, Min: 1, Max: 4096, Doc: "Ended sessions of a key whose highest message id is remembered, for MaxPast, so that nothing of them is done again; of more, any session that comes must begin above."},
	{Key: "MaxTempKeys", Default: 32, Min: 1, Max: 4096, Doc: "Temp keys, and media temp keys, of a key that have sessions; of more the newest stay."}, // rule PFS-22
	{Key: "MaxInFlight", Default: 32, Min: 1, Max: 4096, Doc: "Calls of a key at a BFF at a time; of one method fewer while its answers are large, for about 4 MiB of them may be on their way. Of this, MaxQueued and QueuedBytes, calls of file parts may take three quarters."},
	{Key: "MaxQueued", Default: 256, Min: 1, Max: 1 << 16, Doc: "Calls of a key accepted but not yet invoked; more are answered 420."},
	{Key: "QueuedBytes", Default: 16 << 20, Min: 1 << 10, Max: 1 << 30, Unit: "bytes", Doc: "The bytes of such calls; one call always fits."},
	{Key: "RepeatBytes", Default: 4 << 20, Min: 1 << 16, Max: 1 << 28, Unit: "bytes", Doc: "Bytes of messages that are repeated to the clients of a key, for whatever reason, in 4 s; what is beyond waits."},
	{Key: "KeyBytes", Default: usualKeyBytes, Min: 1 << 10, Max: 1 << 34, Unit: "bytes", Doc: "Bytes not acknowledged in all sessions of a key, beyond which they give way as those of AnswerBytes do, the most silent session's first; an eighth while nobody is logged in. At least AnswerBytes, which is the default where it is more. Multiplied by the keys of a node it is what outboxes may take."},
	{Key: "HeldPackets", Default: 32, Min: 1, Max: 4096, Doc: "Packets kept while salts are being read, for a key and its temp keys; more are refused by bad_server_salt, upon which clients repeat them."},
	{Key: "HeldBytes", Default: 4 << 20, Min: 1 << 10, Max: 1 << 28, Unit: "bytes", Doc: "The bytes of those packets: a few parts of an upload."},
	{Key: "HeldPushes", Default: 100, Min: 1, Max: 4096, Doc: "Pushes kept while no session takes updates; more collapse into `updatesTooLong`."},
	{Key: "Window", Default: 400, Min: 16, Max: 1 << 16, Doc: "Message ids remembered, and up to eight times as many while they are younger than MaxPast."}, // rule MSGID-5
	{Key: "OutboxMessages", Default: 400, Min: 2, Max: 1 << 16, Doc: "Messages of a session not acknowledged; beyond it answers that the client seems to have give way, then pushes collapse into `updatesTooLong`."},
	{Key: "OutboxBytes", Default: 1 << 20, Min: 1 << 10, Max: 1 << 28, Unit: "bytes", Doc: "Bytes of pushes not acknowledged beyond which they collapse."},
	{Key: "AnswerBytes", Default: 12 << 20, Min: 1 << 10, Max: 1 << 30, Unit: "bytes", Doc: "Bytes of a session not acknowledged beyond which even answers that were sent give way, the oldest first. At least OutboxBytes."},
	{Key: "HTTPRequests", Default: 4, Min: 1, Max: 4096, Doc: "Open HTTP requests; of more the oldest is answered at once. Below the connections that clients have, 6 to 16, so that there is always one for the next call."},
	{Key: "ContainerIn", Default: 1024, Min: 2, Max: 1 << 16, Doc: "Messages accepted in a container."}, // rule CONT-2
	{Key: "ContainerOut", Default: 1020, Min: 2, Max: 1024, Doc: "Messages sent in a container."},
	{Key: "ContainerBytes", Default: 1 << 20, Min: 1 << 10, Max: 1 << 24, Unit: "bytes", Doc: "Bytes of a container sent; larger messages go alone."}, // rule ENC-8
	{Key: "PayloadBytes", Default: 7 << 19, Min: 1 << 11, Max: 4<<20 - 1<<10, Unit: "bytes", Doc: "Bytes of a packet for a gateway, which takes no more than 4 MiB over gRPC. At least ContainerBytes and 64."},
	{Key: "GunzipBytes", Default: 10 << 20, Min: 1 << 10, Max: 1 << 28, Unit: "bytes", Doc: "Bytes that a packet may inflate to; more is answered 400 `INPUT_REQUEST_TOO_LONG`."},
	{Key: "GunzipRatio", Default: 100, Min: 2, Max: 1032, Doc: "Times its own size that a message may inflate to, once its packet has inflated 1 MiB."},
	{Key: "RequestBytes", Default: 4 << 20, Min: 1 << 16, Max: tl.MaxOutput, Unit: "bytes", Doc: "Bytes of a call as a BFF gets it; a longer one is answered 400 `INPUT_REQUEST_TOO_LONG`. No more than BFFs take, which is gRPC's 4 MiB unless they are told otherwise."},
	{Key: "NoLoginBytes", Default: 256 << 10, Min: 1 << 14, Max: 1 << 28, Unit: "bytes", Doc: "The longest call of a key without a login, whose calls are short; four times as much may wait, instead of QueuedBytes."},
	{Key: "GzipFrom", Default: 512, Min: 64, Max: 1 << 30, Unit: "bytes", Doc: "Results and updates from this size on are packed when that shrinks them."},
	{Key: "DetailedFrom", Default: 4096, Min: 64, Max: 1 << 30, Unit: "bytes", Doc: "Messages from this size on are announced, not repeated, until the client asks for them."}, // rules STATE-8 and STATE-9
	{Key: "WrapperDepth", Default: 16, Min: 4, Max: 64, Doc: "Wrappers around one query."},
	{Key: "WorkBytes", Default: 256 << 20, Min: 1 << 20, Max: 1 << 40, Unit: "bytes", Doc: "Memory in which packets are read that become much larger by it; who finds none waits until another is done, and one packet is always read. Half of the processors read such packets, at most."},
	{Key: "StrangerBytes", Default: 4 << 20, Min: 1 << 14, Max: 1 << 40, Unit: "bytes", Doc: "Bytes that packets of keys without a login become in a second when they are unpacked and decoded, and that long answers to them have, for all at one address or in one IPv6 network of 64 bits, and for each key; four times as much may come at once, more is answered 420 unread. At least NoLoginBytes."},
	{Key: "MaxPast", Default: 300 * time.Second, Min: shortestTime, Max: longestTime, Doc: "Oldest unknown message id."}, // rule MSGID-3
	{Key: "MaxFuture", Default: 30 * time.Second, Min: shortestTime, Max: longestTime, Doc: "Newest unknown message id."},
	{Key: "AckDelay", Default: 300 * time.Millisecond, Min: shortestTime, Max: longestTime, Doc: "How long, at most, an acknowledgment waits for a message to go with; with one it goes at once."},                   // rule ACK-10
	{Key: "ResendAfter", Default: 60 * time.Second, Min: shortestTime, Max: longestTime, Doc: "First repetition on a live connection, doubling from there. Above 30s, for which clients keep acknowledgments back."}, // rule ACK-8
	{Key: "ResendLimit", Default: 2, Min: 1, Max: 16, Doc: "Repetitions on a live connection; then an answer is forgotten, and others wait for the next connection."},
	{Key: "IdleOffline", Default: 75 * time.Second, Min: shortestTime, Max: longestTime, Doc: "Silence after which a session is offline."},
	{Key: "IdleClose", Default: 180 * time.Second, Min: shortestTime, Max: longestTime, Doc: "Silence after IdleOffline that ends the session."},
	{Key: "OnlineEvery", Default: 45 * time.Second, Min: shortestTime, Max: longestTime, Doc: "How often being online is repeated. Below OnlineFor."},
	{Key: "OnlineFor", Default: 60 * time.Second, Min: shortestTime, Max: longestTime, Doc: "How long being online is announced for."},
	{Key: "OfflineAfter", Default: 3 * time.Second, Min: shortestTime, Max: longestTime, Doc: "How long a client whose connection broke may be away before status hears of it: what is pushed until then waits for it, later it is told to fetch what it missed."},
	{Key: "AfterWait", Default: 2 * time.Second, Min: shortestTime, Max: longestTime, Doc: "How long invokeAfterMsg waits for calls that have begun: longer than most of them take."}, // rule AFTER-3
	{Key: "PushedWait", Default: 30 * time.Second, Min: shortestTime, Max: longestTime, Doc: "How long a promised result is waited for."},
	{Key: "SaltGrace", Default: 1800 * time.Second, Min: shortestTime, Max: longestTime, Doc: "How long a salt stays good after its time."}, // rule SALT-1
	{Key: "SaltRetry", Default: 30 * time.Second, Min: shortestTime, Max: longestTime, Doc: "Pause after salts could not be read."},
	{Key: "StateRefresh", Default: 2 * time.Second, Min: shortestTime, Max: longestTime, Doc: "Least pause between reads of a state that refuses calls."},
	{Key: "LoginRecheck", Default: 60 * time.Second, Min: shortestTime, Max: longestTime, Doc: "How often a used login is checked with authsession."},
	{Key: "StoreEvery", Default: 15 * time.Second, Min: shortestTime, Max: longestTime, Doc: "Pause between changes of what a client tells of itself, its layer and initConnection, that are stored; eight may follow each other at once."},
	{Key: "HTTPMaxWait", Default: 25 * time.Second, Min: shortestTime, Max: longestTime, Doc: "Longest hold of an HTTP request."},                    // rule HTTP-8
	{Key: "AllowSeqnoDisorder", Doc: "Switch two checks of sequence numbers off, for clients that repeat a call under a new id with its old seqno."}, // rules BAD-32 and BAD-33
}
