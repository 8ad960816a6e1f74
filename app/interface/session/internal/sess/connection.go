package sess

import (
	"time"
)

// list returns the session list of a transport key. Another key than before
// means that the client has a new temp key: its sessions are new, too.
func (w *MainAuthWrapper) list(t KeyType, authKeyID int64) *SessionList {
	slot := w.slot(t)
	if l := *slot; l != nil && l.authKeyID != authKeyID {
		w.dropList(l)
	}
	if *slot == nil {
		*slot = &SessionList{authKeyID: authKeyID, keyType: t}
	}
	return *slot
}

// dropList drops a list and its sessions.
func (w *MainAuthWrapper) dropList(l *SessionList) {
	for len(l.sessions) > 0 {
		w.drop(l.sessions[0])
	}
	w.dropHeldPackets(l)
	*w.slot(l.keyType) = nil
}

// session finds or makes a session (rule SESS-1). Of too many the one that was
// silent longest goes, without a word (rule SESS-9).
func (w *MainAuthWrapper) session(l *SessionList, id int64) *session {
	if s := l.find(id); s != nil {
		return s
	}
	count, oldest := 0, (*session)(nil)
	for s := range w.sessions() {
		count++
		if oldest == nil || s.online == oldest.online && s.lastSeen < oldest.lastSeen || !s.online && oldest.online {
			oldest = s
		}
	}
	if count >= w.cfg.MaxSessions {
		w.drop(oldest)
	}
	w.reopen()
	s := &session{id: id, list: l, lastSeen: w.now, lastID: w.lastID}
	l.sessions = append(l.sessions, s)
	w.count(CountSessionsMade)
	return s
}

// drop forgets a session with all that it waits for (rule SESS-9). The client
// learns of it by new_session_created when it comes back; updates it did not
// get are announced to the next session that takes some.
func (w *MainAuthWrapper) drop(s *session) {
	if s.list == nil {
		return
	}
	w.closeSlots(s)
	if s.discard(func(m *outMsg) bool { return m.kind == outPush || m.kind == outTooLong }) > 0 || s.owed {
		w.missed = true
	}
	s.list.remove(s)
	w.lastID = max(w.lastID, s.lastID)
	s.online = false
	if w.updates == s {
		w.updates = nil
	}
	w.dropCalls(s)
	w.count(CountSessionsGone)
}

// connect notes where a session's packets come from now. What the client did
// not acknowledge goes out again when the connection is a new one (rule
// SESS-11).
func (w *MainAuthWrapper) connect(s *session, server, ip string, isNew bool) {
	const settled = 5 * time.Second // a client that flips between gateways repeats nothing
	fresh := isNew || !s.online || s.server != server && w.now-s.lastSeen >= int64(settled)
	s.lastSeen, s.online = w.now, true
	if isNew {
		s.pingDelay = 0 // asked for of another connection (rule PING-2)
	}
	if s.server != server {
		s.server = server
	}
	if s.ip != ip {
		s.ip = ip
	}
	if fresh && server != "" {
		w.repeatAll(s)
	}
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
	l := w.list(in.KeyType, in.AuthKeyID)
	if s := l.find(in.SessionID); s != nil {
		w.connect(s, in.ServerID, in.ClientIP, true)
	}
}

// onConnLost notes that a session's packets lead nowhere (PEERS.md, "session"
// and "gateway").
func (w *MainAuthWrapper) onConnLost(server string, authKeyID, id int64) {
	for l := range w.lists() {
		if l.authKeyID != authKeyID {
			continue
		}
		if s := l.find(id); s != nil && s.server == server && server != "" {
			w.goOffline(s)
		}
	}
}

// goOffline ends a session's connection, not the session.
func (w *MainAuthWrapper) goOffline(s *session) {
	w.closeSlots(s)
	s.online, s.server, s.http = false, "", nil
	s.pingDelay = 0
	s.lastSeen = w.now
	s.touch()
}
