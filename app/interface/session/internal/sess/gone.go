package sess

import "slices"

// A packet that was recorded on its way may come again, byte by byte, as long as
// its message ids are young enough to be accepted (Limits.MaxPast). A session
// knows what it has received. When it ends before that, for whatever reason, its
// highest message id stays here: without it the session would begin anew with the
// recorded packet, and its calls would be made a second time.

// goneSession is a session that has ended: its transport key, its id, and the
// highest message id that it has received.
type goneSession struct{ key, id, last int64 }

// goneSessions are the sessions of a wrapper that ended lately, oldest first.
type goneSessions struct {
	list []goneSession
	// floor is the highest message id of those that found no place in list. It
	// counts for all sessions that are not known, since any may be one of them.
	floor int64
	last  int64 // highest message id of all; 0: there are none
}

// remember keeps what a session has received that ends now.
func (w *MainAuthWrapper) remember(s *session) {
	last := s.window.last()
	if last == 0 || !w.young(last) {
		return
	}
	w.bury(goneSession{s.list.authKeyID, s.id, last})
}

// bury takes in a session that has ended. Of too many the one with the lowest
// message id, whose memory is needed shortest, gives way.
func (w *MainAuthWrapper) bury(gone goneSession) {
	g := &w.gone
	g.list = slices.DeleteFunc(g.list, func(o goneSession) bool { return !w.young(o.last) })
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
	g.last = max(g.last, gone.last)
}

// recall gives a session that comes again, or may, what it has received: nobody
// can tell any more which ids up to that one it had (rule BAD-20).
func (w *MainAuthWrapper) recall(s *session) {
	g := &w.gone
	s.window.floor = max(s.window.floor, g.floor)
	same := func(o goneSession) bool { return o.key == s.list.authKeyID && o.id == s.id }
	if i := slices.IndexFunc(g.list, same); i >= 0 {
		s.window.floor = max(s.window.floor, g.list[i].last)
		g.list = slices.Delete(g.list, i, i+1)
	}
}

// inherit takes over what another wrapper remembers.
func (w *MainAuthWrapper) inherit(g goneSessions) {
	for _, gone := range g.list {
		w.bury(gone)
	}
	w.gone.floor, w.gone.last = max(w.gone.floor, g.floor), max(w.gone.last, g.last)
}

// young reports whether a message with an id would still be accepted by its time
// (rule MSGID-3).
func (w *MainAuthWrapper) young(id int64) bool { return timeOf(id) >= w.wall-int64(w.cfg.MaxPast) }

// remembers reports whether a session has ended that has to be remembered.
func (w *MainAuthWrapper) remembers() bool {
	if w.gone.last != 0 && !w.young(w.gone.last) {
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
	return w.now + max(timeOf(w.gone.last)+int64(w.cfg.MaxPast)-w.wall, 0) + 1
}
