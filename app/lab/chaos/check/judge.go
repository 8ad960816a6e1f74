package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Patience is how long a recipient may take to see a message.
const Patience = 90 * time.Second

// slow is how long a call may take while nothing is wrong.
const slow = time.Second

// given is how long session gives a call. Then its client is told -503: nobody
// knows whether the call was carried out, and a client that sends it once more
// after that does so of its own.
const given = 5 * time.Second

// asked is how long a session node that is stopped is waited for when another asks it for a
// key (Session.PeerTimeout). Then the key begins anew there, as after a kill.
const asked = 2 * time.Second

// Calm is the row of what happened before the first fault.
const Calm = "none yet"

// Row is what came of all faults of one name. Messages belong to the fault that
// was the last to begin before they were taken.
type Row struct {
	Fault    string
	Times    int
	Messages int // taken
	Failed   int // calls whose sender does not know whether the message was taken
	Lost     int
	Twice    int // seen more than once, or not in order
	Doubled  int // calls carried out more than once in a session
	Again    int // calls that a client sent again: in another session, or once it was told that nobody knows
	Told     []time.Duration
	How      map[How]int
	// Recovered is how long after the beginning of a fault the last client's
	// calls were well again, at worst. Unwell says that some were not before the
	// next fault.
	Recovered time.Duration
	Unwell    bool
	kill      bool
	stop      bool
}

// Percentile returns the time by which that part (0 to 1) of the messages had
// been seen; 0 when there are none. Judge has sorted Told.
func (r *Row) Percentile(part float64) time.Duration {
	if len(r.Told) == 0 {
		return 0
	}
	return r.Told[min(int(part*float64(len(r.Told))), len(r.Told)-1)]
}

// Verdict is the judgement of a history.
type Verdict struct {
	Rows     []*Row   // in the order in which the faults first came
	Problems []string // each thing that is wrong or doubled, with its time of day
	Late     []string // each message that was seen later than Tardy, the latest first
	wrong    int
}

// OK tells whether everything held that has to.
func (v *Verdict) OK() bool { return v.wrong == 0 }

// judging is a judgement under way.
type judging struct {
	h       History
	v       *Verdict
	rows    map[string]*Row
	effects map[string][]Effect
	seen    map[string][]Seen
	sends   map[string]Send
}

// Judge judges a history that is over: nothing is still to come.
func Judge(h History) *Verdict {
	j := &judging{h: h, v: &Verdict{}, rows: map[string]*Row{}, effects: map[string][]Effect{}, seen: map[string][]Seen{}, sends: map[string]Send{}}
	j.row(Calm)
	for _, f := range h.Faults {
		r := j.row(f.Name)
		r.Times++
		r.kill, r.stop = f.Kill, f.Stop
	}
	slices.SortStableFunc(h.Effects, func(a, b Effect) int { return a.At.Compare(b.At) })
	for _, e := range h.Effects {
		j.effects[e.Text] = append(j.effects[e.Text], e)
	}
	for _, s := range h.Seen {
		j.seen[s.Text] = append(j.seen[s.Text], s)
	}
	for _, s := range h.Sends {
		j.sends[s.Text] = s
		j.send(s)
	}
	for _, e := range h.Effects {
		if j.effects[e.Text][0] == e {
			j.message(e)
		}
	}
	j.order()
	j.late()
	j.recovery()
	for _, e := range h.Ended {
		j.wrong("a login has ended: %s", e)
	}
	for _, r := range j.v.Rows {
		slices.Sort(r.Told)
	}
	return j.v
}

func (j *judging) row(name string) *Row {
	if r := j.rows[name]; r != nil {
		return r
	}
	r := &Row{Fault: name, How: map[How]int{}}
	j.rows[name] = r
	j.v.Rows = append(j.v.Rows, r)
	return r
}

// at is the row of a moment.
func (j *judging) at(t time.Time) *Row {
	name := Calm
	for _, f := range j.h.Faults {
		if f.Begin.After(t) {
			break
		}
		name = f.Name
	}
	return j.rows[name]
}

func (j *judging) note(format string, args ...any) {
	j.v.Problems = append(j.v.Problems, fmt.Sprintf(format, args...))
}

func (j *judging) wrong(format string, args ...any) {
	j.v.wrong++
	j.note(format, args...)
}

// due is when a call should be over. It belongs to the fault that was the last to
// begin before that: one which comes a moment later than the call is what it meets.
func (s Send) due() time.Time { return s.Began.Add(slow) }

// send looks at a message from its sender's side.
func (j *judging) send(s Send) {
	r := j.at(s.due())
	if s.Err != "" {
		r.Failed++
		return
	}
	if len(j.effects[s.Text]) == 0 {
		r.Lost++
		j.wrong("%s %q of %s: answered, and never carried out (%s)", clock(s.Began), s.Text, s.From, r.Fault)
	}
}

