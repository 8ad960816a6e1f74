package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// client is a device of a user: it keeps to the protocol, over a network that
// does not.
type client struct {
	c     *cluster
	name  string
	ip    string
	user  int64
	layer int32
	pfs   bool
	http  bool
	skew  time.Duration // how far its clock is ahead, as far as it does not know

	perm, temp int64      // keys; 0: none yet
	bound      bool       // the temp key is
	extra      []*tempKey // it has beside that one
	making     bool       // a key is being made
	told       bool       // initConnection was
	builds     int32
	loggedIn   bool
	owes       bool  // the password
	since      int64 // when it logged in
	statedAt   int64 // when the state of updates was first asked for since; 0: it was not
	deaf       bool  // it fetches nothing upon new_session_created, but in a session that it has just opened
	quietUntil int64 // it has gone away until then
	away       bool  // for good
	listens    bool  // it has gone away, but its connections are there
	backAt     int64 // when it was away last
	hostile    bool
	push       device

	habits   habits
	sessions []*csession
	salts    map[int64]int64    // in use, by transport key
	future   map[int64][]future // told of, by transport key
}

func newClient(c *cluster, i int) *client {
	cl := &client{
		c: c, name: fmt.Sprintf("client%d", i+1), ip: fmt.Sprintf("192.0.2.%d", i+1),
		user: 7001 + int64(i/2), layer: pick(c.scheduler, []int32{223, 214, 181}), pfs: c.chance(2), http: c.chance(4), deaf: c.chance(2),
		skew:  pick(c.scheduler, []time.Duration{0, 0, 5 * time.Second, -5 * time.Second, 25 * time.Second, 200 * time.Second, -400 * time.Second}),
		salts: map[int64]int64{}, future: map[int64][]future{},
	}
	if c.besieged && i == 0 {
		cl.hostile, cl.user, cl.http, cl.pfs, cl.skew = true, outsider, false, false, 0
	}
	cl.draw()
	c.after(c.between(0, time.Second), cl.live)
	return cl
}

// live is what a client does of itself, time and again.
func (cl *client) live() {
	if cl.away {
		return
	}
	pause := cl.c.between(20*time.Millisecond, 1200*time.Millisecond)
	switch {
	case cl.hostile:
		pause = cl.haste()
	case cl.c.besieged:
		pause *= 3
	case cl.c.healed:
		pause = time.Second
	}
	cl.c.after(pause, cl.live)
	if cl.c.now < cl.quietUntil {
		return
	}
	if !cl.ready() || !cl.readyExtra() {
		return
	}
	switch {
	case cl.hostile:
		cl.harm()
	case cl.c.besieged:
		cl.plainly()
	case cl.c.healed:
		cl.settle()
	default:
		cl.act()
	}
}

// rests reports whether the client has gone away, so that nothing comes to it and it
// says nothing.
func (cl *client) rests() bool { return cl.c.now < cl.quietUntil && !cl.listens }

// key is the transport key.
func (cl *client) key() int64 {
	if cl.pfs {
		return cl.temp
	}
	return cl.perm
}

// ready brings the client to where it can call the API: keys, a session, a
// binding. False: it is not there yet.
func (cl *client) ready() bool {
	switch {
	case cl.perm == 0:
		cl.makeKey(sess.PermKey, &cl.perm)
		return false
	case cl.pfs && cl.temp == 0:
		cl.makeKey(sess.TempKey, &cl.temp)
		return false
	}
	if len(cl.sessions) == 0 || cl.sessions[0].extra != nil || cl.sessions[0].mute {
		cl.open()
	}
	s := cl.sessions[0]
	if cl.pfs && !cl.bound {
		if !s.calling(bindKey) {
			s.bind()
			cl.meanwhile(s)
		} else {
			s.insist()
		}
		return false
	}
	return true
}

// meanwhile does not wait until the key is bound. What it calls then has to be repeated
// where the perm key is another node's.
func (cl *client) meanwhile(s *csession) {
	if cl.c.besieged {
		return
	}
	for range cl.c.rnd.IntN(8) {
		cl.c.after(cl.c.between(0, 200*time.Millisecond), func() {
			switch {
			case s.gone || cl.away || cl.temp != s.key:
			case cl.c.chance(2):
				s.ping(0)
			default:
				s.call(pick(cl.c.scheduler, []string{anyone, member}))
			}
		})
	}
}

