package load

import (
	"maps"
	"sync"
	"time"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/chaos/check"
)

// Record is what is written down of a run. It is safe for concurrent use.
type Record struct {
	mu      sync.Mutex
	h       check.History
	changed chan struct{} // closed at each message that is seen
	carried map[string]bool
	seen    map[string]bool
	ended   map[string]bool
}

// NewRecord is an empty one that begins now.
func NewRecord() *Record {
	return &Record{
		h: check.History{Begin: time.Now()}, changed: make(chan struct{}),
		carried: map[string]bool{}, seen: map[string]bool{}, ended: map[string]bool{},
	}
}

// Sent takes in a message that reached the BFF.
func (r *Record) Sent(s bff.Sent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.carried[s.Text] = true
	r.h.Effects = append(r.h.Effects, check.Effect{Text: s.Text, Key: s.Key, Session: s.Session, MsgID: s.MsgID, Place: s.Place, At: time.Now()})
}

// Fault takes in a fault that is made now, and returns what is to be called when
// all is as before.
func (r *Record) Fault(name string, kill, stop bool) (healed func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := len(r.h.Faults)
	r.h.Faults = append(r.h.Faults, check.Fault{Name: name, Begin: time.Now(), Kill: kill, Stop: stop})
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.h.Faults[i].Healed = time.Now()
	}
}

func (r *Record) sent(s check.Send) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Sends = append(r.h.Sends, s)
}

func (r *Record) saw(s check.Seen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.At = time.Now()
	r.seen[s.Text] = true
	r.h.Seen = append(r.h.Seen, s)
	close(r.changed)
	r.changed = make(chan struct{})
}

// loggedOut takes in that a client's login has ended, once each.
func (r *Record) loggedOut(who string, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended[who] {
		r.ended[who] = true
		r.h.Ended = append(r.h.Ended, time.Now().Format(time.TimeOnly)+" "+who+": "+why.Error())
	}
}

// befell takes in what befell a client's connection.
func (r *Record) befell(who string, what check.What) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Moments = append(r.h.Moments, check.Moment{By: who, At: time.Now(), What: what})
}

// broken takes in that a client's connection has ended, after which its library
// sends again what was not answered.
func (r *Record) broken(who string) {
	r.befell(who, check.Ended)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.h.Broken == nil {
		r.h.Broken = map[string][]time.Time{}
	}
	r.h.Broken[who] = append(r.h.Broken[who], time.Now())
}

// waiting is how many messages were taken and not seen yet, and what tells of
// the next one that is seen.
func (r *Record) waiting() (n int, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for text := range r.carried {
		if !r.seen[text] {
			n++
		}
	}
	return n, r.changed
}

// Figures are how many messages were taken and seen so far, and how many sends
// failed.
func (r *Record) Figures() (taken, seen, failed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.h.Sends {
		if s.Err != "" {
			failed++
		}
	}
	return len(r.carried), len(r.seen), failed
}

// History is a copy of what was written down.
func (r *Record) History() check.History {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.h
	h.Sends = append([]check.Send(nil), h.Sends...)
	h.Effects = append([]check.Effect(nil), h.Effects...)
	h.Seen = append([]check.Seen(nil), h.Seen...)
	h.Faults = append([]check.Fault(nil), h.Faults...)
	h.Broken = maps.Clone(h.Broken)
	h.Moments = append([]check.Moment(nil), h.Moments...)
	return h
}
