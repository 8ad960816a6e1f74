package sim

import (
	"fmt"

	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// journal is what happened to users, for each of their devices: also to those that
// were away, and that status knew nothing of. A device has all of it in the end, or
// was told after it happened that it is to fetch the difference.
//
// A device fetches upon updatesTooLong, upon new_session_created unless it is one of
// those that do not (client.deaf), and when it has logged in. It does not because it
// has connected again. It does upon a gap in pts, too, but that is not counted: what
// came last has nothing after it that would show one, and much has no pts.
type journal struct {
	updates map[updateID]*journaled
	order   []updateID        // in which they were made
	toldAt  map[*client]int64 // when a client was last told to fetch
}

type updateID struct {
	serial int32
	key    int64 // perm key of the device
}

// journaled is an update for one device.
type journaled struct {
	at      int64 // when it was made
	session int64 // that it is for; 0: any
	notify  bool  // the session for push messages is to be woken
	woke    bool  // it got the update itself
	seen    bool
	// due says that it can be asked of the nodes that the device hears of it: sync
	// came to one, or status led nowhere. Else it was lost on the way between the
	// two, of which nobody but sync knows.
	due bool
}

func newJournal() journal {
	return journal{updates: map[updateID]*journaled{}, toldAt: map[*client]int64{}}
}

// made notes an update for a device.
func (w *watch) made(serial int32, key, session int64, notify bool) *journaled {
	id := updateID{serial, key}
	u := w.updates[id]
	if u == nil {
		u = &journaled{at: w.c.now, session: session, notify: notify}
		w.updates[id] = u
		w.order = append(w.order, id)
	}
	return u
}

// arrived notes that sync came to a node with an update, and what that made of it. One
// whose mailbox is full has refused it, and has the device told.
func (w *watch) arrived(key int64, updates []byte, err error) {
	u := w.updates[updateID{w.c.sync.serialOf(updates), key}]
	if u != nil && (err == nil || status.Code(err) == mailboxFull) {
		u.due = true
	}
}

// mailboxFull is the status of a node that has no room for a request.
const mailboxFull = 420

// Invariant: an update reaches the devices that it was made for, and no other.
func (w *watch) seen(s *csession, serial int32) {
	cl := s.c
	u := w.updates[updateID{serial, cl.perm}]
	w.check(u != nil, "identity", "%s: update %d was not for key %x", cl.name, serial, cl.perm)
	if u != nil {
		u.seen = true
		u.woke = u.woke || s.id == cl.push.session
	}
}

// toSession reports whether an update, as a client gets it, was pushed to one
// session of a key.
func (w *watch) toSession(perm int64, body []byte) bool {
	body, err := unzip(body)
	if id, _ := wire.PeekID(body); err != nil || id != idUpdateShort {
		return false
	}
	r := wire.NewReader(body[4:])
	u := w.updates[updateID{serialIn(&r), perm}]
	return u != nil && u.session != 0
}

// told notes that a client knows, as of a time, that it may have missed updates.
func (w *watch) told(cl *client, at int64) { w.toldAt[cl] = max(w.toldAt[cl], at) }

// Invariant: in the end a client that is logged in has seen each update of its user,
// or was told to fetch it. empty: so it is.
func (w *watch) missing(cl *client) string {
	l := w.c.storage.logins[cl.perm]
	if l == nil || l.asked {
		return "" // or it owes the password again: a sign-in was held up on its way
	}
	for _, id := range w.order {
		u := w.updates[id]
		switch {
		case id.key != cl.perm || u.seen || !u.due || u.at <= max(l.since, cl.since, cl.statedAt):
		case u.session != 0 && cl.session(u.session) == nil:
		case w.toldAt[cl] < u.at:
			return fmt.Sprintf("has not seen update %d (made at %s), nor been told to fetch it", id.serial, clock(u.at))
		}
	}
	return ""
}

// Invariant: the session that a client named for push messages is woken by
// each of them, or gets the update itself.
func (w *watch) asleep(cl *client) string {
	s, l := cl.session(cl.push.session), w.c.storage.logins[cl.perm]
	if s == nil || l == nil || l.pushID != s.id {
		return "" // a fault kept the name from being stored, and a crash may have lost it
	}
	since := max(cl.since, cl.push.since, l.since, l.pushSince)
	for _, id := range w.order {
		u := w.updates[id]
		if id.key == cl.perm && u.notify && u.due && !u.woke && u.at > since && s.wokenAt < u.at {
			return fmt.Sprintf("was not woken in session %x by update %d (made at %s)", s.id, id.serial, clock(u.at))
		}
	}
	return ""
}
