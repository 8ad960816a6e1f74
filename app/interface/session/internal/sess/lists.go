package sess

import "slices"

// A device has one perm key and as many temp keys as its client likes: TDLib
// gives every upload and download session its own, a pool of connections gives
// one to each (https://core.telegram.org/api/datacenter#parallel-sessions, rule
// PFS-22). Each transport key has a SessionList, and nothing that one of them
// does touches another's sessions.

// list returns the session list of the key that encrypted a packet, and makes
// it when there is none. nil says that there is no place for it: the keys of
// its kind are as many as MaxTempKeys, and all of them are newer.
func (w *MainAuthWrapper) list(t KeyType, authKeyID int64, boundUntil uint32) *SessionList {
	if l := w.findList(t, authKeyID); l != nil {
		l.boundUntil = max(l.boundUntil, boundUntil)
		l.usedAt = w.now
		return l
	}
	l := &SessionList{authKeyID: authKeyID, keyType: t, boundUntil: boundUntil, usedAt: w.now}
	if !w.addList(l) {
		return nil
	}
	return l
}

// findList returns the list of a transport key, nil when there is none.
func (w *MainAuthWrapper) findList(t KeyType, authKeyID int64) *SessionList {
	if set := w.set(t); set != nil {
		for _, l := range *set {
			if l.authKeyID == authKeyID {
				return l
			}
		}
		return nil
	}
	if w.mainAuth != nil && w.mainAuth.authKeyID == authKeyID {
		return w.mainAuth
	}
	return nil
}

// set is where the lists of a kind of temp keys are; nil for the perm key, which
// has one list.
func (w *MainAuthWrapper) set(t KeyType) *[]*SessionList {
	switch t {
	case TempKey:
		return &w.tempAuth
	case MediaTempKey:
		return &w.mediaTempAuth
	}
	return nil
}

// addList takes a list in. Of too many temp keys the one that was unused longest
// goes, but never one that was bound after l: a client that makes more keys than
// have a place shall keep the newest, not have each push out the next. It
// returns false when that leaves no place for l.
func (w *MainAuthWrapper) addList(l *SessionList) bool {
	set := w.set(l.keyType)
	if set == nil {
		if w.mainAuth != nil {
			w.dropList(w.mainAuth, EndDestroyed)
		}
		w.mainAuth = l
		return true
	}
	if len(*set) >= w.cfg.MaxTempKeys {
		victim := l.displaces(*set)
		if victim == nil {
			return false
		}
		w.count(CountTempKeysGone)
		w.dropList(victim, EndLimit)
	}
	*set = append(*set, l)
	return true
}

// displaces returns the list that l may take the place of: the one that was
// unused longest of those that were not bound after it. What is bound until
// later was bound later, as far as that is known.
func (l *SessionList) displaces(set []*SessionList) (victim *SessionList) {
	for _, other := range set {
		newer := l.boundUntil != 0 && other.boundUntil > l.boundUntil
		if !newer && (victim == nil || other.usedAt < victim.usedAt) {
			victim = other
		}
	}
	return victim
}

// dropList drops a list and its sessions, which end for the reason why.
func (w *MainAuthWrapper) dropList(l *SessionList, why EndReason) {
	for len(l.sessions) > 0 {
		w.drop(l.sessions[0], why)
	}
	w.dropHeldPackets(l)
	w.removeList(l)
}

// removeList takes a list out, with its sessions.
func (w *MainAuthWrapper) removeList(l *SessionList) {
	set := w.set(l.keyType)
	if set == nil {
		if w.mainAuth == l {
			w.mainAuth = nil
		}
		return
	}
	if i := slices.Index(*set, l); i >= 0 {
		if *set = slices.Delete(*set, i, i+1); len(*set) == 0 {
			*set = nil
		}
	}
}

// has reports whether a list is still the wrapper's: what was asked for its
// sake may be answered after it is gone.
func (w *MainAuthWrapper) has(l *SessionList) bool { return w.findList(l.keyType, l.authKeyID) == l }

// dropEmptyLists forgets keys without sessions, so that a key that comes and
// goes leaves nothing behind.
func (w *MainAuthWrapper) dropEmptyLists() {
	if w.binding.open() { // what is being bound moves as a whole
		return
	}
	empty := func(l *SessionList) bool { return len(l.sessions) == 0 && len(l.held) == 0 }
	if w.mainAuth != nil && empty(w.mainAuth) {
		w.mainAuth = nil
	}
	for _, set := range [...]*[]*SessionList{&w.tempAuth, &w.mediaTempAuth} {
		if len(*set) == 0 {
			continue
		}
		if *set = slices.DeleteFunc(*set, empty); len(*set) == 0 {
			*set = nil
		}
	}
}
