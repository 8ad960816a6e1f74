package gateway

import (
	"maps"
	"slices"
	"sync"
)

// sessionKey names a session of a transport key.
type sessionKey struct{ authKeyID, sessionID int64 }

// hub knows which connections serve which session: an answer goes out on all
// of them.
type hub struct {
	mu       sync.Mutex
	sessions map[sessionKey]*served
}

// served is the connections of one session and the key they share.
type served struct {
	key   *authKey
	conns map[*conn]struct{}
	// announced: session has been told of it with conn_type 1.
	announced bool
}

func newHub() *hub { return &hub{sessions: map[sessionKey]*served{}} }

// join adds a connection and tells whether the session service has yet to
// hear of the session.
func (h *hub) join(k sessionKey, key *authKey, c *conn) (fresh bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.sessions[k]
	if !ok {
		s = &served{conns: map[*conn]struct{}{}}
		h.sessions[k] = s
	}
	s.key = key
	s.conns[c] = struct{}{}
	return !s.announced
}

// announced notes that the session service has heard of the session.
func (h *hub) announced(k sessionKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.sessions[k]; ok {
		s.announced = true
	}
}

// leave removes a connection. gone tells that it was the session's last one.
func (h *hub) leave(k sessionKey, c *conn) (key *authKey, gone bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.sessions[k]
	if !ok {
		return nil, false
	}
	delete(s.conns, c)
	if len(s.conns) > 0 {
		return s.key, false
	}
	delete(h.sessions, k)
	return s.key, true
}

// find returns the connections of a session and their key.
func (h *hub) find(k sessionKey) (*authKey, []*conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.sessions[k]
	if !ok {
		return nil, nil
	}
	return s.key, slices.Collect(maps.Keys(s.conns))
}
