package sim

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// A siege is another kind of run: the network and all peers are well, but gateways are
// slow, and one client means harm. What is asked then is more than that everything
// comes to its end: the others are served in time, though they repeat nothing.

const (
	// inTime is the longest that an answer or an update may take then.
	inTime = 15 * time.Second
	// outsider is the user of the client that means harm.
	outsider = 9001
)

func (c *cluster) siege() {
	c.setFaults(faultRates{busy: 20})
	c.thief, c.clocks.loose = nil, false
	until := c.now + int64(c.between(40*time.Second, 90*time.Second))
	repeat := func(lo, hi time.Duration, f func()) {
		var again func()
		again = func() {
			if c.now < until {
				f()
				c.after(c.between(lo, hi), again)
			}
		}
		c.after(5*time.Second, again)
	}
	repeat(500*time.Millisecond, 8*time.Second, func() {
		cl := pick(c.scheduler, c.clients)
		for range 1 + c.rnd.IntN(24) { // at once: more than a mailbox holds
			c.sync.push(cl.user, c.chance(2))
		}
	})
	repeat(5*time.Second, 40*time.Second, func() {
		g := pick(c.scheduler, c.gateways)
		c.note(g.id[:8], "is not reached")
		g.gone = c.now + int64(c.between(50*time.Millisecond, time.Second))
	})
	repeat(time.Second, time.Second, func() {
		for _, cl := range c.clients {
			c.watch.served(cl)
		}
	})
	c.runUntil(until, c.failed)
}

// plainly is what a client does in a siege: it speaks now and then, comes and goes, and
// trusts that what it has said was heard.
func (cl *client) plainly() {
	c := cl.c
	if first := cl.sessions[0]; first.content == 0 {
		for range maxCalls { // more than there is room for while salts are read
			first.call(anyone)
		}
		return
	}
	switch {
	case !cl.loggedIn:
		cl.signIn()
		return
	case cl.statedAt == 0:
		cl.askState()
	}
	i := slices.IndexFunc(cl.sessions, func(s *csession) bool { return s.extra == nil })
	if i < 0 {
		return
	}
	s := cl.sessions[i]
	switch n := c.rnd.IntN(20); {
	case n < 8:
		s.call(pick(c.scheduler, []string{anyone, member, state}))
	case n < 10:
		for range maxCalls {
			s.call(anyone)
		}
	case n < 12:
		s.ping(0)
	case n < 14:
		s.call(anyone)
		c.after(c.between(50*time.Millisecond, time.Second), func() {
			// A node takes what is said of connections within a second for the same one.
			if again := c.now-s.movedAt < int64(2*time.Second); !again && !s.gone && !cl.away && s.arrived() {
				s.reconnect(true)
				if cl.habits.startsOver && !cl.http {
					cl.sessions[0].call(anyone)
				}
				if c.chance(2) {
					cl.listen()
				}
			}
		})
	case n < 15 && !cl.http && s.arrived():
		cl.absent(s)
		return
	case n < 17:
		cl.listen()
	}
	s.poll()
}

// listen has a client say nothing for a while.
func (cl *client) listen() {
	cl.c.note(cl.name, "listens")
	cl.quietUntil, cl.listens = cl.c.now+int64(cl.c.between(10*time.Second, 40*time.Second)), true
}

// kept reports whether the server has something of a packet to send again: what corrects
// a message it says once, and its client would have to repeat that.
func kept(payload []byte) bool {
	return len(payload) > 0 && !bytes.Contains(payload, appendID(nil, wire.IDBadServerSalt)) && !bytes.Contains(payload, appendID(nil, wire.IDBadMsgNotification))
}

// arrived reports whether all that the session has called has come to its gateway: what
// has not is lost with its connection.
func (s *csession) arrived() bool {
	return !slices.ContainsFunc(s.calls, func(call *ccall) bool { return s.c.c.now-call.sentAt < int64(50*time.Millisecond) })
}

// absent has a client close its connection, and come back to it without a word but a
// ping.
func (cl *client) absent(s *csession) {
	d := cl.c.between(time.Second, 20*time.Second)
	cl.c.note(cl.name, "is absent", int64(d/time.Second))
	cl.quietUntil, cl.listens = cl.c.now+int64(d), false
	cl.backAt = cl.quietUntil
	for _, s := range cl.sessions {
		if s.link != nil {
			s.link.close()
		}
	}
	cl.c.after(d+time.Millisecond, func() {
		if !s.gone && !cl.away {
			s.ping(0)
			cl.listen()
			s.poll()
		}
	})
}

// Invariant: under siege a client that harms nobody has its answers in time, and hears in
// time of what happens.
func (w *watch) served(cl *client) {
	now := w.c.now
	l := w.c.storage.logins[cl.perm]
	if cl.hostile || l == nil || cl.statedAt == 0 || now < cl.quietUntil && !cl.listens {
		return
	}
	for _, s := range cl.sessions {
		if at := w.fullAt[s.id]; at != 0 && now-at < int64(3*inTime) {
			return // it would have to repeat what its node refused
		}
	}
	for _, s := range cl.sessions {
		for _, call := range s.calls {
			late := now - max(call.sentAt, cl.backAt) - int64(inTime)
			if w.fullAt[s.id] >= call.madeAt {
				continue
			}
			w.check(late < 0, "promptness", "%v has no answer to %s, message %x", s, call.method, call.m.ID)
		}
	}
	for _, id := range w.order {
		u := w.updates[id]
		late := now - max(u.at, cl.backAt, cl.statedAt) - int64(inTime)
		if id.key == cl.perm && !u.seen && u.at > max(l.since, cl.since, cl.statedAt) && late > 0 && w.toldAt[cl] < u.at {
			w.check(false, "promptness", "%s has not heard of update %d (made at %s)", cl.name, id.serial, clock(u.at))
		}
	}
}

// Invariant: under siege nobody is refused for what another one does.
func (w *watch) spared(s *csession, call *ccall, code int32, text string) {
	if w.c.besieged && !s.c.hostile && call.method != nonsense {
		w.check(code == 401 || code == 400, "promptness", "%v: %s is answered %s", s, call.method, fmt.Sprint(code, " ", text))
	}
}
