package keys

// Peek returns what is remembered of a transport key, and asks nobody: it may be out of
// date. It changes nothing, not even what is forgotten next.
func (r *Resolver) Peek(authKeyID int64) (key Key, known bool) {
	s := r.shard(authKeyID)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.young[authKeyID]
	if !known {
		e, known = s.old[authKeyID]
	}
	return e.key, known
}

// Lookups returns how many lookups are under way and how many wait for their turn.
func (r *Resolver) Lookups() (running, waiting int) { return r.lookup.Load() }
