package events

import (
	"time"
)

// queue holds the events that a hook has to deliver, a line for each user, and which
// batches are done with. It is one goroutine's.
type queue struct {
	lines   map[int64]*line
	batches []*batch // not done with, in order
	loaded  int64    // the last batch that was added
	size    int      // events
}

type line struct {
	events []*delivery // the first is next, or under way
	busy   bool
	due    time.Time
}

type batch struct {
	no   int64
	left int
}

// delivery is an event on its way.
type delivery struct {
	event    row
	user     int64
	batch    *batch // nil: a dead letter
	attempts int
}

func newQueue(at int64) *queue { return &queue{lines: map[int64]*line{}, loaded: at} }

// add takes in a batch.
func (q *queue) add(no int64, list []row) {
	b := &batch{no: no, left: len(list)}
	q.batches, q.loaded = append(q.batches, b), no
	q.size += len(list)
	for _, e := range list {
		user := userOf(e)
		l := q.lines[user]
		if l == nil {
			l = &line{}
			q.lines[user] = l
		}
		l.events = append(l.events, &delivery{event: e, user: user, batch: b})
	}
}

// raise takes in a dead letter that is tried again, behind what its user has.
func (q *queue) raise(e row) {
	user := userOf(e)
	l := q.lines[user]
	if l == nil {
		l = &line{}
		q.lines[user] = l
	}
	l.events = append(l.events, &delivery{event: e, user: user})
	q.size++
}

// take returns an event that is due, of a user of whom none is under way; nil when
// there is none.
func (q *queue) take(now time.Time) *delivery {
	for _, l := range q.lines {
		if !l.busy && !l.due.After(now) {
			l.busy = true
			return l.events[0]
		}
	}
	return nil
}

// due is when the next event is, of those users of whom none is under way.
func (q *queue) due() (at time.Time, any bool) {
	for _, l := range q.lines {
		if !l.busy && (!any || l.due.Before(at)) {
			at, any = l.due, true
		}
	}
	return at, any
}

// again puts off an event, and those of its user behind it.
func (q *queue) again(d *delivery, due time.Time) {
	l := q.lines[d.user]
	l.busy, l.due = false, due
}

// done takes an event off.
func (q *queue) done(d *delivery) {
	l := q.lines[d.user]
	l.events, l.busy, l.due = l.events[1:], false, time.Time{}
	if len(l.events) == 0 {
		delete(q.lines, d.user)
	}
	if d.batch != nil {
		d.batch.left--
	}
	q.size--
}

// finished is the last batch before which none is left to be done with.
func (q *queue) finished() int64 {
	for len(q.batches) > 0 && q.batches[0].left == 0 {
		q.batches = q.batches[1:]
	}
	if len(q.batches) > 0 {
		return q.batches[0].no - 1
	}
	return q.loaded
}
