package sim

import (
	"fmt"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/session"
	"github.com/tgsession/tgsession/proto/tl"
)

// watch looks at every step of every machine, and at what clients make of it.
// It knows what nobody in the cluster knows: what all of them did.
type watch struct {
	c        *cluster
	sabotage Sabotage
	failure  *Failure

	lives    map[any]*life         // sessions of the server, by identity
	ids      map[messageID]sentID  // messages of the server
	pushes   map[pushID]*push      // by update and key
	order    []pushID              // of pushes
	ended    map[int64]bool        // perm keys that were destroyed
	bound    map[int64]int64       // when temp keys were bound
	toldAt   map[*client]int64     // when a client was last told to fetch updates
	machines map[*machine]struct{} // of nodes that live
	handed   map[*byte]*handed     // packets, by where they are in memory
	excused  int64                 // when packets were last lost as they may be
	counts   [sess.Counters]int
}

// Failure is a broken invariant.
type Failure struct {
	Seed      uint64
	Invariant string
	Text      string
	Steps     []step // that led to it
}

func (f *Failure) Error() string {
	return fmt.Sprintf("seed %d: %s: %s", f.Seed, f.Invariant, f.Text)
}

type messageID struct{ key, session, id int64 }

// sentID is a message that was given an id: a hash of it, by whom, and when.
type sentID struct {
	hash uint64
	life *life
	at   int64
}

type pushID struct {
	serial int32
	key    int64
}

// push is an update on its way to a key.
type push struct {
	session  int64 // 0: any
	notify   bool  // the session for push messages is to be woken
	woke     bool  // it got the update itself
	accepted int64 // when the node that took it got it; 0: none has
	nowhere  bool  // status led nowhere: it was made then, and no node got it
	seen     bool
}

func newWatch(c *cluster, sabotage Sabotage) *watch {
	return &watch{
		c: c, sabotage: sabotage, lives: map[any]*life{}, ids: map[messageID]sentID{}, pushes: map[pushID]*push{},
		ended: map[int64]bool{}, bound: map[int64]int64{}, toldAt: map[*client]int64{},
		machines: map[*machine]struct{}{}, handed: map[*byte]*handed{},
	}
}

// check notes the first invariant that does not hold, and ends the run.
func (w *watch) check(ok bool, invariant, format string, args ...any) {
	if ok || w.failure != nil || w.c.ended {
		return
	}
	w.failure = &Failure{Invariant: invariant, Text: fmt.Sprintf(format, args...)}
	w.c.note("watch", "FAILS: "+invariant)
	w.failure.Steps = w.c.trace.tail()
}

// panics makes a panic a failure, wherever it would be recovered.
func (w *watch) panics(where string) {
	if r := recover(); r != nil {
		w.check(false, "panics", "%s: %v", where, r)
		panic(r)
	}
}

// lost forgets the machines of a node that is gone.
func (w *watch) lost(n *node) {
	w.excused = w.c.now
	for m := range w.machines {
		if m.n == n {
			delete(w.machines, m)
		}
	}
}

// Invariant: whoever calls the BFF is who he says.
func (w *watch) invoked(m *tl.Method, md *metadata.RpcMetadata) {
	perm := md.GetPermAuthKeyId()
	key := w.c.storage.keys[md.GetAuthId()]
	if key != nil && key.perm != 0 && perm != 0 {
		w.check(key.perm == perm, "identity", "%s: transport key %x is not of perm key %x", m.Name, md.GetAuthId(), perm)
	}
	if user := md.GetUserId(); user != 0 {
		l := w.c.storage.logins[perm]
		// A stock authsession takes a login that owes its password for a whole
		// one, and so does a node that has not heard of it itself.
		w.check(w.c.storage.stock || l == nil || l.checked || l.since > md.GetReceiveTime()*1e9, "password", "%s: user %d calls, who owes the password", m.Name, user)
		owner := w.c.ownerOf(perm)
		w.check(owner == 0 || owner == user, "identity", "%s: user %d calls with the key of %d", m.Name, user, owner)
	}
}