// makeKey makes a key with a gateway, which stores it.
func (cl *client) makeKey(kind sess.KeyType, to *int64) {
	if cl.making {
		return
	}
	cl.making = true
	id := cl.c.newKey()
	info := &mtproto.AuthKeyInfo{PredicateName: "authKeyInfo", AuthKeyId: id, AuthKeyType: int32(kind)}
	if kind == sess.PermKey {
		info.PermAuthKeyId = id
	} else {
		info.TempAuthKeyId = id
	}
	cl.c.spawn(func() {
		defer func() { cl.making = false }()
		cl.c.sleep(cl.c.latency())
		n := cl.c.nodes[cl.c.ring.Owner(id)]
		if n == nil {
			return
		}
		ok, err := n.srv.SessionSetAuthKey(context.Background(), &session.TLSessionSetAuthKey{AuthKey: info})
		if err != nil || ok.GetPredicateName() != "boolTrue" || n.dead {
			return
		}
		cl.c.note(cl.name, "has a new key", id, int64(kind))
		if cl.c.chance(2) { // else it guesses, and is corrected
			cl.salts[id] = saltOf(id, cl.c.now/1e9/saltTime)
		}
		*to = id
	})
}

// open opens a session, as the first of the client's.
func (cl *client) open() *csession {
	s := newSession(cl)
	s.files = len(cl.sessions) > 0 && !cl.c.healed && cl.c.chance(4)
	cl.sessions = append([]*csession{s}, cl.sessions...)
	cl.c.note(cl.name, "opens a session", s.key, s.id)
	return s
}

// abandon gives a session up, and what was asked in it.
func (cl *client) abandon(s *csession) {
	s.gone = true
	cl.sessions = slices.DeleteFunc(cl.sessions, func(o *csession) bool { return o == s })
	if s.link != nil {
		s.link.close()
	}
}

// rotate gives up the temp key.
func (cl *client) rotate() {
	cl.c.note(cl.name, "gives up its temp key", cl.temp)
	for len(cl.sessions) > 0 {
		cl.abandon(cl.sessions[0])
	}
	cl.temp, cl.bound = 0, false
	for _, k := range cl.extra {
		k.id, k.bound = 0, false
	}
}

// loggedOut is told that it has no login. Some clients begin anew, and others log
// in again where they are.
func (cl *client) loggedOut() {
	if cl.c.storage.keys[cl.perm] == nil || cl.c.chance(2) {
		cl.begin()
		return
	}
	cl.c.note(cl.name, "stays to log in again", cl.perm)
	cl.loggedIn, cl.owes = false, false
}

// begin gives up all keys.
func (cl *client) begin() {
	cl.c.note(cl.name, "gives up its keys", cl.perm)
	cl.rotate()
	cl.perm, cl.loggedIn, cl.owes, cl.told = 0, false, false, false
}

// keyUnknown is a gateway's word that there is no such key.
func (cl *client) keyUnknown(key int64) {
	if key != cl.perm && key != cl.temp && cl.extraKey(key) == nil || key == 0 {
		return
	}
	a := cl.c.storage
	k := a.keys[key]
	cl.c.watch.check(k == nil || cl.c.watch.ended[k.perm], "keys", "%s: key %x is there, but gateways do not get it", cl.name, key)
	if a.keys[cl.perm] != nil && !cl.c.watch.ended[cl.perm] && key != cl.perm {
		cl.tempOver(key)
		return
	}
	cl.begin()
}

// tempOver takes word that a temp key has ended.
func (cl *client) tempOver(key int64) {
	switch extra := cl.extraKey(key); {
	case extra != nil:
		cl.lose(extra)
	case key == cl.temp:
		cl.rotate()
	}
}

// gateway is one to connect to.
func (cl *client) gateway() *gateway {
	g := pick(cl.c.scheduler, cl.c.gateways)
	if cl.hostile {
		g = cl.c.gateways[0] // with all that it has
	}
	if g.away {
		for _, g := range cl.c.gateways {
			if !g.away {
				return g
			}
		}
	}
	return g
}

const maxSessions = 4 // that a client opens of its own accord