// message looks at a message that was taken, from the BFF's and its recipient's
// side. e is the first call that brought it.
func (j *judging) message(e Effect) {
	r := j.at(e.At)
	r.Messages++
	j.calls(e, r)
	seen := j.seen[e.Text]
	if len(seen) == 0 {
		r.Lost++
		j.wrong("%s %q: never seen by %s (%s)", clock(e.At), e.Text, j.sends[e.Text].To, r.Fault)
		return
	}
	told := max(seen[0].At.Sub(e.At), 0)
	r.Told = append(r.Told, told)
	r.How[seen[0].How]++
	if told > Patience {
		r.Lost++
		j.wrong("%s %q: seen by %s after %s (%s, %s)", clock(e.At), e.Text, seen[0].By, told.Round(time.Second), seen[0].How, r.Fault)
	}
	if len(seen) > 1 {
		r.Twice++
		j.wrong("%s %q: seen %d times by %s (%s)", clock(e.At), e.Text, len(seen), seen[0].By, r.Fault)
	}
}

// calls looks at the calls that brought one message.
func (j *judging) calls(first Effect, r *Row) {
	type session struct{ key, id int64 }
	in := map[session]Effect{}
	for _, e := range j.effects[first.Text] {
		at := session{e.Key, e.Session}
		before, ok := in[at]
		switch {
		case !ok:
			if len(in) > 0 {
				r.Again++
			}
			in[at] = e
		case e.MsgID != before.MsgID && (r.stop || j.unanswered(first.Text, before, e) || j.broken(first.Text, e.At)):
			r.Again++
		default:
			r.Doubled++
			say := j.wrong
			if r.kill || r.stop && e.At.Sub(before.At) >= asked {
				say = j.note
			}
			same := "another msg_id"
			if e.MsgID == before.MsgID {
				same = "the same msg_id"
			}
			say("%s %q: carried out again after %s, in the same session, with %s (%s)",
				clock(e.At), e.Text, e.At.Sub(before.At).Round(time.Millisecond), same, r.Fault)
		}
	}
}

// unanswered tells whether the sender of a message had waited for as long as session gives a
// call when it was carried out again. The first time may have come late itself, out of a
// connection through which nothing passed.
func (j *judging) unanswered(text string, before, again Effect) bool {
	began := j.sends[text].Began
	if began.IsZero() {
		began = before.At
	}
	return again.At.Sub(began) >= given
}

// broken tells whether the sender's connection ended while it waited for the
// answer to a message, before a moment.
func (j *judging) broken(text string, before time.Time) bool {
	s := j.sends[text]
	return slices.ContainsFunc(j.h.Broken[s.From], func(t time.Time) bool { return t.After(s.Began) && t.Before(before) })
}

// order expects each recipient to see messages in the order of its box.
func (j *judging) order() {
	type seen struct {
		text  string
		place int
	}
	last := map[string]seen{}
	for _, s := range j.h.Seen {
		effects := j.effects[s.Text]
		if len(effects) == 0 {
			j.wrong("%s %q: seen by %s, and never carried out", clock(s.At), s.Text, s.By)
			continue
		}
		dialog := s.By + " " + j.sends[s.Text].From
		now := seen{s.Text, place(effects)}
		if before := last[dialog]; now.place < before.place {
			r := j.at(effects[0].At)
			r.Twice++
			j.wrong("%s %q: seen by %s after %q, which is behind it (%s)", clock(s.At), s.Text, s.By, before.text, r.Fault)
		}
		last[dialog] = now
	}
}

// place is where a message stands in its recipient's box. Of two calls at the same time that
// bring it, the one that was late may have been noted first.
func place(effects []Effect) (n int) {
	for _, e := range effects {
		n = max(n, e.Place)
	}
	return n
}

// recovery looks when calls were well again after each fault.
func (j *judging) recovery() {
	by := map[string][]Send{}
	for _, s := range j.h.Sends {
		by[s.From] = append(by[s.From], s)
	}
	for _, sends := range by {
		slices.SortFunc(sends, func(a, b Send) int { return cmp.Compare(a.Began.UnixNano(), b.Began.UnixNano()) })
	}
	for i, f := range j.h.Faults {
		var next time.Time // none
		if i+1 < len(j.h.Faults) {
			next = j.h.Faults[i+1].Begin
		}
		r := j.rows[f.Name]
		for _, sends := range by {
			took, well := recovered(sends, f.Begin, next)
			r.Recovered = max(r.Recovered, took)
			r.Unwell = r.Unwell || !well
		}
	}
}

// recovered is how long after begin the calls of one sender, which are in the
// order in which they were made and belong to a fault that began then, were well
// again for good: the end of the first good one after the last that failed or was
// slow. It is 0 when none was.
func recovered(sends []Send, begin, next time.Time) (took time.Duration, well bool) {
	well = true
	for _, s := range sends {
		if s.due().Before(begin) || !next.IsZero() && !s.due().Before(next) {
			continue
		}
		bad := s.Err != "" || s.Done.Sub(s.Began) > slow
		switch {
		case bad:
			took, well = s.Done.Sub(begin), false
		case !well:
			took, well = s.Done.Sub(begin), true
		}
	}
	return took, well
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
