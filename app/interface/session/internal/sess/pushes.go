package sess

import (
	"time"

	sessionpb "github.com/tgsession/tgsession/proto/session"
)

// heldPush is an update that waits for a session that takes it.
type heldPush struct {
	updates []byte // encoded mtproto.Updates
	notify  bool   // the push session is to be woken, too
}

const (
	heldPushBytes = 256 << 10         // of updates that wait, together
	heldFor       = 180 * time.Second // how long they wait
)

// pushes is what is known of the updates for a login: who takes them, which wait for
// a taker, and what was lost. push.go delivers them, gap.go tells the client of what
// was lost. Times are Unix nanoseconds.
//
// Between two Steps:
//   - held has no more than HeldPushes updates, of no more than heldPushBytes
//     together; what another node has handed over may be more.
//   - target is a session of the key, or nil.
//   - sessionGaps is set while a session has a gap of its own (session.updates.gap). It may
//     stay set when that session has gone: catchUp finds out.
//   - stranded is set while updates wait in a session that is offline, and no other
//     session was told of them. It may stay set when there are none any more: passOn finds out.
//   - without a push session that is online wakeDue has nobody to wake; it stays until there is one.
type pushes struct {
	held        []heldPush // updates that no session takes yet, oldest first
	heldAt      int64      // when the oldest came
	target      *session   // asked for updates last; nil: none has
	pushSession int64      // id of the session that takes push messages; 0: none
	unsaved     bool       // storage did not take pushSession
	saving      bool       // storage has been told of it, and has not answered
	wakeDue     bool       // the push session is to be woken when it is there
	gap         bool       // updates were lost: a session is to fetch the difference
	sessionGaps bool       // updates of sessions were lost: each of these is to fetch it
	stranded    bool       // updates may wait in sessions whose clients do not come back to them
}

// miss notes that the client may have missed updates, and its push session a message.
func (p *pushes) miss() {
	p.gap = true
	p.wakeDue = p.wakeDue || p.pushSession != 0
}

// returned notes that another node had the key: there its client may have missed
// updates, and may have named another session for push messages, which storage knows. It
// does not know yet what it is being told.
func (p *pushes) returned() {
	p.gap, p.wakeDue = true, true
	if !p.unsaved && !p.saving {
		p.pushSession = 0
	}
}

// lose notes that updates were lost here.
func (p *pushes) lose() { p.gap = true }

// loseInSession notes that the updates of a session may have been lost (session.updates.gap).
func (p *pushes) loseInSession() { p.sessionGaps = true }

// strand notes that a session has lost its connection, or got updates without one.
func (p *pushes) strand() { p.stranded = true }

// notStranded notes that no updates wait for a session that another one could be told of.
func (p *pushes) notStranded() { p.stranded = false }

// behind reports whether the client may lack updates, beside those in an outbox.
func (p *pushes) behind() bool { return len(p.held) > 0 || p.gap || p.sessionGaps }

// told notes that a session has been told to fetch the difference.
func (p *pushes) told() { p.gap = false }

// toldSessions notes that the sessions that have lost updates have been told; more
// says that some could not be.
func (p *pushes) toldSessions(more bool) { p.sessionGaps = more }

// hold keeps an update. Where it finds no room all give way, and it returns how many:
// the client will fetch the difference.
func (p *pushes) hold(one heldPush, now int64, most int) (lost int) {
	if len(p.held) == 0 {
		p.heldAt = now
	}
	size := len(one.updates)
	for _, h := range p.held {
		size += len(h.updates)
	}
	p.held = append(p.held, one)
	if len(p.held) > most || size > heldPushBytes {
		return p.drop()
	}
	return 0
}

// drop lets go of the updates that were held, and returns how many. The push session
// is still woken for those that ask for it.
func (p *pushes) drop() (lost int) {
	lost = len(p.held)
	for _, h := range p.held {
		p.wakeDue = p.wakeDue || h.notify
	}
	p.held, p.gap = nil, p.gap || lost > 0
	return lost
}

// take gives the updates that were held away.
func (p *pushes) take() []heldPush {
	held := p.held
	p.held = nil
	return held
}