// Invariant: nobody is refused who has a login (or a binding), however ill the
// peers are.
func (w *watch) refused(s *csession, call *ccall, text string) {
	const grace = int64(5e9) // until every node can know
	a := w.c.storage
	k := a.keys[s.key]
	if k == nil || w.ended[k.perm] {
		return
	}
	if text == "AUTH_KEY_PERM_EMPTY" {
		at, bound := w.bound[s.key]
		w.check(!bound || at > call.madeAt-grace, "refusals", "%v: %s is answered %s, but the key is bound", s, call.method, text)
		return
	}
	l := a.logins[k.perm]
	m := a.marksOf(k.perm)
	owed := l != nil && m.owes(l.user) || m.at > call.madeAt-grace
	if a.stock { // then a node knows, or nobody
		owed = l == nil || hasPassword(l.user)
	}
	if !call.member || text == needPassword && owed {
		return // it does not know of a login itself, or has begun another
	}
	w.check(l == nil || l.since > call.madeAt-grace, "refusals", "%v: %s is answered %s, but there is a login", s, call.method, text)
}

// loginBegan notes that what a key's login was told when it ended is over.
func (w *watch) loginBegan(perm int64) {
	for m := range w.machines {
		if m.key == perm {
			m.revoked = 0
		}
	}
}

func (w *watch) loginEnded(perm int64) {
	for _, id := range w.order {
		if id.key == perm {
			w.pushes[id].accepted = 0 // nobody waits for them any more
		}
	}
}

// pushing notes an update for a key.
func (w *watch) pushing(serial int32, key, session int64, notify bool) {
	id := pushID{serial, key}
	w.pushes[id] = &push{session: session, notify: notify}
	w.order = append(w.order, id)
}

// unpushed notes an update for a key of which status knows nothing, or names a
// node that is gone.
func (w *watch) unpushed(serial int32, key int64, notify bool) {
	id := pushID{serial, key}
	if w.pushes[id] == nil {
		w.pushing(serial, key, 0, notify)
	}
	p := w.pushes[id]
	p.accepted, p.nowhere = w.c.now, true
}

// accepted notes that a node has taken a request that came at a time.
func (w *watch) accepted(in any, came int64) {
	switch in := in.(type) {
	case *session.TLSessionSendDataToSession:
		w.took(in.GetData(), came)
	case *session.TLSessionPushUpdatesData:
		w.acceptedPush(in.GetPermAuthKeyId(), in.GetUpdates(), came)
	case *session.TLSessionPushSessionUpdatesData:
		w.acceptedPush(in.GetPermAuthKeyId(), in.GetUpdates(), came)
	}
}

func (w *watch) acceptedPush(key int64, updates []byte, came int64) {
	if p := w.pushes[pushID{w.c.sync.serialOf(updates), key}]; p != nil && p.accepted == 0 {
		p.accepted = came
	}
}

// Invariant: an update reaches the keys that it was pushed to, and no other.
func (w *watch) seen(s *csession, serial int32) {
	cl := s.c
	p := w.pushes[pushID{serial, cl.perm}]
	w.check(p != nil, "identity", "%s: update %d was not for key %x", cl.name, serial, cl.perm)
	if p != nil {
		p.seen = true
		p.woke = p.woke || s.id == cl.push.session
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
	p := w.pushes[pushID{serialIn(&r), perm}]
	return p != nil && p.session != 0
}

// told notes that a client knows, as of a time, that it may have missed updates.
func (w *watch) told(cl *client, at int64) { w.toldAt[cl] = max(w.toldAt[cl], at) }

// missing is an update that a client neither has seen nor been told to fetch;
// empty: there is none.
func (w *watch) missing(cl *client) string {
	l := w.c.storage.logins[cl.perm]
	if l == nil {
		return ""
	}
	for _, id := range w.order {
		p := w.pushes[id]
		switch {
		case id.key != cl.perm || p.seen || p.accepted == 0 || p.accepted <= max(l.since, cl.since):
		case p.nowhere && (cl.statedAt == 0 || p.accepted <= cl.statedAt): // it has not asked for the state since it logged in
		case p.session != 0 && cl.session(p.session) == nil:
		case w.toldAt[cl] < p.accepted:
			return fmt.Sprintf("has not seen update %d (taken at %s), nor been told to fetch it", id.serial, clock(p.accepted))
		}
	}
	return ""
}
