package sess

import (
	"cmp"
	"slices"
	"time"
)

// State bytes of msgs_state_info (rules STATE-2 to STATE-4).
const (
	stateForgotten uint8 = 1 // below what is remembered
	stateMissing   uint8 = 2 // not received, though inside it
	stateAbove     uint8 = 3 // not received, above it

	stateReceived  uint8 = 4
	stateAcked     uint8 = 8 // we said that we have it
	stateNoAck     uint8 = 16
	stateCall      uint8 = 32 // a call, in work or done
	stateAnswered  uint8 = 64
	stateConfirmed uint8 = 128 // the client has the answer

	stateKept = stateReceived | stateAcked | stateCall // of a call that outlived the window
)

// What else a window knows of a message.
const (
	recvContainer uint8 = 1 << iota
	recvFailed          // its call ended with an error
	recvLost            // its answer was forgotten or dropped unacknowledged
	recvLate            // its call was not made, because what it waited for took too long
)

// received is one message of the client.
type received struct {
	id    int64
	seq   int32
	state uint8
	flags uint8
}

// window remembers a session's incoming messages, ascending by id (rule
// MSGID-5).
type window struct {
	ids   []received
	floor int64 // highest id forgotten; 0: none
}

// windowAge is how long at least a message is remembered while there is room:
// twice the time after which its id alone is refused.
const windowAge = 600 * time.Second

func (w *window) search(id int64) (int, bool) {
	n := len(w.ids)
	if n == 0 || id > w.ids[n-1].id {
		return n, false
	}
	return slices.BinarySearchFunc(w.ids, id, func(r received, id int64) int {
		switch {
		case r.id < id:
			return -1
		case r.id > id:
			return 1
		}
		return 0
	})
}

// newest is the highest id that is remembered; 0: none is.
func (w *window) newest() int64 {
	if n := len(w.ids); n > 0 {
		return w.ids[n-1].id
	}
	return 0
}

// find returns what is known of id, nil when nothing is. The pointer holds
// until the next insert or trim.
func (w *window) find(id int64) *received {
	if i, ok := w.search(id); ok {
		return &w.ids[i]
	}
	return nil
}

// fail notes that the call of a message ended with an error.
func (w *window) fail(id int64) {
	if r := w.find(id); r != nil {
		r.flags |= recvFailed
	}
}

// lose notes that the answer to a message is forgotten: who asks for it is told.
func (w *window) lose(id int64) {
	if r := w.find(id); r != nil {
		r.flags |= recvLost
	}
}

// insert adds a message that find does not know.
func (w *window) insert(now int64, r received) {
	if n := len(w.ids); n >= 16 && n == cap(w.ids) {
		w.age(now)
	}
	i, _ := w.search(r.id)
	w.ids = slices.Insert(w.ids, i, r)
}

// insertAll adds many messages that find does not know, each once.
func (w *window) insertAll(list []received) {
	w.ids = append(w.ids, list...)
	slices.SortFunc(w.ids, func(a, b received) int { return cmp.Compare(a.id, b.id) })
}

// age forgets what is older than windowAge, when that frees half.
func (w *window) age(now int64) {
	horizon := idAt(now - int64(windowAge))
	if n := len(w.ids); n > 0 && w.ids[n/2].id < horizon {
		i, _ := w.search(horizon)
		w.drop(i)
	}
}

// windowSpan is how many times its limit a window may hold, of ids that are
// young.
const windowSpan = 8

// trim forgets the oldest ids beyond limit. Those from young on stay while there
// is room: their age alone would not refuse them, so they could be done twice
// (rules MSGID-3 and MSGID-5). An eighth more may stay, so that not every
// message moves the rest.
func (w *window) trim(limit int, young int64) {
	n := len(w.ids)
	if n <= limit+limit/8 {
		return
	}
	known, _ := w.search(young)
	if drop := max(min(n-limit, known), n-windowSpan*limit); drop > limit/8 {
		w.drop(drop)
	}
}

// rest gives memory back, once a session is idle.
func (w *window) rest(now int64) {
	w.age(now)
	if cap(w.ids) > 2*len(w.ids)+8 {
		w.ids = slices.Clone(w.ids)
	}
}

func (w *window) drop(n int) {
	if n == 0 {
		return
	}
	w.floor = max(w.floor, w.ids[n-1].id)
	w.ids = append(w.ids[:0], w.ids[n:]...)
}

// last is the highest id that was received; 0: none was.
func (w *window) last() int64 {
	if n := len(w.ids); n > 0 {
		return max(w.floor, w.ids[n-1].id)
	}
	return w.floor
}

// forgot reports whether nobody can tell any more if an unknown id came before.
// Of a window that has forgotten nothing, everybody can.
func (w *window) forgot(id int64) bool { return id <= w.floor }

// below reports whether an unknown id is lower than all that is remembered.
func (w *window) below(id int64) bool {
	return len(w.ids) == 0 || id < w.ids[0].id || w.forgot(id)
}

// disorder reports whether the seqno of a new message fits between those of
// its neighbours by id: negative for too low, positive for too high (rules
// BAD-32 and BAD-33).
func (w *window) disorder(id int64, seq int32) int {
	i, _ := w.search(id)
	clash := func(lower, higher int32) bool { return lower > higher || lower == higher && seq&1 != 0 }
	switch {
	case i > 0 && clash(w.ids[i-1].seq, seq):
		return -1
	case i < len(w.ids) && clash(seq, w.ids[i].seq):
		return 1
	}
	return 0
}

// status is the state byte of an id (rule STATE-1).
func (w *window) status(id int64) uint8 {
	i, ok := w.search(id)
	switch {
	case ok:
		return w.ids[i].state
	case id <= w.floor:
		return stateForgotten
	case i == len(w.ids):
		return stateAbove
	case i == 0:
		return stateForgotten
	}
	return stateMissing
}

// idAt is the lowest message id of a time, Unix nanoseconds (rule MSGID-1).
func idAt(ns int64) int64 {
	sec, frac := ns/1e9, ns%1e9
	return sec<<32 | (frac<<32/1e9)&^3
}
