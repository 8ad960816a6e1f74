package sess

import "slices"

// onAdopt takes over the sessions of a temp key that was just bound: they go on
// under its perm key (rule PFS-2).
func (w *MainAuthWrapper) onAdopt(h *Handover) {
	if h == nil || h.List == nil {
		return
	}
	// These sessions were greeted with new_session_created under the temp key. Until
	// now the perm key had no wrapper that would have kept updates for them, so some
	// may be missing: the client is told to fetch the difference.
	if w.empty() && !h.List.media() {
		w.pushes.lose()
	}
	w.gone.inherit(h.gone, w.clocks(), w.cfg.GoneSessions)
	h.List.usedAt = w.now
	if l := w.findList(h.List.keyType, h.List.authKeyID); l != nil {
		w.join(l, h)
	} else {
		for _, s := range h.List.sessions {
			w.recall(s)
		}
		if !w.addList(h.List) { // newer keys have all places
			w.count(CountTempKeysGone)
			w.dropList(h.List, EndLimit)
		}
	}
	w.makeRoom(0)
	if w.login.state == StateUnknown {
		w.loadState()
	}
	for _, s := range h.List.sessions { // told under the temp key: rule INIT-1
		if s.layer > 0 {
			w.profile.speaks(s.layer)
			w.saveLayer(s.ip)
		}
	}
	for _, c := range h.calls {
		if c.s.list == nil {
			continue
		}
		c.meta.PermAuthKeyID = w.permKey()
		w.calls.add(c)
		if c.phase <= phaseReady { // else it has been invoked, and its result is promised
			w.gate(c)
		}
	}
}

// join takes the sessions of a temp key into the list that its perm key has of it already.
// There is one where the outcome of its bind was lost: the client went on under the perm key
// on another node, and the perm key has come here since. So the sessions of that list are the
// ones that live. What is left in h.List are those that it had not.
func (w *MainAuthWrapper) join(l *SessionList, h *Handover) {
	l.boundUntil, l.usedAt = max(l.boundUntil, h.List.boundUntil), w.now
	if !l.saltThere() {
		l.salts, l.adoptedSalt = h.List.salts, h.List.adoptedSalt
	}
	for _, s := range l.sessions {
		if w.gone.knows(l.authKeyID, s.id) { // it ended under the temp key
			w.recall(s)
		}
	}
	h.List.sessions = slices.DeleteFunc(h.List.sessions, func(s *session) bool {
		live := l.find(s.id)
		if live == nil {
			s.list = l
			l.sessions = append(l.sessions, s)
			w.recall(s)
			return false
		}
		w.merge(live, s, h)
		return true
	})
}

// merge takes what a session has received and has to answer, past, into the life that the
// session has had since. What the client has sent again there is answered there. Calls that
// were not made yet are left to the client if it has been told that the session is new, or is
// about to be: it makes them again.
func (w *MainAuthWrapper) merge(s, past *session, h *Handover) {
	var left []int64 // calls of past that are not made
	again := func(id int64) bool { return s.window.find(id) != nil || s.window.forgot(id) }
	h.calls = slices.DeleteFunc(h.calls, func(c *pendingCall) bool {
		if c.s != past {
			return false
		}
		unmade := c.phase <= phaseReady && (s.first == 0 || c.meta.MsgID < s.first)
		if unmade {
			left = append(left, c.meta.MsgID)
		}
		if unmade || again(c.meta.MsgID) {
			return true
		}
		c.s, c.syncing = s, c.syncing && s.updates.holdBack()
		return false
	})
	var answers []outMsg
	for _, list := range [2][]outMsg{past.sent, past.queue} {
		for i := range list {
			switch m := &list[i]; {
			case m.kind != outAnswer || again(m.req):
			case m.had:
				past.window.lose(m.req) // who asks for it is told
			default:
				answers = append(answers, outMsg{kind: outAnswer, req: m.req, body: m.body, room: m.room, trace: m.trace})
				m.room = nil // it has another holder
			}
		}
	}
	w.closeSlots(past)
	past.discard(func(*outMsg) bool { return true })
	var unseen []received
	for _, r := range past.window.ids {
		if !again(r.id) && !slices.Contains(left, r.id) {
			unseen = append(unseen, r)
		}
	}
	s.window.insertAll(unseen)
	s.window.floor, s.until = max(s.window.floor, past.window.floor), max(s.until, past.until)
	s.lastID, s.content = max(s.lastID, past.lastID), max(s.content, past.content)
	for _, id := range past.acks {
		if !slices.Contains(left, id) {
			s.ack(id, w.now, 0)
		}
	}
	for _, m := range answers {
		w.enqueue(s, m)
	}
	if s.layer == 0 {
		s.layer = past.layer
	}
	past.list = nil
	w.count(CountSessionsGone)
}
