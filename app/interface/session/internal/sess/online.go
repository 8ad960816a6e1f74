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

// reachableLogin reports whether somebody is there who takes updates or push
// messages: then status shall know the key.
func (w *MainAuthWrapper) reachableLogin() bool {
	if w.login.state != StateNormal || w.login.userID == 0 || w.draining || w.binding.unbound {
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
	switch {
	case w.leaving: // the node that gets the key tells
		return
	case !w.reachableLogin():
		w.leave()
		return
	}
	w.presence.somebodyThere()
	if !w.presence.due(w.now) {
		return
	}
	if w.presence.toldAt == 0 && w.unannounced() {
		w.pushes.miss()
	}
	w.presence.tell(w.now, w.renewAt())
	w.call(&SetOnline{
		UserID: w.login.userID, AuthKeyID: w.key, Layer: w.profile.layer, Client: w.profile.client.name,
		Expires: (w.wall + int64(w.cfg.OnlineFor)) / 1e9, At: w.now,
		Confirm: w.presence.telling, Renews: w.presence.sureAt != 0, Was: w.presence.was,
	})
}

// renewals is in how many parts OnlineEvery is divided: keys are announced again only where
// one ends.
const renewals = 64

// renewAt is when status is told again. The keys of a node are told of at the same
// moments: each moment at which a node has something to do costs it more than a key does.
func (w *MainAuthWrapper) renewAt() int64 {
	at, moment := w.now+int64(w.cfg.OnlineEvery), max(1, int64(w.cfg.OnlineEvery)/renewals)
	return at - at%moment
}

// unannounced reports whether status, which hears of a client now, should have heard of
// it sooner, and the client does not ask for the state of updates now. A client is
// announced with its first call that takes updates. That waits for the read of the login,
// for two seconds at most; where a read failed, a call before it was refused.
func (w *MainAuthWrapper) unannounced() bool {
	const wait = 2 * time.Second
	late := w.now != w.login.at || w.now-w.login.hereSince > int64(wait) || w.login.unread
	return late && !slices.ContainsFunc(w.calls.list, w.tooEarly)
}

// leave tells status that nobody is there any more. A client whose connection
// broke has a moment to come back before: what is pushed meanwhile waits in its
// outbox, so it has missed nothing, and costs neither status two calls nor the
// BFF a difference.
func (w *MainAuthWrapper) leave() {
	if w.presence.toldAt == 0 {
		return
	}
	if w.login.state != StateNormal || w.draining || w.updatesSession() == nil {
		w.offline()
		return
	}
	if w.presence.nobodyThere(w.now) >= w.cfg.OfflineAfter {
		w.offline()
	}
}

// offline tells status that nobody is there any more, if it thinks otherwise.
// From here on sync pushes nothing, so whoever comes back is told to fetch what
// there was; of a node that drains, by the node that takes the key over.
func (w *MainAuthWrapper) offline() {
	if w.presence.toldAt == 0 {
		return
	}
	w.presence.offline()
	if !w.draining {
		w.pushes.miss()
	}
	w.call(&SetOffline{UserID: w.login.userID, AuthKeyID: w.key})
}

// onAnnounced takes the outcome of an announcement (PEERS.md, "status"). While
// there was no entry of the key, or one that had run out, updates reached nobody.
func (w *MainAuthWrapper) onAnnounced(in *Announced) {
	if w.presence.toldAt == 0 || in.At != w.presence.toldAt {
		return // of a time that is over
	}
	w.presence.answered()
	if in.Lost {
		w.presence.lost()
		w.pushes.miss()
	}
	if in.Failed {
		w.presence.refuse(w.now)
		return
	}
	if w.presence.take(w.cfg.OnlineFor) {
		w.pushes.miss()
	}
}

// onForgotten takes word that status, when it was asked, had no entry that leads
// here (PEERS.md, "status"): its storage was flushed, or a node that had the key
// before has withdrawn or renewed its own entry. That counts as well while status
// takes no announcements: the entry of an earlier one was thought to be there.
func (w *MainAuthWrapper) onForgotten(in *Forgotten) {
	if at := w.presence.toldAt; at == 0 || in.UserID != w.login.userID || at >= in.Asked {
		return // it has been told since
	}
	w.presence.forgotten(w.now)
	w.pushes.miss()
}

// presenceAt is when status is to be told something, or not waited for any more;
// 0: never.
func (w *MainAuthWrapper) presenceAt() int64 {
	p := w.presence
	switch {
	case p.toldAt == 0:
		return 0
	case p.goneAt != 0:
		return p.goneAt + int64(w.cfg.OfflineAfter)
	case p.telling && slices.ContainsFunc(w.calls.list, w.tooEarly):
		return p.toldAt + int64(announceWait)
	}
	return p.renewAt
}

// tooEarly reports whether a call asks for the state of updates while status is
// about to hear of the key. It waits for that, at most announceWait: what happens
// between the answer and the entry would be in neither.
func (w *MainAuthWrapper) tooEarly(c *pendingCall) bool {
	told, telling := w.presence.toldAt, w.presence.telling
	return c.phase == phaseReady && w.asksUnseen(c) && (told == 0 || telling && w.now < told+int64(announceWait))
}

// asksUnseen reports whether a call asks for the state of updates while status
// has no entry of the key.
func (w *MainAuthWrapper) asksUnseen(c *pendingCall) bool {
	return c.trait&traitSync != 0 && !w.presence.known && w.reachableLogin()
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
	return int64(id) // session ids have 64 bits; clients write them signed or not
}
