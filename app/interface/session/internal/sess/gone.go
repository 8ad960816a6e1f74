package sess

import "slices"

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
type goneSessions struct {
	list []goneSession
	// floor is the highest message id of those that found no place in list. It
	// counts for all sessions that are not known, since any may be one of them.
	floor int64
	last  int64 // highest message id of all; 0: there are none
	until int64 // the latest of all
}

// remember keeps what a session has received that ends now.
func (w *MainAuthWrapper) remember(s *session) {
	last := s.window.last()
	if last == 0 || !w.needed(last, s.until) {
		return
	}
	w.bury(goneSession{s.list.authKeyID, s.id, last, s.until})
}

// bury takes in a session that has ended. Of too many the one with the lowest
// message id, whose memory is needed shortest, gives way.
func (w *MainAuthWrapper) bury(gone goneSession) {
	g := &w.gone
	g.list = slices.DeleteFunc(g.list, func(o goneSession) bool { return !w.needed(o.last, o.until) })
	if len(g.list) >= w.cfg.GoneSessions {
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

// recall gives a session that comes again, or may, what it has received: nobody
// can tell any more which ids up to that one it had (rule BAD-20).
func (w *MainAuthWrapper) recall(s *session) {
	g := &w.gone
	s.window.floor = max(s.window.floor, g.floor)
	same := func(o goneSession) bool { return o.key == s.list.authKeyID && o.id == s.id }
	if i := slices.IndexFunc(g.list, same); i >= 0 {
		s.window.floor, s.until = max(s.window.floor, g.list[i].last), max(s.until, g.list[i].until)
		g.list = slices.Delete(g.list, i, i+1)
	}
}

// inherit takes over what another wrapper remembers.
func (w *MainAuthWrapper) inherit(g goneSessions) {
	for _, gone := range g.list {
		w.bury(gone)
	}
	w.gone.floor = max(w.gone.floor, g.floor)
	w.gone.last, w.gone.until = max(w.gone.last, g.last), max(w.gone.until, g.until)
}

// young reports whether a message with an id would still be accepted by its time
// (rule MSGID-3).
func (w *MainAuthWrapper) young(id int64) bool { return timeOf(id) >= w.wall-int64(w.cfg.MaxPast) }

// needed reports whether an id that was received has to be remembered: while it is young,
// and at least until a time.
func (w *MainAuthWrapper) needed(id, until int64) bool { return w.now <= until || w.young(id) }

// remembers reports whether a session has ended that has to be remembered.
func (w *MainAuthWrapper) remembers() bool {
	if w.gone.last != 0 && !w.needed(w.gone.last, w.gone.until) {
		w.gone = goneSessions{}
	}
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
