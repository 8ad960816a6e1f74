package sess

import "github.com/tgsession/tgsession/proto/tl"

// Counter is something worth a metric. Its String is a label of bounded variety.
type Counter uint8

// What is counted.
const (
	CountBadSalt Counter = iota
	CountBadTooLow
	CountBadTooHigh
	CountBadParity
	CountBadContainerID
	CountBadTooOld
	CountBadSeqno
	CountBadContainer
	CountSilenced      // refused messages without a bad_msg_notification: their client would repeat them at once, without end
	CountMalformed     // packets that cannot be parsed, or name no session
	CountHeldDropped   // packets dropped while salts were being read
	CountDuplicates    // known messages that came again
	CountRepeated      // messages sent again
	CountAcks          // messages acknowledged by msgs_ack
	CountPushes        // updates queued
	CountPushesLost    // updates that collapsed into updatesTooLong or found no login
	CountAnswersLost   // answers forgotten before the client had them
	CountResultsOrphan // results whose session is gone
	CountGzipSaved     // bytes saved by packing
	CountUnpacked      // bytes that clients' gzip_packed became, also where it was refused then
	CountUnknown       // unknown methods and constructors
	CountUndecodable   // calls that do not parse
	CountOverload      // calls refused because too many wait
	CountRefused       // calls refused for want of a login
	CountEncodeFailed  // results and updates that cannot be written for the client
	CountSessionsMade
	CountSessionsGone
	CountLenientSalt     // packets accepted because no salts are known
	CountTempKeysGone    // temp keys whose place another took
	CountTempKeysRefused // packets of temp keys that found no place
	CountGaps            // sessions told to fetch updates that they may have missed
	CountPushesForeign   // updates that the client's layer does not have, and that it will not miss
	Counters
)

// counterNames are the values of the label event in docs/metrics.md.
var counterNames = [Counters]string{
	CountBadSalt:         "bad_salt",
	CountBadTooLow:       "bad_too_low",
	CountBadTooHigh:      "bad_too_high",
	CountBadParity:       "bad_parity",
	CountBadContainerID:  "bad_container_id",
	CountBadTooOld:       "bad_too_old",
	CountBadSeqno:        "bad_seqno",
	CountBadContainer:    "bad_container",
	CountSilenced:        "silenced",
	CountMalformed:       "malformed",
	CountHeldDropped:     "held_dropped",
	CountDuplicates:      "duplicates",
	CountRepeated:        "repeated",
	CountAcks:            "acks",
	CountPushes:          "pushes",
	CountPushesLost:      "pushes_lost",
	CountAnswersLost:     "answers_lost",
	CountResultsOrphan:   "results_orphan",
	CountGzipSaved:       "gzip_saved_bytes",
	CountUnpacked:        "unpacked_bytes",
	CountUnknown:         "unknown",
	CountUndecodable:     "undecodable",
	CountOverload:        "overload",
	CountRefused:         "refused",
	CountEncodeFailed:    "encode_failed",
	CountSessionsMade:    "sessions_made",
	CountSessionsGone:    "sessions_gone",
	CountLenientSalt:     "lenient_salt",
	CountTempKeysGone:    "temp_keys_gone",
	CountTempKeysRefused: "temp_keys_refused",
	CountGaps:            "gaps",
	CountPushesForeign:   "pushes_foreign",
}

func (c Counter) String() string { return counterNames[c] }

// Count is how often something happened in a step.
type Count struct {
	What Counter
	N    int
}

// Fault is worth a line in the log: something of ours or of a peer that the
// client cannot be blamed for. It names no user and no content.
type Fault struct {
	What   string
	Method *tl.Method // nil: none
	Err    error
}

func (w *MainAuthWrapper) count(what Counter) { w.countN(what, 1) }

func (w *MainAuthWrapper) countN(what Counter, n int) {
	w.out.Counts = append(w.out.Counts, Count{what, n})
}

func (w *MainAuthWrapper) fault(what string, m *tl.Method, err error) {
	w.out.Faults = append(w.out.Faults, Fault{what, m, err})
}
