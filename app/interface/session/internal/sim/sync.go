package sim

import (
	"slices"

	"github.com/tgsession/tgsession/app/interface/session/internal/peers"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// statusPeer is the name of presence as a peer.
const statusPeer = "status"

// presence is the status service: which node a user's keys can be reached at. What
// it has stored, sync reads itself: also while nobody can tell it anything.
type presence struct {
	c      *cluster
	online []entry // in the order they came
}

type entry struct {
	user, key int64
	node      string
	until     int64 // Unix seconds
}

// take hears of a key from a node. Reports may be lost.
func (p *presence) take(node string, r sess.Request) (taken bool) {
	if p.c.down[statusPeer] || p.c.chance(p.c.rates.fault) {
		return false
	}
	switch r := r.(type) {
	case *sess.SetOnline:
		p.c.note(statusPeer, "online", r.AuthKeyID, r.UserID)
		p.forget(r.UserID, r.AuthKeyID)
		p.online = append(p.online, entry{r.UserID, r.AuthKeyID, node, (p.c.now + int64(p.c.limits.OnlineFor)) / 1e9})
	case *sess.SetOffline:
		p.c.note(statusPeer, "offline", r.AuthKeyID, r.UserID)
		p.forget(r.UserID, r.AuthKeyID)
	}
	return true
}

// missing are those of entries that do not lead to a node.
func (p *presence) missing(node string, entries []peers.Entry) (missing []peers.Entry, err error) {
	if p.c.down[statusPeer] || p.c.chance(p.c.rates.fault) {
		return nil, errUnavailable
	}
	for _, e := range entries {
		if !p.leads(e.UserID, e.AuthKeyID, node) {
			p.c.note(statusPeer, "is asked for what it does not have", e.AuthKeyID, e.UserID)
			missing = append(missing, e)
		}
	}
	return missing, nil
}

// lost reports whether an entry that a node renews is not there any more.
func (p *presence) lost(node string, r *sess.SetOnline) bool {
	if p.c.down[statusPeer] || p.leads(r.UserID, r.AuthKeyID, node) || r.Was != "" && p.leads(r.UserID, r.AuthKeyID, r.Was) {
		return false
	}
	p.c.note(statusPeer, "is to renew what it does not have", r.AuthKeyID, r.UserID)
	return true
}

func (p *presence) leads(user, key int64, node string) bool {
	e := p.find(user, key)
	return e != nil && e.node == node
}

func (p *presence) find(user, key int64) *entry {
	for i := range p.online {
		if e := &p.online[i]; e.user == user && e.key == key && e.until >= p.c.now/1e9 {
			return e
		}
	}
	return nil
}

// lose forgets an entry, or all of them, as when its storage is flushed.
func (p *presence) lose() {
	if p.c.chance(2) {
		p.c.note(statusPeer, "forgets everything")
		p.online = nil
	} else if len(p.online) > 0 {
		e := pick(p.c.scheduler, p.online)
		p.c.note(statusPeer, "forgets a key", e.key)
		p.forget(e.user, e.key)
	}
}

// withdraw forgets what still leads to a node that leaves, though others have
// its keys.
func (p *presence) withdraw(n *node) {
	p.online = slices.DeleteFunc(p.online, func(e entry) bool { return e.node == n.addr && !n.svc.Cluster.Owns(e.key) })
}

func (p *presence) forget(user, key int64) {
	p.online = slices.DeleteFunc(p.online, func(e entry) bool {
		return e.user == user && e.key == key || e.until < p.c.now/1e9
	})
}

// syncer is sync: it brings what happens to users to their sessions.
type syncer struct {
	c      *cluster
	serial int32
	made   map[string]int32 // serials by encoded updates
}

// news makes the next update.
func (s *syncer) news() []byte {
	s.serial++
	b := update(s.c.schema, s.serial, s.text())
	s.made[string(b)] = s.serial
	return b
}

// text is what makes some updates large. It does not shrink much.
func (s *syncer) text() []byte {
	rare := 2
	if s.c.besieged { // so that nobody has more than his share of a gateway's queue
		rare = 12
	}
	if !s.c.chance(rare) {
		return nil
	}
	text := make([]byte, 2000)
	for i := range text {
		text[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-"[s.c.rnd.IntN(64)]
	}
	return text
}

// serialOf tells which update this is; 0: none.
func (s *syncer) serialOf(updates []byte) int32 { return s.made[string(updates)] }

// push tells a user something new; notify: also the sessions of its devices for
// push messages. It is written to the journal of each device that is logged in, whether
// anybody is there or not, and pushed to those that status has an entry of.
func (s *syncer) push(user int64, notify bool) {
	updates := s.news()
	for _, cl := range s.c.clients {
		if l := s.c.storage.logins[cl.perm]; l == nil || l.user != user {
			continue
		}
		u := s.c.watch.made(s.serial, cl.perm, 0, notify)
		if e := s.c.status.find(user, cl.perm); e == nil || s.c.nodes[e.node] == nil {
			s.c.note("sync", "finds nobody to push to", cl.perm, int64(s.serial))
			u.due = true
		}
	}
	for _, e := range s.c.status.online {
		if e.user != user || e.until < s.c.now/1e9 {
			continue
		}
		what := "pushes"
		if notify {
			what = "pushes a notification"
		}
		s.c.note("sync", what, e.key, int64(s.serial))
		s.c.watch.made(s.serial, e.key, 0, notify) // perhaps of a login that has ended
		s.c.call(e.node, &session.TLSessionPushUpdatesData{
			PermAuthKeyId: e.key, Updates: updates, Notification: notify,
		}, false, func(error) {})
	}
}

// pushTo tells one session something.
func (s *syncer) pushTo(perm, key, id int64) {
	updates := s.news()
	s.c.note("sync", "pushes to a session", key, id, int64(s.serial))
	s.c.watch.made(s.serial, perm, id, false)
	s.c.call(s.c.ring.Owner(perm), &session.TLSessionPushSessionUpdatesData{
		PermAuthKeyId: perm, AuthKeyId: key, SessionId: id, Updates: updates,
	}, false, func(error) {})
}

// revoke ends the login of a key, as another device of its user does.
func (s *syncer) revoke(perm int64) {
	user := s.c.storage.userOf(perm)
	if user == 0 {
		return
	}
	s.c.note("sync", "revokes", perm, user)
	s.c.storage.unbind(perm)
	updates := reset(s.c.schema, user, perm)
	for _, e := range s.c.status.online {
		if e.user == user {
			s.c.call(e.node, &session.TLSessionPushUpdatesData{PermAuthKeyId: e.key, Updates: updates}, false, func(error) {})
		}
	}
}
