package sess

import (
	"cmp"
	"time"
)

// session finds or makes a session (rule SESS-1).
func (w *MainAuthWrapper) session(l *SessionList, id int64) *session {
	if s := l.find(id); s != nil {
		return s
	}
	w.makeRoom(1)
	s := &session{id: id, list: l, lastSeen: w.now, lastID: w.lastID}
	w.recall(s)
	l.sessions = append(l.sessions, s)
	w.count(CountSessionsMade)
	return s
}

// makeRoom drops sessions until as many as wanted fit in: those that are offline
// and were silent longest go first, without a word (rule SESS-9).
func (w *MainAuthWrapper) makeRoom(wanted int) {
	for {
		count, oldest := 0, (*session)(nil)
		for s := range w.sessions() {
			count++
			if oldest == nil || s.online == oldest.online && s.lastSeen < oldest.lastSeen || !s.online && oldest.online {
				oldest = s
			}
		}
		if count+wanted <= w.cfg.MaxSessions {
			return
		}
		w.drop(oldest, EndLimit)
	}
}

// drop forgets a session with all that it waits for (rule SESS-9). The client
// learns of it by new_session_created when it comes back; updates it did not
// get are announced to the next session that takes some.
func (w *MainAuthWrapper) drop(s *session, why EndReason) {
	if s.list == nil {
		return
	}
	w.end(s, why)
	w.closeSlots(s)
	updates := s.discard(func(m *outMsg) bool { return isUpdate(*m) })
	if (updates > 0 || s.updates.gap) && !s.updates.passedOn {
		w.pushes.lose()
	}
	s.discard(func(*outMsg) bool { return true })
	w.remember(s)
	s.list.remove(s)
	w.lastID = max(w.lastID, s.lastID)
	s.online = false
	w.pushes.sessionGone(s)
	w.dropCalls(s)
	w.count(CountSessionsGone)
}

// settled is how long after a connection something may come that is about the one before. A
// client that flips between gateways sooner gets no answers again.
const settled = 5 * time.Second

// connect notes where a session's packets come from now. What the client did
// not acknowledge goes out again when the connection is a new one (rule
// SESS-11).
func (w *MainAuthWrapper) connect(s *session, server, ip string, isNew bool) {
	// The gateway tells of a new connection of a session that counts as connected to the
	// same gateway. So the connection before has been closed, and the gateway's word of
	// that may still come: onConnClosed passes over it then. Within a second it is not a
	// second connection: session_createSession and the first packet tell of the same one.
	// So it is where a packet found no connection there a moment ago.
	another := s.online && s.server == server && w.now-s.connAt >= int64(time.Second)
	lost := !s.online && w.now < s.closeDue && (s.lastServer == server || s.lastServer == "") // "": another node knew it
	switch {
	case isNew && (another || lost):
		s.closeDue = w.now + int64(settled)
	case !s.online:
		s.closeDue = 0
	}
	fresh := isNew || !s.online || s.server != server && w.now-s.lastSeen >= int64(settled)
	if since, moved := s.movedSince(server, ip); moved && !fresh {
		w.repeat(s, func(m *outMsg) bool { return isUpdate(*m) && m.sentAt >= since && m.sends < mostSends })
	}
	s.lastSeen, s.online = w.now, true
	s.updates.unpass()
	if isNew {
		s.pingDelay = 0 // asked for of another connection (rule PING-2)
	}
	if s.server != server {
		s.server, s.connAt = server, w.now
	}
	if s.ip != ip {
		s.ip = ip
	}
	if !fresh || server == "" {
		return
	}
	s.connAt = w.now
	if s.again = w.repeatLeft() <= 0; !s.again {
		w.repeatAll(s)
	}
}

// movedSince reports whether a client speaks from elsewhere than before, though no gateway
// has said that its connection is a new one, and since when what went to the place before
// may have reached nobody. A gateway says it of a session that is new to it: not while it
// keeps the dead connection of a client that has changed networks. One with a stream takes
// what is for such a connection, or for none, without a word.
func (s *session) movedSince(server, ip string) (since int64, moved bool) {
	switch {
	case !s.online || s.server == "" || server == "":
		return 0, false
	case s.server != server:
		return s.connAt, true
	}
	return s.lastSeen, s.ip != ip && s.ip != ""
}

