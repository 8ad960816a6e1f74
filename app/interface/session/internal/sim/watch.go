package sim

import (
	"fmt"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/session"
	"github.com/tgsession/tgsession/proto/tl"
)

// asked is a key that a node has asked another one for.
type asked struct {
	by  string
	key int64
}

// watch looks at every step of every machine, and at what clients make of it.
// It knows what nobody in the cluster knows: what all of them did.
type watch struct {
	c        *cluster
	sabotage Sabotage
	failure  *FailureError

	lives    map[any]*life         // sessions of the server, by identity
	ids      map[messageID]sentID  // messages of the server
	journal                        // of updates
	ended    map[int64]bool        // perm keys that were destroyed
	bound    map[int64]int64       // when temp keys were bound
	overAt   map[int64]int64       // when they ended
	machines map[*machine]struct{} // of nodes that live
	movedAt  map[int64]int64       // when a key was last let go to another node
	waits    map[asked]bool        // for an answer
	refusals map[asked]bool        // by the node that answered last
	anewAt   map[int64]int64       // when a key last began anew, without what a node had of it before
	playedAt map[int64]int64       // when a sign-in was made again, as it may be
	lastAt   map[int64]int64       // when a node that had a key left, which etcd listed alone
	fullAt   map[int64]int64       // when a packet of a session last found its mailbox full

	invocations map[callID]invocation // calls that were given to the BFF
	handed      map[uint64]*handed    // packets, by the hash of their bytes
	excused     int64                 // when packets were last lost as they may be
	counts      [sess.Counters]int
}

// FailureError is a broken invariant.
type FailureError struct {
	Seed      uint64
	Invariant string
	Text      string
	Steps     []step // that led to it
}

func (f *FailureError) Error() string {
	return fmt.Sprintf("seed %d: %s: %s", f.Seed, f.Invariant, f.Text)
}

type messageID struct{ key, session, id int64 }

// sentID is a message that was given an id: a hash of it, by whom, and when.
type sentID struct {
	hash uint64
	life *life
	at   int64
}

func newWatch(c *cluster, sabotage Sabotage) *watch {
	return &watch{
		c: c, sabotage: sabotage, lives: map[any]*life{}, ids: map[messageID]sentID{}, journal: newJournal(),
		ended: map[int64]bool{}, bound: map[int64]int64{}, overAt: map[int64]int64{},
		machines: map[*machine]struct{}{}, movedAt: map[int64]int64{}, anewAt: map[int64]int64{}, waits: map[asked]bool{}, refusals: map[asked]bool{}, fullAt: map[int64]int64{}, lastAt: map[int64]int64{}, playedAt: map[int64]int64{}, invocations: map[callID]invocation{}, handed: map[uint64]*handed{},
	}
}

// check notes the first invariant that does not hold, and ends the run.
func (w *watch) check(ok bool, invariant, format string, args ...any) {
	if ok || w.failure != nil || w.c.ended {
		return
	}
	w.failure = &FailureError{Invariant: invariant, Text: fmt.Sprintf(format, args...)}
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

// Invariant: whoever calls the BFF is who he says, with a key that has not ended.
func (w *watch) invoked(m *tl.Method, md *metadata.RpcMetadata) {
	perm := md.GetPermAuthKeyId()
	key := w.c.storage.keys[md.GetAuthId()]
	if key != nil && key.perm != 0 && perm != 0 {
		w.check(key.perm == perm, "identity", "%s: transport key %x is not of perm key %x", m.Name, md.GetAuthId(), perm)
	}
	over, ended := w.overAt[md.GetAuthId()]
	w.check(!ended || w.c.storage.stock || w.c.clocks.loose || md.GetReceiveTime() <= over/1e9+1, "ended keys",
		"%s: a call that came at %s with a key that ended at %s", m.Name, clock(md.GetReceiveTime()*1e9), clock(over))
	if user := md.GetUserId(); user != 0 {
		l := w.c.storage.logins[perm]
		// A stock authsession takes a login that owes its password for a whole
		// one, and so does a node that has not heard of it itself, or that goes on with
		// the one before.
		w.check(w.c.storage.stock || w.c.clocks.loose || l == nil || l.checked || l.since > md.GetReceiveTime()*1e9 || w.c.storage.mayGoOn(perm, user), "password", "%s: user %d calls, who owes the password", m.Name, user)
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
	if text == permEmpty {
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
	if at := w.playedAt[k.perm]; l != nil && at != 0 && at <= l.since {
		return // the login was made by who played a sign-in again, which is still under way perhaps
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

// accepted notes what a node made of a request that came at a time.
func (w *watch) accepted(in any, came int64, err error) {
	switch in := in.(type) {
	case *session.TLSessionSendDataToSession:
		if err == nil {
			w.took(in.GetData(), came)
		}
	case *session.TLSessionPushUpdatesData:
		w.arrived(in.GetPermAuthKeyId(), in.GetUpdates(), err)
	case *session.TLSessionPushSessionUpdatesData:
		w.arrived(in.GetPermAuthKeyId(), in.GetUpdates(), err)
	}
}
