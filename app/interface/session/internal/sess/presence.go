package sess

import (
	"time"

	sessionpb "github.com/tgsession/tgsession/proto/session"
)

// announceRetry is the pause after status did not take an announcement.
const announceRetry = 5 * time.Second

// presence is what status knows of a key (PEERS.md, "status"): sync pushes to
// keys that it has an entry of, and to no others. online.go decides what status is
// told. Times are Unix nanoseconds.
//
// Between two Steps:
//   - while toldAt is 0, status takes the key for offline, and all other fields but was
//     are zero: they speak of an announcement, and there is none.
//   - sureAt is not after toldAt.
//   - known excludes telling and refused: an entry that is there is only renewed, and
//     a renewal that is refused ends known.
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

// somebodyThere notes that a session is online that takes updates or push messages.
func (p *presence) somebodyThere() { p.goneAt = 0 }

// nobodyThere notes that none is. It returns for how long that has been so.
func (p *presence) nobodyThere(now int64) time.Duration {
	if p.goneAt == 0 {
		p.goneAt = now
	}
	return time.Duration(now - p.goneAt)
}

// due reports whether status is to be told that the key is online.
func (p *presence) due(now int64) bool { return p.toldAt == 0 || now >= p.renewAt }

// tell notes that status is being told, and that it is told again at some time.
func (p *presence) tell(now, again int64) {
	if p.known {
		p.sureAt = p.toldAt
	}
	p.toldAt, p.renewAt = now, again
	p.telling = !p.known
}

// offline notes that status is told that nobody is there, or that another node may
// have told it so.
func (p *presence) offline() { *p = presence{} }

// answered notes that the outcome of the announcement at hand is there.
func (p *presence) answered() { p.telling = false }

// lost notes that status had lost the entry before.
func (p *presence) lost() { p.sureAt = 0 }

// refuse notes that status did not take an announcement. It is told again soon.
func (p *presence) refuse(now int64) {
	p.known, p.refused = false, true
	p.renewAt = min(p.renewAt, now+int64(announceRetry))
}

// take notes that status has taken an announcement. It returns whether its entry may
// have run out before, while it refused others: entries last for a time, and one that
// names the node before only as long as that node, which may be gone since.
func (p *presence) take(lasts time.Duration) (lapsed bool) {
	lapsed = p.refused && (p.was != "" || p.toldAt-p.sureAt > int64(lasts))
	p.known, p.refused, p.sureAt, p.was = true, false, p.toldAt, ""
	return lapsed
}

// forgotten notes that status has no entry any more. It is told at once.
func (p *presence) forgotten(now int64) { p.known, p.sureAt, p.renewAt = false, 0, now }

// unheard reports whether status has yet to answer if it had lost the entry. A node that
// hands the key over does not wait for that answer, and the node that gets the key never
// hears it. So export writes that no announcement is known to have been taken.
func (p *presence) unheard() bool { return !p.known && p.telling && p.sureAt != 0 }

// export writes what status knows for the node that gets the key.
func (p *presence) export(st *sessionpb.KeyState, moment func(int64) int64) {
	sureAt := p.sureAt
	switch {
	case p.known:
		sureAt = p.toldAt
	case p.unheard():
		sureAt = 0
	}
	st.OnlineToldAt, st.OnlineGoneAt, st.OnlineSureAt = moment(p.toldAt), moment(p.goneAt), moment(sureAt)
	st.OnlineRefused, st.OnlineNode = p.refused, p.was
}

// restore reads what export wrote of a key. Status still names the other node, which
// sends on what comes: nothing is missed until the entry is this node's, unless it was
// lost before.
func (p *presence) restore(st *sessionpb.KeyState, at func(int64) int64, now int64) {
	*p = presence{
		toldAt: at(st.GetOnlineToldAt()), goneAt: at(st.GetOnlineGoneAt()), refused: st.GetOnlineRefused(),
		sureAt: at(st.GetOnlineSureAt()), was: st.GetOnlineNode(),
	}
	if p.toldAt != 0 {
		p.renewAt = now
	}
}