// act does one of the things that clients do.
func (cl *client) act() {
	c := cl.c
	s := pick(c.scheduler, cl.sessions)
	if s.extra != nil && !s.extra.bound || s.mute {
		s = cl.sessions[0]
	}
	switch n := c.rnd.IntN(100); {
	case !cl.loggedIn && n < 30:
		cl.signIn()
	case n < 27:
		s.call(pick(c.scheduler, []string{anyone, anyone, member, state}))
	case n < 30:
		s.burst()
	case n < 36:
		s.callAfter(pick(c.scheduler, []string{anyone, member}))
	case n < 42:
		s.ping(0)
	case n < 45:
		s.ping(int32(10 + c.rnd.IntN(80)))
	case n < 53:
		s.repeat()
	case n < 58:
		s.askStates()
	case n < 61:
		s.askAgain()
	case n < 64:
		s.dropAnswer()
	case n < 66:
		s.futureSalts()
	case n < 72:
		s.reconnect(c.chance(2))
	case n < 75:
		if len(cl.sessions) < maxSessions {
			cl.open()
		}
	case n < 77:
		cl.destroySession(s)
	case n < 79 && cl.loggedIn:
		if c.chance(4) && !s.calling(logOut) {
			s.call(logOut)
		}
	case n < 80 && cl.pfs:
		if c.chance(3) {
			cl.rotate()
		}
	case n < 81:
		if c.chance(4) && !s.calling(destroyKey) {
			s.destroyKey()
		}
	case n < 83:
		cl.rest()
	case n < 85:
		s.nonsense()
	case n < 88:
		s.tellAll()
	case n < 90:
		s.tellOne()
	case n < 93:
		if cl.loggedIn && !s.media {
			cl.register(s)
		}
	default:
		s.flush()
	}
	for _, s := range cl.sessions {
		s.poll()
	}
}

// signIn logs in, in one step or two.
func (cl *client) signIn() {
	method := signIn
	if cl.owes {
		method = secret
	}
	if first := cl.sessions[0]; !first.calling(signIn) && !first.calling(secret) {
		first.call(method)
	}
}

// askState reads the state of updates, as clients do when they have logged in. It is
// where their updates begin.
func (cl *client) askState() {
	i := slices.IndexFunc(cl.sessions, func(s *csession) bool { return !s.files && !s.media && !s.mute && (s.extra == nil || s.extra.bound) })
	if cl.away || i < 0 || !cl.loggedIn || cl.statedAt != 0 || cl.c.now < cl.quietUntil || cl.sessions[i].calling(state) {
		return
	}
	cl.sessions[i].call(state)
}

// rest goes away for a while: as long as a session stays, or longer.
func (cl *client) rest() {
	d := cl.c.between(5*time.Second, 100*time.Second)
	if cl.c.chance(4) {
		d = cl.c.between(100*time.Second, 500*time.Second)
	}
	cl.c.note(cl.name, "rests", int64(d/time.Second))
	cl.quietUntil = cl.c.now + int64(d)
	for _, s := range cl.sessions {
		if s.link != nil && cl.c.chance(2) {
			if cl.c.chance(2) {
				s.link.close()
			} else {
				s.link.drop()
			}
		}
	}
}

// destroySession ends a session by another one's word.
func (cl *client) destroySession(s *csession) {
	for _, other := range cl.sessions {
		if other != s && other.key == s.key && !s.media {
			cl.c.note(s.name, "destroys a session", other.id)
			cl.abandon(other)
			s.destroySession(other.id)
			return
		}
	}
}

// settle is what a client does when all is well: it finishes what it began.
func (cl *client) settle() {
	if !cl.loggedIn {
		cl.signIn()
	}
	if !slices.ContainsFunc(cl.sessions, func(s *csession) bool { return !s.files && !s.media && !s.mute }) {
		cl.open()
	}
	cl.askState()
	for _, s := range slices.Clone(cl.sessions) {
		if !s.gone {
			s.settle()
		}
	}
}

// waits reports what the client still waits for; empty: nothing.
func (cl *client) waits() string {
	switch {
	case cl.perm == 0 || cl.pfs && !cl.bound || slices.ContainsFunc(cl.extra, func(k *tempKey) bool { return k.id != 0 && !k.bound }):
		return "has no key"
	case !cl.loggedIn:
		return "is not logged in"
	case cl.statedAt == 0:
		return "has not read the state of updates"
	}
	for _, s := range cl.sessions {
		if !s.settled {
			return fmt.Sprintf("has not settled session %x", s.id)
		}
		if len(s.calls) > 0 {
			call := s.calls[0]
			return fmt.Sprintf("has no answer to %s, message %x of session %x of key %x", call.method, call.m.ID, s.id, s.key)
		}
	}
	return ""
}

// leave goes for good, without a word or with one.
func (cl *client) leave() {
	cl.away = true
	for _, s := range cl.sessions {
		if s.link == nil {
			continue
		}
		if cl.c.chance(2) {
			s.link.close()
		} else {
			s.link.drop()
		}
	}
}
