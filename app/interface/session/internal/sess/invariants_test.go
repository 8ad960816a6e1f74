package sess

import "slices"

// holds checks what the comments of the parts of the state say is true between two
// Steps. Every test that drives a world does.
func (x *world) holds() {
	x.t.Helper()
	for part, broken := range map[string]string{
		"login": brokenLogin(&x.w.login), "pushes": brokenPushes(x.w), "presence": brokenPresence(x.w.presence),
		"binding": brokenBinding(x.w), "profile": brokenProfile(x.w), "goneSessions": brokenGone(&x.w.gone, x.cfg.GoneSessions),
		"subscription": brokenSubscription(x.w), "pendingCalls": brokenCalls(x.w), "session": brokenSession(x.w),
	} {
		if broken != "" {
			x.t.Fatalf("%s: what is said of %s is not true", part, broken)
		}
	}
}

// brokenLogin names a field of which the comment is not true; empty: there is none.
func brokenLogin(l *login) string {
	switch {
	case l.userID != 0 && l.state != StateNormal:
		return "userID"
	case l.state == StatePermBound:
		return "state"
	case l.superseded && !l.reading:
		return "superseded"
	case l.suspect && !l.reading && !l.stale && !l.destroyed:
		return "suspect"
	case l.passwordOwed && l.state != StateNeedPassword:
		return "passwordOwed"
	case l.destroyed && l.state != StateRevoked:
		return "destroyed"
	}
	return ""
}

func brokenPushes(w *MainAuthWrapper) string {
	p, bytes, present := &w.pushes, 0, w.pushes.target == nil
	for _, h := range p.held {
		bytes += len(h.updates)
	}
	for s := range w.sessions() {
		if s.updates.gap && !p.sessionGaps {
			return "sessionGaps"
		}
		present = present || s == p.target
	}
	switch {
	case len(p.held) > w.cfg.HeldPushes || bytes > heldPushBytes:
		return "held"
	case !present:
		return "target"
	}
	return ""
}

func brokenPresence(p presence) string {
	none := presence{was: p.was}
	switch {
	case p.toldAt == 0 && p != none:
		return "toldAt"
	case p.sureAt > p.toldAt:
		return "sureAt"
	case p.known && (p.telling || p.refused):
		return "known"
	}
	return ""
}

func brokenBinding(w *MainAuthWrapper) string {
	b := &w.binding
	asking := slices.ContainsFunc(w.asks, func(a ask) bool { return a.kind == askBind })
	switch {
	case b.outcome != nil && !b.unbound:
		return "outcome"
	case b.asking != asking && !w.empty():
		return "asking"
	}
	return ""
}

func brokenProfile(w *MainAuthWrapper) string {
	p, saving := &w.profile, int32(0)
	for _, a := range w.asks {
		if a.kind == askClient {
			saving++
		}
	}
	switch {
	case p.saving != saving:
		return "saving"
	case p.unsaved != nil && w.mayStore() && !p.storeLater:
		return "unsaved"
	case p.storedTo > w.now+storeBurst*int64(w.cfg.StoreEvery):
		return "storedTo"
	}
	return ""
}

func brokenGone(g *goneSessions, most int) string {
	seen := make(map[[2]int64]bool, len(g.list))
	for _, o := range g.list {
		switch session := [2]int64{o.key, o.id}; {
		case seen[session]:
			return "list"
		case o.last > g.last || o.until > g.until:
			return "last"
		default:
			seen[session] = true
		}
	}
	if len(g.list) > most {
		return "list"
	}
	return ""
}

func brokenSubscription(w *MainAuthWrapper) string {
	for s := range w.sessions() {
		u, syncing := &s.updates, uint8(0)
		for _, c := range w.calls.list {
			if c.s == s && c.syncing {
				syncing++
			}
		}
		switch {
		case u.declined && (u.takes() || u.gap):
			return "declined"
		case u.syncing != syncing:
			return "syncing"
		}
	}
	return ""
}

func brokenCalls(w *MainAuthWrapper) string {
	running := int32(0)
	for _, c := range w.calls.list {
		if c.phase == phaseMarking || c.phase == phaseRunning || c.phase == phaseClearing {
			running++
		}
	}
	if w.calls.running != running {
		return "running"
	}
	return ""
}

func brokenSession(w *MainAuthWrapper) string {
	for s := range w.sessions() {
		if s.doomed && w.login.state != StateUnknown {
			return "doomed"
		}
	}
	return ""
}
