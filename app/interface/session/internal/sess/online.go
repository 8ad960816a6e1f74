package sess

import (
	"slices"
	"strconv"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// announceWait bounds how long updates.getState and updates.getDifference wait
// for status to know the key.
const announceWait = 300 * time.Millisecond

// announceRetry is the pause after status did not take an announcement.
const announceRetry = 5 * time.Second

// presence is what status knows of a key (PEERS.md, "status"): sync pushes to
// keys that it has an entry of, and to no others. Times are Unix nanoseconds.
type presence struct {
	toldAt  int64  // when status was last told that the key is online; 0: it thinks us offline
	renewAt int64  // when it is told again
	sureAt  int64  // the last toldAt that status is not known to have refused; 0: none since we were offline
	goneAt  int64  // since when nobody is there, though status thinks so; 0: somebody is
	was     string // the node that had the key before, whose entry status may still have; empty: none
	known   bool   // status has an entry of the key, as far as one can tell
	telling bool   // the outcome of an announcement is on its way
	refused bool   // status did not take the last of them that had one
}

// reachableLogin reports whether somebody is there who takes updates or push
// messages: then status shall know the key.
func (w *MainAuthWrapper) reachableLogin() bool {
	if w.login.state != StateNormal || w.login.userID == 0 || w.draining || w.unbound {
		return false
	}
	for s := range w.sessions() {
		if s.online && (s.takesUpdates() || w.pushes.isPushSession(s)) {
			return true
		}
	}
	return false
}

// announce keeps status informed: at once when somebody comes, and often enough
// for what it knows not to expire (PEERS.md, "status").
func (w *MainAuthWrapper) announce() {
	p := &w.presence
	switch {
	case w.leaving: // the node that gets the key tells
		return
	case !w.reachableLogin():
		w.leave()
		return
	}
	p.goneAt = 0
	if p.toldAt != 0 && w.now < p.renewAt {
		return
	}
	if p.known {
		p.sureAt = p.toldAt
	}
	if p.toldAt == 0 && w.silent() {
		w.pushes.miss()
	}
	p.toldAt, p.renewAt = w.now, w.now+int64(w.cfg.OnlineEvery)
	p.telling = !p.known
	w.call(&SetOnline{
		UserID: w.login.userID, AuthKeyID: w.key, Layer: w.layer, Client: w.client.name,
		Expires: (w.wall + int64(w.cfg.OnlineFor)) / 1e9, At: w.now, Confirm: p.telling, Renews: p.sureAt != 0, Was: p.was,
	})
}

// silent reports whether a client took no updates for a while after it came,
// and does not ask for their state now. A first call that takes them waits for the
// login to be read, which is no such while.
func (w *MainAuthWrapper) silent() bool {
	const while = 2 * time.Second
	return (w.now != w.login.at || w.now-w.login.hereSince > int64(while)) && !slices.ContainsFunc(w.calls, w.tooEarly)
}

// leave tells status that nobody is there any more. A client whose connection
// broke has a moment to come back before: what is pushed meanwhile waits in its
// outbox, so it has missed nothing, and costs neither status two calls nor the
// BFF a difference.
func (w *MainAuthWrapper) leave() {
	p := &w.presence
	if p.toldAt == 0 {
		return
	}
	if w.login.state != StateNormal || w.draining || w.updatesSession() == nil {
		w.offline()
		return
	}
	if p.goneAt == 0 {
		p.goneAt = w.now
	}
	if w.now-p.goneAt >= int64(w.cfg.OfflineAfter) {
		w.offline()
	}
}

// offline tells status that nobody is there any more, if it thinks otherwise.
// From here on sync pushes nothing, so whoever comes back is told to fetch what
// there was; of a node that drains, by the node that takes the key over.
func (w *MainAuthWrapper) offline() {
	if w.toldAt == 0 {
		return
	}
	w.presence = presence{}
	if !w.draining {
		w.pushes.miss()
	}
	w.call(&SetOffline{UserID: w.login.userID, AuthKeyID: w.key})
}

// onAnnounced takes the outcome of an announcement (PEERS.md, "status"). While
// there was no entry of the key, or one that had run out, updates reached nobody.
func (w *MainAuthWrapper) onAnnounced(in *Announced) {
	p := &w.presence
	if p.toldAt == 0 || in.At != p.toldAt {
		return // of a time that is over
	}
	p.telling = false
	if in.Lost {
		p.sureAt = 0
		w.pushes.miss()
	}
	if in.Failed {
		p.known, p.refused = false, true
		p.renewAt = min(p.renewAt, w.now+int64(announceRetry))
		return
	}
	if p.refused && p.toldAt-p.sureAt > int64(w.cfg.OnlineFor) {
		w.pushes.miss()
	}
	p.known, p.refused, p.sureAt, p.was = true, false, p.toldAt, ""
}

// onForgotten takes word that status, when it was asked, had no entry that leads
// here (PEERS.md, "status"): its storage was flushed, or a node that had the key
// before has withdrawn or renewed its own entry. That counts as well while status
// takes no announcements: the entry of an earlier one was thought to be there.
func (w *MainAuthWrapper) onForgotten(in *Forgotten) {
	p := &w.presence
	if p.toldAt == 0 || in.UserID != w.login.userID || p.toldAt >= in.Asked {
		return // it has been told since
	}
	p.known, p.sureAt, p.renewAt = false, 0, w.now
	w.pushes.miss()
}

// presenceAt is when status is to be told something, or not waited for any more;
// 0: never.
func (w *MainAuthWrapper) presenceAt() int64 {
	p := &w.presence
	switch {
	case p.toldAt == 0:
		return 0
	case p.goneAt != 0:
		return p.goneAt + int64(w.cfg.OfflineAfter)
	case p.telling && slices.ContainsFunc(w.calls, w.tooEarly):
		return p.toldAt + int64(announceWait)
	}
	return p.renewAt
}

// tooEarly reports whether a call asks for the state of updates while status is
// about to hear of the key. It waits for that, at most announceWait: what happens
// between the answer and the entry would be in neither.
func (w *MainAuthWrapper) tooEarly(c *pendingCall) bool {
	p := &w.presence
	return c.phase == phaseReady && w.asksUnseen(c) && (p.toldAt == 0 || p.telling && w.now < p.toldAt+int64(announceWait))
}

// asksUnseen reports whether a call asks for the state of updates while status
// has no entry of the key.
func (w *MainAuthWrapper) asksUnseen(c *pendingCall) bool {
	return c.trait&traitSync != 0 && !w.known && w.reachableLogin()
}

// deviceSession reads account.registerDevice: with token_type 7 the token is
// the decimal id of the session that takes push messages. It returns 0 for
// other tokens.
func deviceSession(body []byte) int64 {
	r := wire.NewReader(body)
	if r.ID() == wire.IDRegisterDevice {
		r.Int() // flags
	}
	kind, token := r.Int(), string(r.Bytes())
	const pushSession = 7
	if !r.OK() || kind != pushSession || len(token) > 20 {
		return 0
	}
	if id, err := strconv.ParseInt(token, 10, 64); err == nil {
		return id
	}
	id, err := strconv.ParseUint(token, 10, 64)
	if err != nil {
		return 0
	}
	return int64(id) //nolint:gosec // session ids have 64 bits; clients write them signed or not
}
