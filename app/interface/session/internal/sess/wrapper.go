package sess

import (
	"encoding/binary"
	"io"
	"iter"

	"github.com/tgsession/tgsession/proto/tl"
)

// MainAuthWrapper is the state of one perm auth key, or of one temp key that is
// not bound yet (PEERS.md, "session"). It is not safe for concurrent use.
type MainAuthWrapper struct {
	key    int64
	cfg    *Config
	schema *tl.Schema
	rnd    io.Reader

	mainAuth      *SessionList   // sessions under the perm key itself; nil: none
	tempAuth      []*SessionList // under its temp keys, one list a key (rule PFS-22)
	mediaTempAuth []*SessionList // under its media temp keys

	asks []ask // other calls to peers than those of the API

	// The parts of the state (doc.go): each is written by its own methods alone.
	login    login
	pushes   pushes
	presence presence
	binding  binding
	profile  profile
	gone     goneSessions
	calls    pendingCalls

	// Of the step in work.
	now  int64
	wall int64
	out  *Effects

	ticket Ticket // last one given out
	cameAt int64  // when the key came from another node; 0: it has not
	wakeAt int64

	lastID     int64 // highest message id of sessions that are gone: they may come again
	repeatedTo int64 // until when the messages repeated so far do (again.go)

	draining bool
	leaving  bool  // another node is to have the key (export.go)
	leaveBy  int64 // when peers that were asked for something are not waited for any more
}

// New makes the wrapper of a key. unbound says that the key is a temp key
// without a perm key. cfg must have its defaults set; cfg, schema and rnd are
// shared by all wrappers of a node, rnd must be safe for that.
func New(key int64, unbound bool, cfg *Config, schema *tl.Schema, rnd io.Reader) *MainAuthWrapper {
	w := &MainAuthWrapper{key: key, cfg: cfg, schema: schema, rnd: rnd}
	// No two wrappers give out the same tickets, nor do two that one key has had, one
	// after the other. The outcome of a call is found by its ticket, and may come to
	// another wrapper than the one that made the call: it follows the sessions of a temp
	// key that is bound, and a key that moves to another node.
	var b [8]byte
	_, _ = rnd.Read(b[:]) // if that fails, tickets of different keys still differ
	w.ticket = Ticket(uint64(key)*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(b[:]))
	if unbound {
		w.binding.withoutPermKey()
		w.login.neverLoggedIn()
	}
	return w
}

// Step lets one thing happen, and appends to out what the world is asked to do about
// it. Times are Unix nanoseconds. By now everything waits, so it must not go back;
// all times in inputs and effects are of this kind, unless they say otherwise. wall is
// what the machine's clock says, which somebody may set: message ids, salts and
// dates are by it. Without a fault of the clock they are the same.
func (w *MainAuthWrapper) Step(now, wall int64, in Input, out *Effects) {
	w.now, w.wall, w.out = now, wall, out
	w.login.arrive(now)
	if w.wakeAt != 0 && now >= w.wakeAt {
		w.expire()
	}
	w.dispatch(in)
	w.catchUp()
	w.pump()
	w.announce()
	handover := w.bind()
	if handover != nil || w.drained() || w.leaves() {
		w.releaseSlots()
	}
	w.lighten()
	out.Held = 0
	for s := range w.sessions() {
		if s.dirty {
			w.flush(s)
		}
		out.Held += s.bytes
	}
	if handover != nil {
		w.handOver(handover)
	}
	w.finish()
	w.out = nil
}

func (w *MainAuthWrapper) dispatch(in Input) {
	switch in := in.(type) {
	case *Data:
		w.onData(in)
	case *ConnNew:
		w.onConnNew(in)
	case *ConnClosed:
		w.onConnClosed(in)
	case *SendFailed:
		w.onSendFailed(in)
	case *HTTPGone:
		w.httpGone(in.Slot)
		w.httpLost(in.Lost)
	case *PushUpdates:
		w.onPush(in)
	case *PushSessionUpdates:
		w.onSessionPush(in)
	case *PushesLost:
		w.count(CountPushesLost)
		w.pushes.miss()
	case *PushRPCResult:
		w.onPushedResult(in)
	case *Revoked:
		if in.Asked == 0 || w.login.state == StateNormal && w.login.at <= in.Asked {
			w.revoke()
		}
	case *CallDone:
		w.onCallDone(in)
	case *Bound:
		w.onBoundElsewhere(in)
	case *Adopt:
		w.onAdopt(in.Handover)
	case *Returned:
		w.onReturned()
	case *Settled:
		w.login.doubt() // its next call reads again
	case *Announced:
		w.onAnnounced(in)
	case *Forgotten:
		w.onForgotten(in)
	case *Drain:
		// No new calls, no presence; what is in flight is answered.
		w.introduce()
		w.draining = true
	case *HandOff:
		w.onHandOff()
	case *Stay:
		w.leaving = false
	case *Arrived:
		w.onArrived()
	case *Tick:
	}
}

// lists returns the wrapper's lists: the perm key's, then those of temp keys and
// of media temp keys as they came. A list may be dropped on the way, which may
// leave others out.
func (w *MainAuthWrapper) lists() iter.Seq[*SessionList] {
	return func(yield func(*SessionList) bool) {
		if w.mainAuth != nil && !yield(w.mainAuth) {
			return
		}
		for _, set := range [...]*[]*SessionList{&w.tempAuth, &w.mediaTempAuth} {
			for i := 0; i < len(*set); i++ {
				if !yield((*set)[i]) {
					return
				}
			}
		}
	}
}

// sessions returns all sessions, list by list. Sessions may be dropped on the
// way, which may leave others out.
func (w *MainAuthWrapper) sessions() iter.Seq[*session] {
	return func(yield func(*session) bool) {
		for l := range w.lists() {
			for i := 0; i < len(l.sessions); i++ {
				if !yield(l.sessions[i]) {
					return
				}
			}
		}
	}
}

// empty reports whether there is no session.
func (w *MainAuthWrapper) empty() bool {
	for range w.sessions() {
		return false
	}
	return true
}

// call asks a peer for something.
func (w *MainAuthWrapper) call(r Request) Ticket {
	w.ticket++
	if w.ticket == 0 {
		w.ticket++
	}
	w.out.Calls = append(w.out.Calls, Call{w.ticket, r})
	return w.ticket
}

// drained reports whether a wrapper that drains has nothing in flight.
func (w *MainAuthWrapper) drained() bool {
	return w.draining && w.calls.running == 0 && !w.awaitsAnswer()
}

// finish says when the wrapper wants to be woken, and whether it is still
// needed.
func (w *MainAuthWrapper) finish() {
	w.dropEmptyLists()
	if w.leaves() {
		for s := range w.sessions() {
			w.end(s, EndMoved)
		}
		w.out.State = w.export()
		return
	}
	w.wakeAt = w.deadline()
	w.out.WakeAt = w.wakeAt
	idle := len(w.calls.list) == 0 && len(w.asks) == 0
	w.out.Drained = w.drained()
	w.out.Behind = w.draining && w.behind()
	if !idle || len(w.pushes.held) > 0 {
		return
	}
	for range w.lists() {
		return
	}
	w.out.Done = !w.remembers()
}
