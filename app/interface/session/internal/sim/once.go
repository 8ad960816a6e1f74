package sim

import (
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/tl"
)

// invocation is when a call was given to the BFF first, and by whom.
type invocation struct {
	life   *life
	on     *machine
	at     int64
	temp   bool  // by a temp key
	missed int64 // since when etcd had let the node go, which did not know it; 0: it had not
}

// Invariant: a message is given to the BFF at most once, however often it comes:
// repeated by its client, or played again by who recorded it, in the same session or
// after that has ended. Excused is only what no node can know any more.
func (w *watch) once(m *machine, meta *sess.Meta, method *tl.Method) {
	id := callID{meta.AuthKeyID, meta.SessionID, meta.MsgID}
	l := m.life(w, meta.AuthKeyID, meta.SessionID)
	first, again := w.invocations[id]
	if !again {
		w.invocations[id] = invocation{l, m, w.c.now, meta.AuthKeyID != m.key, m.n.listing.missed()}
		w.named(m, meta, method, false)
		return
	}
	excuse := w.excuse(m, &first, meta.MsgID)
	w.check((l == nil || l != first.life) && excuse != "", "at most once",
		"message %x of session %x is invoked again, first at %s", meta.MsgID, meta.SessionID, clock(first.at))
	w.c.note("watch", excuse, meta.AuthKeyID, meta.SessionID, meta.MsgID)
	w.named(m, meta, method, true)
	if method.Name == signIn || method.Name == secret {
		w.playedAt[m.key] = w.c.now
	}
}

// named notes that a call names the session for push messages without its client's
// knowledge: it was made before, or the client waits for it no more. A call that was
// refused is made when who recorded it plays it again and no node knows it any more.
func (w *watch) named(m *machine, meta *sess.Meta, method *tl.Method, again bool) {
	if method.Name != register {
		return
	}
	for _, cl := range w.c.clients {
		if s := cl.session(meta.SessionID); cl.perm == m.key && (again || s == nil || !s.awaits(meta.MsgID)) {
			cl.push = device{}
		}
	}
}

// excuse says why the node of m cannot know of an earlier invocation; empty: it
// must.
func (w *watch) excuse(m *machine, first *invocation, msgID int64) string {
	switch {
	case first.on.n != m.n && first.on.n.dead && !first.on.n.gone:
		return doneByOneThatCrashed
	case first.on.n != m.n && (first.on.n.last || w.lastAt[m.key] > first.at):
		return doneByTheLast
	case (first.on.unbound || m.unbound || first.missed != 0 && first.temp) && (first.on.n != m.n || m.since > first.at):
		return doneBeforeItWasBound
	case w.anewAt[m.key] > first.at && (first.on.n != m.n || w.movedAt[m.key] >= first.at || first.on != m && (first.on.letGo != 0 || first.on.drains)):
		return doneBeforeItMoved
	case first.on.n != m.n && m.returned > first.at:
		return doneBeforeItMoved
	case first.on != m && takenByNobody(m, first.on):
		return doneBeforeNobodyTookIt
	case first.on.n != m.n && (w.leftBehind(m) || w.leftBehind(first.on)):
		return doneWhileItLeft
	case first.on.n != m.n && (first.on.stray || m.stray):
		return doneWhereItWasNot
	case first.on != m && first.on.behind:
		return doneBeforeItHeard
	case first.on.gaveWay:
		return doneByALifeThatGaveWay
	case first.on.n != m.n && w.wasMissed(m, first):
		return doneWhileItWasMissed
	case w.c.former && (m.n.listing.again > first.at-int64(w.c.hearTime) || first.on.n != m.n):
		return doneByAFormerNode
	case w.c.wall(m.n.addr) > timeOf(msgID)+int64(w.c.limits.MaxPast):
		return doneTooLongAgo
	case w.c.clocks.back[m.n.addr] > first.at+int64(w.c.limits.MaxPast):
		return doneBeforeTheClock
	}
	return ""
}

// leftBehind reports whether the key of a machine has begun anew elsewhere since its node
// was to let go of it.
func (w *watch) leftBehind(m *machine) bool { return m.letGo != 0 && w.anewAt[m.key] >= m.letGo }

