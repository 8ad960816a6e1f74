package sess

import (
	"slices"

	sessionpb "github.com/tgsession/tgsession/proto/session"
)

// A packet that was recorded on its way may come again, byte by byte, as long as
// its message ids are young enough to be accepted (Limits.MaxPast). A session
// knows what it has received. When it ends before that, for whatever reason, its
// highest message id stays here: without it the session would begin anew with the
// recorded packet, and its calls would be made a second time.
//
// How young an id is the machine's clock says, which may be wrong for a while. So a
// session is remembered for as long also by the time that nobody sets, from its last new
// message on. A clock that is set back later than that makes messages young again:
// nobody can remember everything.

// goneSession is a session that has ended: its transport key, its id, the highest
// message id that it has received, and until when at least that counts (session.until).
type goneSession struct{ key, id, last, until int64 }

// goneSessions are the sessions of a wrapper that ended lately, oldest first.
//
// Between two Steps:
//   - list has no session twice and no more than GoneSessions of them; what another
//     node has handed over may be more.
//   - last and until are not below those of any session in list; last is 0 only
//     while list is empty.
type goneSessions struct {
	list []goneSession
	// floor is the highest message id of those that found no place in list. It
	// counts for all sessions that are not known, since any may be one of them.
	floor int64
	last  int64 // highest message id of all; 0: there are none
	until int64 // the latest of all
}

// bury takes in a session that has ended. Of more than most the one with the lowest
// message id, whose memory is needed shortest, gives way.
func (g *goneSessions) bury(gone goneSession, c clocks, most int) {
	last, until := g.revive(gone.key, gone.id) // another life of it may be here already
	gone.last, gone.until = max(gone.last, last), max(gone.until, until)
	g.list = slices.DeleteFunc(g.list, func(o goneSession) bool { return !c.needed(o.last, o.until) })
	if len(g.list) >= most {
		i := 0
		for k := range g.list {
			if g.list[k].last < g.list[i].last {
				i = k
			}
		}
		g.floor = max(g.floor, g.list[i].last)
		g.list = slices.Delete(g.list, i, i+1)
	}
	g.list = append(g.list, gone)
	g.last, g.until = max(g.last, gone.last), max(g.until, gone.until)
}

// inherit takes over what another wrapper remembers.
func (g *goneSessions) inherit(other goneSessions, c clocks, most int) {
	for _, gone := range other.list {
		g.bury(gone, c, most)
	}
	g.floor = max(g.floor, other.floor)
	g.last, g.until = max(g.last, other.last), max(g.until, other.until)
}

// revive takes a session out that comes again, or may. It returns the highest message
// id that the session may have received, and until when at least that counts.
func (g *goneSessions) revive(key, id int64) (last, until int64) {
	last = g.floor
	same := func(o goneSession) bool { return o.key == key && o.id == id }
	if i := slices.IndexFunc(g.list, same); i >= 0 {
		last, until = max(last, g.list[i].last), g.list[i].until
		g.list = slices.Delete(g.list, i, i+1)
	}
	return last, until
}

// knows reports whether a session is remembered by its id.
func (g *goneSessions) knows(key, id int64) bool {
	return slices.ContainsFunc(g.list, func(o goneSession) bool { return o.key == key && o.id == id })
}

// age forgets all once none has to be remembered any more.
func (g *goneSessions) age(c clocks) {
	if g.last != 0 && !c.needed(g.last, g.until) {
		g.forget()
	}
}

// forget forgets all: another wrapper remembers them.
func (g *goneSessions) forget() { *g = goneSessions{} }

// export writes them for the node that gets the key.
func (g *goneSessions) export(st *sessionpb.KeyState, moment func(int64) int64) {
	st.GoneFloor, st.GoneLast, st.GoneUntil = g.floor, g.last, moment(g.until)
	for _, o := range g.list {
		st.Gone = append(st.Gone, &sessionpb.GoneSession{AuthKeyId: o.key, SessionId: o.id, LastId: o.last, Until: moment(o.until)})
	}
}

// restore reads what export wrote of a key.
func (g *goneSessions) restore(st *sessionpb.KeyState, at func(int64) int64) {
	*g = goneSessions{floor: st.GetGoneFloor(), last: st.GetGoneLast(), until: at(st.GetGoneUntil())}
	for _, o := range st.GetGone() {
		g.list = append(g.list, goneSession{o.GetAuthKeyId(), o.GetSessionId(), o.GetLastId(), at(o.GetUntil())})
	}
}

// clocks is what time it is, and by the machine's clock the oldest message id that is
// accepted (rule MSGID-3). Times are Unix nanoseconds.
type clocks struct{ now, oldest int64 }

func (w *MainAuthWrapper) clocks() clocks { return clocks{w.now, w.wall - int64(w.cfg.MaxPast)} }

// needed reports whether an id that was received has to be remembered: while it is young,
// and at least until a time.
func (c clocks) needed(id, until int64) bool { return c.now <= until || timeOf(id) >= c.oldest }

// remember keeps what a session has received that ends now.
func (w *MainAuthWrapper) remember(s *session) {
	if last := s.window.last(); last != 0 && w.clocks().needed(last, s.until) {
		w.gone.bury(goneSession{s.list.authKeyID, s.id, last, s.until}, w.clocks(), w.cfg.GoneSessions)
	}
}

// recall gives a session that comes again, or may, what it has received: nobody
// can tell any more which ids up to that one it had (rule BAD-20).
func (w *MainAuthWrapper) recall(s *session) {
	last, until := w.gone.revive(s.list.authKeyID, s.id)
	s.window.floor, s.until = max(s.window.floor, last), max(s.until, until)
}

// remembers reports whether a session has ended that has to be remembered.
func (w *MainAuthWrapper) remembers() bool {
	w.gone.age(w.clocks())
	return w.gone.last != 0
}

// forgetsAt is when the last of the sessions that ended need not be remembered
// any more; 0: there are none.
func (w *MainAuthWrapper) forgetsAt() int64 {
	if !w.remembers() {
		return 0
	}
	return max(w.now, w.now-w.wall+timeOf(w.gone.last)+int64(w.cfg.MaxPast), w.gone.until) + 1
}