// late is how much later than the next connection of its client a packet may come.
const late = 10 * time.Second

// overtaken reports whether a packet left its client before others that have come another
// way: through another gateway, or over HTTP. The last packet of a connection may come after
// the first of the next one, above all from a gateway that is being stopped, and does not say
// where its client is. If it did, what the client is sent next would go to the gateway that it
// has left. The first packet of a connection always says it, and so does each that comes
// later than a packet can be late: the clock of its client may have been set back.
func (w *MainAuthWrapper) overtaken(s *session, d *Data, msgID int64) bool {
	elsewhere := s.server != d.ServerID && (s.server != "" || s.http != nil)
	return !d.NewConn && d.ServerID != "" && s.online && elsewhere && msgID < s.window.newest() && w.now-s.connAt < int64(late)
}

// onConnNew readies a session for its packets (PEERS.md, "session").
func (w *MainAuthWrapper) onConnNew(in *ConnNew) {
	if in.SessionID == 0 || in.ServerID == "" {
		return
	}
	if in.Introduced {
		w.introduced(in)
		return
	}
	if l := w.findList(in.KeyType, in.AuthKeyID); l != nil {
		if s := l.find(in.SessionID); s != nil {
			w.connect(s, in.ServerID, in.ClientIP, true)
		}
	}
}

// onConnClosed notes that a gateway has no connection left for a session, unless it
// speaks of the one before: gateways that call for each packet let the first packet
// of a new connection overtake that (PEERS.md, "session"). An answer would stay here
// else until the client speaks again.
func (w *MainAuthWrapper) onConnClosed(in *ConnClosed) {
	for l := range w.lists() {
		if l.authKeyID != in.AuthKeyID {
			continue
		}
		s := l.find(in.SessionID)
		if s == nil || w.now >= s.closeDue {
			continue
		}
		if s.server == in.ServerID || !s.online && s.lastServer == in.ServerID {
			s.closeDue = 0
			return
		}
	}
	w.onConnLost(in.ServerID, in.AuthKeyID, in.SessionID, EndClosed)
}

// onSendFailed notes that a packet found no connection (PEERS.md, "gateway"). The client may
// have made another one since, through the same gateway, of which the node hears by another
// call: that one lives.
func (w *MainAuthWrapper) onSendFailed(in *SendFailed) {
	sentAt := cmp.Or(in.SentAt, w.cameAt) // another node sent it before the key came, and says not when
	for l := range w.lists() {
		if l.authKeyID != in.AuthKeyID {
			continue
		}
		if s := l.find(in.SessionID); s != nil && sentAt != 0 && sentAt < s.connAt {
			return // what was sent before goes out again on the new one
		}
	}
	w.onConnLost(in.ServerID, in.AuthKeyID, in.SessionID, EndDeadGateway)
}

// onConnLost notes that a session's packets lead nowhere (PEERS.md, "session"
// and "gateway").
func (w *MainAuthWrapper) onConnLost(server string, authKeyID, id int64, why EndReason) {
	for l := range w.lists() {
		if l.authKeyID != authKeyID {
			continue
		}
		if s := l.find(id); s != nil && s.server == server && server != "" {
			w.goOffline(s, why)
		}
	}
}

// goOffline ends a session's connection, not the session. why is what the session ends
// for if its client does not come back.
func (w *MainAuthWrapper) goOffline(s *session, why EndReason) {
	w.closeSlots(s)
	s.lastServer, s.offlineFor = s.server, why
	s.online, s.server, s.http = false, "", nil
	s.again, s.throttled = false, false
	if s.pingDelay, s.closeDue = 0, 0; why == EndDeadGateway {
		s.closeDue = w.now + int64(settled) // its gateway may say so, too
	}
	s.lastSeen = w.now
	w.pushes.strand()
	s.touch()
}