// takenByNobody reports whether a machine was let go with what it had received, and another one
// of its key knows nothing of it: that began anew, or goes on with what the key had elsewhere
// when the first one began anew.
func takenByNobody(m, first *machine) bool { return first.drains && (m.anew || first.anew) }

// wasMissed reports whether the key of m, or the one that had made the call first, began
// anew while etcd had let a node go that was there, and had the key.
func (w *watch) wasMissed(m *machine, first *invocation) bool {
	anew := w.anewAt[m.key]
	if m.n.listing.isAway(anew) || first.missed != 0 && anew >= first.missed || first.on.n.listing.wasAway(anew, first.at) {
		return true
	}
	if m.anew && first.on.n.listing.isAway(m.since) {
		return true
	}
	return first.on.unasked && !m.anew
}

// What excuses a call that is made twice.
const (
	// doneByOneThatCrashed: what a node had received is gone with it (docs/delivery.md,
	// "When keys move").
	doneByOneThatCrashed = "excuses a call: its node crashed"
	// doneByTheLast: a node that stops has nobody to give its keys to, where etcd lists no
	// other that is there: those that etcd has let go are not known to it, and one that
	// crashed a moment ago takes none.
	doneByTheLast = "excuses a call: its node was the last that etcd listed, and left"
	// doneBeforeItMoved: a node that had received it did not answer when it was asked
	// for the key (docs/delivery.md, "When keys move").
	doneBeforeItMoved = "excuses a call: its key moved without its past"
	// doneBeforeNobodyTookIt: a key that the ring gave to a node which crashed, or was not
	// reached, is taken by nobody. Who had it lets it go, and whoever gets it next begins it
	// anew, whether or not a node that has heard less of the ring refuses it then; or, where
	// it had begun anew with who let it go, goes on with the life that it had before.
	doneBeforeNobodyTookIt = "excuses a call: nobody took its key"
	// doneWhileItLeft: a node that did not answer when it was asked for the key goes on
	// with the calls that it had taken. Either life may be the first to make one.
	doneWhileItLeft = "excuses a call: its key began anew while the old one lived"
	// doneBeforeItWasBound: what a temp key had received before it was bound is not told
	// to a perm key on another node, wherever that moves then, nor the other way round to a
	// node that has it unbound; and where etcd has let the node go, the perm key that it has
	// begun there knows nothing of it either.
	doneBeforeItWasBound = "excuses a call: its temp key was bound elsewhere"
	// doneWhereItWasNot: a key that had waited for a node that did not answer, or came by a
	// request that was late, began anew on a node when the ring gave it to another by then.
	// That one had begun with it, too, and its life goes on.
	doneWhereItWasNot = "excuses a call: its key began anew on a node that did not own it"
	// doneBeforeItHeard: a node that is listed again does not know yet of those that joined
	// meanwhile. With a key that one of them has it begins anew; that life gives way to the
	// other one when it hears of them.
	doneBeforeItHeard = "excuses a call: its node was listed again, and had not heard of the others"
	// doneByALifeThatGaveWay: a node that had begun a key anew, since another one did not
	// answer, gets the life that the key had there: that goes on, and the node's own ends.
	doneByALifeThatGaveWay = "excuses a call: its key had two lives, of which one gave way"
	// doneWhileItWasMissed: a node that etcd has let go serves who comes to it, and cannot
	// hear that the key has begun anew on another, which has not reached it or has joined
	// since and knows nothing of it. When it is listed again the two lives meet.
	doneWhileItWasMissed = "excuses a call: its key began anew while etcd had let go who had it"
	// doneByAFormerNode: a node of an earlier release gives nobody the keys that it has.
	// Who gets one begins it anew, and the node that had it goes on with the calls that it
	// had taken, also when the key comes back.
	doneByAFormerNode = "excuses a call: a node of an earlier release had its key"
	// doneTooLongAgo: a node forgets a session that is silent when no message id from its past
	// is accepted any more, but within a container or a copy (rule MSGID-4).
	doneTooLongAgo = "excuses a call: its session had been silent for too long"
	// doneBeforeTheClock: a clock that is set back makes messages young again that
	// nobody has to remember any more.
	doneBeforeTheClock = "excuses a call: its node's clock was set back"
)
