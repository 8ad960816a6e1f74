package sess

import (
	"slices"
	"time"
)

// Clients like gotd and GramJS connect anew in a new session, and never say a word in the one
// before. What waits there would be told when that ends, three minutes later, and more would
// follow for as long as the old one takes updates. So the new one is told to fetch the
// difference, once; the old one keeps what it has, for its client may come back to it after
// all. A session that merely moves files is told nothing: its client has another one for
// updates.

// deafFor is how long a session that is online is given to acknowledge an update, or to say
// anything at all, where its client has begun to speak in a newer one. Telegram Desktop
// acknowledges within ten seconds.
const deafFor = 12 * time.Second

// passOn has a session that is there told of the updates that wait in those that are offline.
func (w *MainAuthWrapper) passOn() {
	if !w.pushes.stranded || w.login.state != StateNormal {
		return
	}
	best := w.updatesSession()
	if !best.ready() || w.rank(best) == rankOnline {
		return
	}
	w.pushes.notStranded()
	for s := range w.sessions() {
		if !s.online && (s.updates.gap || s.keepsUpdates()) && s.updates.pass() {
			w.pushes.lose()
		}
	}
}

// leftAt is when a session that is online is taken for one that its client has left, so that
// another one takes updates in its stead; 0: never, as far as is known. Its gateway may not
// know that its connection is dead, or may have told of its end before its last packet. One
// that came over HTTP has no connection: no request may come that fetches what waits.
func (w *MainAuthWrapper) leftAt(s *session) int64 {
	if !s.online || s.updates.passedOn || !s.takesUpdates() {
		return 0
	}
	since := w.newerSince(s)
	if since == 0 {
		return 0
	}
	if i := slices.IndexFunc(s.sent, isUpdate); i >= 0 {
		return max(s.sent[i].sentAt, since) + int64(deafFor)
	}
	if s.http != nil && len(s.http.slots) == 0 && slices.ContainsFunc(s.queue, isUpdate) {
		return max(s.http.first, since) + int64(deafFor)
	}
	return 0
}

// newerSince is since when a client has had other sessions that take updates, the first of them
// connected after it last spoke in this one; 0: none of them is there. What it said in this one
// may have come late.
func (w *MainAuthWrapper) newerSince(s *session) (at int64) {
	there := false
	for n := range w.sessions() {
		since := n.connAt > s.lastSeen-int64(late) && n.window.newest() > s.window.newest()
		if n != s && since && n.takesUpdates() && (n.updates.subscribed || !n.updates.files) {
			at = earliest(at, n.connAt)
			there = there || n.ready() && !n.updates.passedOn
		}
	}
	if !there {
		return 0
	}
	return at
}

// presumeLeft has another session take the updates of one that its client has left.
func (w *MainAuthWrapper) presumeLeft(s *session) {
	if at := w.leftAt(s); at != 0 && at <= w.now && s.updates.pass() {
		w.pushes.lose()
	}
}

// keepsUpdates reports whether there are updates in a session's outbox.
func (s *session) keepsUpdates() bool {
	return slices.ContainsFunc(s.queue, isUpdate) || slices.ContainsFunc(s.sent, isUpdate)
}

func isUpdate(m outMsg) bool { return m.kind == outPush || m.kind == outTooLong }
