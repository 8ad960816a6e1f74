package sess

// A client must hear of every update, or that it has missed some: then it asks
// for the difference. new_session_created is not enough for that, since some
// clients fetch nothing upon it; all of them do upon updatesTooLong (rules UPD-5
// and UPD-6). It is owed
//
//   - after status had no entry of the key for a while in which somebody was logged
//     in: sync pushed nothing then, neither to a queue nor to a log (online.go);
//   - when updates were lost here: with their session, or for want of room;
//   - when updates wait in a session that its client may have left for another one (left.go);
//   - to a session that lived before this node knew it: on a node that crashed,
//     that was restarted, or that had the key until it moved.
//
// It is sent once status has the key, not before: else what happens between the
// client's question and the entry would be in neither. Where status refuses, it
// is sent at once, and again when status has the key after all.

const (
	// unseen is how many content-related messages of a session a node has not
	// seen, by their seqnos, where the session lived before. Fewer may have been
	// refused for their salt or time, which a client that has just begun has to
	// learn.
	unseen = 8
	// judged is how many packets of a session are looked at for that. The first
	// may be one that is repeated.
	judged = 4
)

// judge finds out whether a session lived before this node knew it, as far as its
// seqnos tell (rule SEQ-1): gateways that are new to it, and those who speak HTTP,
// say nothing of it.
func (w *MainAuthWrapper) judge(s *session) {
	if s.looks == judged {
		return
	}
	s.looks++
	if s.old() {
		s.looks = judged
		w.resume(s)
	}
}

func (s *session) old() bool {
	sent, seen := int32(0), int32(0)
	for i := range s.window.ids {
		seq := s.window.ids[i].seq
		sent = max(sent, seq/2+seq&1)
		seen += seq & 1
	}
	return sent-seen >= unseen
}

// takesUpdates reports whether updates may be sent to a session.
func (s *session) takesUpdates() bool { return s.updates.takes() && !s.list.media() }

// resume notes that a session lived before this node knew it. Which of its
// client's sessions takes updates is not known any more: each is supposed to,
// until one says so by its calls, and each is told that it may have missed some.
// So is the one for push messages.
func (w *MainAuthWrapper) resume(s *session) {
	if w.binding.unbound || s.list.media() {
		return
	}
	if s.id == w.pushes.pushSession {
		w.pushes.wake()
	}
	if s.updates.resume() {
		w.pushes.loseInSession()
	}
}

// named takes in which session takes push messages. One that is here already,
// and lived before, may have missed some.
func (w *MainAuthWrapper) named(id int64) {
	w.pushes.named(id)
	for s := range w.sessions() {
		if s.id == id && s.updates.lived {
			w.pushes.wake()
		}
	}
}

// introduced takes over a session of a key that moved here, of which the node
// that had the key says that updates go there.
func (w *MainAuthWrapper) introduced(in *ConnNew) {
	l := w.list(in.KeyType, in.AuthKeyID, 0)
	if l == nil {
		return
	}
	s := l.find(in.SessionID)
	switch {
	case s == nil:
		s = w.session(l, in.SessionID)
		w.connect(s, in.ServerID, in.ClientIP, true)
		s.looks = judged
		w.resume(s)
	case !s.online:
		w.connect(s, in.ServerID, in.ClientIP, true)
	}
	w.saltsKnown(l) // for what it is told
	if w.login.state == StateUnknown {
		w.loadState()
	}
}

// introduce names the sessions that updates go to, for the node that takes the
// key over: so it can reach the client before that says anything.
func (w *MainAuthWrapper) introduce() {
	if w.draining || w.binding.unbound || w.login.state != StateNormal {
		return
	}
	best := w.updatesSession()
	for s := range w.sessions() {
		if s.server != "" && s.online && (s == best || w.pushes.isPushSession(s)) {
			w.out.Present = append(w.out.Present, ConnNew{
				ServerID: s.server, AuthKeyID: s.list.authKeyID, KeyType: s.list.keyType,
				SessionID: s.id, ClientIP: s.ip, Introduced: true,
			})
		}
	}
}

// catchUp tells those who may have missed updates to fetch them.
func (w *MainAuthWrapper) catchUp() {
	w.passOn()
	if !w.pushes.gap && !w.pushes.sessionGaps && !w.pushes.wakeDue || w.login.state != StateNormal || !w.presence.known && !w.presence.refused {
		return
	}
	if w.pushes.wakeDue {
		w.wakePushSession()
	}
	if best := w.updatesSession(); w.pushes.gap && best.ready() {
		w.pushes.told()
		w.tell(best)
	}
	if !w.pushes.sessionGaps {
		return
	}
	more := false
	for s := range w.sessions() {
		switch {
		case !s.updates.gap:
		case s.ready():
			w.tell(s)
		default:
			more = true
		}
	}
	w.pushes.toldSessions(more)
}

// ready reports whether something can be sent to a session as it has to be.
func (s *session) ready() bool { return s != nil && s.online && s.list.saltThere() }

// saltThere reports whether there is a salt for packets to the client.
func (l *SessionList) saltThere() bool {
	return len(l.salts) > 0 || l.adoptedSalt != 0 || l.saltsUnavailable
}

// tell has a session fetch the difference.
func (w *MainAuthWrapper) tell(s *session) {
	s.updates.told()
	w.count(CountGaps)
	w.tooLong(s)
}