// takeNotices reports whether updates that are held ask for the push session to be
// woken, once.
func (p *pushes) takeNotices() (some bool) {
	if p.pushSession == 0 {
		return false
	}
	for i := range p.held {
		some, p.held[i].notify = some || p.held[i].notify, false
	}
	return some
}

// expiresAt is until when updates are held; 0: there are none.
func (p *pushes) expiresAt() int64 {
	if len(p.held) == 0 {
		return 0
	}
	return p.heldAt + int64(heldFor)
}

// askedBy notes which session has asked for updates.
func (p *pushes) askedBy(s *session) { p.target = s }

// sessionGone forgets a session that ends.
func (p *pushes) sessionGone(s *session) {
	if p.target == s {
		p.target = nil
	}
}

// register notes which session takes push messages. It reports whether that is news
// to storage.
func (p *pushes) register(id int64) bool {
	if id == p.pushSession && !p.unsaved {
		return false
	}
	p.pushSession, p.unsaved, p.saving = id, false, true
	return true
}

// registered notes whether storage has taken that in, where it is still so. If not, or where
// storage was not told since peers are asked for as much as a client may cause, it is told
// again when the client says it again.
func (p *pushes) registered(id int64, failed bool) {
	if id == p.pushSession {
		p.unsaved, p.saving = failed, false
	}
}

// named takes in what storage says of it.
func (p *pushes) named(id int64) { p.pushSession = id }

// isPushSession reports whether a session takes push messages.
func (p *pushes) isPushSession(s *session) bool { return s.id == p.pushSession && !s.list.media() }

// wake notes that the push session is to be woken.
func (p *pushes) wake() { p.wakeDue = true }

// woken notes that it has been.
func (p *pushes) woken() { p.wakeDue = false }

// endLogin forgets the updates of a login that has ended, and reports whether there
// were any.
func (p *pushes) endLogin() (lost bool) {
	lost = p.behind()
	p.held, p.gap, p.sessionGaps, p.wakeDue = nil, false, false, false
	return lost
}

// resume is for a login that ended only as far as is known here: if it goes on, its
// client is told what it has lost, and so is its push session.
func (p *pushes) resume(lost, wake bool) {
	p.gap, p.wakeDue = lost, (lost || wake) && p.pushSession != 0
}

// forgetTakers forgets who took the updates of a login. A gap remains if that goes on:
// who logs in anew has missed nothing.
func (p *pushes) forgetTakers(mayResume bool) {
	p.pushSession, p.target = 0, nil
	p.gap, p.sessionGaps = (p.gap || p.sessionGaps) && mayResume, false
}

// unregister forgets the push session of another user.
func (p *pushes) unregister() { p.pushSession = 0 }

// export writes the pushes for the node that gets the key; target is written with its
// session.
func (p *pushes) export(st *sessionpb.KeyState, moment func(int64) int64) {
	st.PushId, st.HeldAt = p.pushSession, moment(p.heldAt)
	st.Flags |= when(keyGap, p.gap) | when(keySessionGaps, p.sessionGaps) | when(keyWakeDue, p.wakeDue) | when(keyPushUnsaved, p.unsaved || p.saving)
	for _, h := range p.held {
		st.Held = append(st.Held, &sessionpb.HeldUpdates{Updates: h.updates, Notify: h.notify})
	}
}

// restore reads what export wrote of a key.
func (p *pushes) restore(st *sessionpb.KeyState, at func(int64) int64) {
	*p = pushes{
		pushSession: st.GetPushId(), heldAt: at(st.GetHeldAt()),
		stranded: true, // passOn finds out
		gap:      has(st.GetFlags(), keyGap), sessionGaps: has(st.GetFlags(), keySessionGaps), wakeDue: has(st.GetFlags(), keyWakeDue), unsaved: has(st.GetFlags(), keyPushUnsaved),
	}
	for _, h := range st.GetHeld() {
		p.held = append(p.held, heldPush{updates: h.GetUpdates(), notify: h.GetNotify()})
	}
}
