package conformance

import (
	"errors"
	"time"

	"github.com/gotd/td/mt"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// defaultHold is how long a request waits that does not say.
const defaultHold = 25 * time.Second

// dialHTTP opens a connection for POSTs. A gateway may do without HTTP.
func (p *probe) dialHTTP() *wire.Conn {
	c, err := wire.Dial(p.ctx, p.target.HTTP, wire.HTTP, false, p.target.DC)
	p.must("a connection", err)
	p.conns = append(p.conns, c)
	h := p.handshake(c)
	var status wire.TransportError
	if err := h.Start(); err != nil && !errors.As(err, &status) {
		p.skip("the gateway speaks no HTTP")
	}
	return c
}

// overHTTP opens a session of a key, announced and acknowledged.
func (p *probe) overHTTP(k *wire.Key) *session {
	s := p.sessionOn(p.dialHTTP(), k)
	s.pong(s.post(ping(1), false))
	m, _ := s.created()
	s.poll(s.member(acknowledge(m.ID), false))
	s.kept = nil
	return s
}

func httpWait(maxDelay, waitAfter, maxWait int) []byte {
	return encode(&mt.HTTPWaitRequest{MaxDelay: maxDelay, WaitAfter: waitAfter, MaxWait: maxWait})
}

// poll sends messages with an http_wait that waits for nothing, and keeps what
// the reply holds.
func (s *session) poll(members ...wire.Member) { s.ask(httpWait(0, 0, 0), members...) }

// ask sends messages with an http_wait in one request and takes the replies.
func (s *session) ask(wait []byte, members ...wire.Member) (count int, took time.Duration) {
	s.pack(append(members, s.member(wait, false))...)
	return s.replies()
}

// replies keeps what comes until no reply is owed any more, and tells how many
// messages that was and how long it took.
func (s *session) replies() (count int, took time.Duration) {
	before, begin := len(s.kept), time.Now()
	for {
		m, err := s.Next(begin.Add(s.p.target.Patience + defaultHold + 5*time.Second))
		switch {
		case errors.Is(err, wire.ErrTimeout):
			return len(s.kept) - before, time.Since(begin)
		case err != nil:
			s.p.fail("a reply", "%v", err)
		}
		s.kept = append(s.kept, m)
	}
}

// polled polls until a message fits.
func (s *session) polled(want string, fits func(wire.Message) bool) wire.Message {
	deadline := time.Now().Add(s.p.target.Patience)
	for {
		if m, ok := s.within(0, fits); ok {
			return m
		}
		if time.Now().After(deadline) {
			s.p.fail(want, "%s", s.describeKept())
		}
		s.ask(httpWait(0, 0, 1000))
	}
}

var httpChecks = []check{
	{rules: "HTTP-1", title: "a key exchange and a call on one connection", run: func(p *probe) {
		c := p.dialHTTP()
		k, err := wire.Exchange(c, p.target.Key, p.target.DC, 0)
		p.must("a key exchange", err)
		s := p.sessionOn(c, k)
		id := s.call(initialised(nearestDC))
		s.polled("rpc_result", func(m wire.Message) bool { return m.Type() == mt.RPCResultTypeID && about(m, id) })
	}},
	{rules: "HTTP-2", title: "two sessions on one connection, in turns", run: func(p *probe) {
		a := p.overHTTP(p.perm())
		b := p.sessionOn(a.Conn, a.Key)
		for range 2 {
			for _, s := range []*session{a, b} { // SESS-3 is watched in passing
				s.pong(s.post(ping(1), false))
			}
		}
	}},
	{rules: "HTTP-3", title: "three pings in one request", run: func(p *probe) {
		s := p.overHTTP(p.perm())
		s.poll(s.member(ping(1), false), s.member(ping(2), false), s.member(ping(3), false))
		pongs := s.count(func(m wire.Message) bool { return m.Type() == mt.PongTypeID })
		p.check(pongs == 3, "three pongs in one reply", "%d", pongs)
	}},
	{rules: "HTTP-4", title: "http_wait over TCP and over HTTP", run: func(p *probe) {
		s := p.session()
		id := s.post(httpWait(0, 0, 100), false)
		s.fence()
		s.unanswered(id)
		s = p.overHTTP(p.perm())
		id = s.NextID()
		s.pack(wire.Member{ID: id, Seq: s.NextSeq(true), Body: httpWait(0, 0, 0)})
		s.poll()
		s.unanswered(id)
	}},
	{rules: "HTTP-5", title: "wait_after before max_delay, and the other way round", run: func(p *probe) {
		s := p.overHTTP(p.perm())
		for _, wait := range [][]byte{httpWait(5000, 600, 9000), httpWait(600, 5000, 9000)} {
			n, took := s.ask(wait, s.member(ping(1), false))
			p.check(n > 0 && took >= 500*time.Millisecond, "the pong after 600 ms", "%d messages after %s", n, took)
			p.check(took < 4*time.Second+p.target.Patience/2, "the pong after 600 ms", "it after %s", took)
		}
	}},
	{rules: "HTTP-6 HTTP-7", title: "max_wait without anything to say", run: func(p *probe) {
		s := p.overHTTP(p.perm())
		n, took := s.ask(httpWait(50, 50, 1200))
		p.check(n == 0, "an empty container", "%s", s.describeKept())
		p.check(took >= time.Second, "it after 1.2 s", "it after %s", took)
		n, took = s.ask(httpWait(9000, 9000, 1000), s.member(ping(1), false))
		p.check(n > 0 && took >= 800*time.Millisecond, "the pong after max_wait of 1 s", "%d messages after %s", n, took)
	}},
	// It may be shorter, where a call from gateway to session is; and a server that
	// has nothing to wait for may let the connection go at once.
	{rules: "HTTP-8", title: "a request without http_wait and nothing to say to it", slow: true, run: func(p *probe) {
		s := p.overHTTP(p.perm())
		s.post(acknowledge(wire.RandomLong()|1), false)
		n, took := s.replies()
		p.check(n == 0, "an empty container", "%s", s.describeKept())
		p.check(took <= defaultHold+p.target.Patience, "a reply within 25 s", "one after %s", took)
	}},
	{rules: "HTTP-9 TR-9", title: "a packet of an unknown key", run: func(p *probe) {
		k := *p.perm()
		s := p.sessionOn(p.dialHTTP(), &k)
		s.Key.ID[3] ^= 0x5a
		s.post(ping(1), false)
		s.shut(false, errNotFound)
	}},
	{rules: "HTTP-2 UPD-1", title: "an update in a long poll, and the session goes on over TCP", run: func(p *probe) {
		device, sender := p.user(), p.sessionOf(p.user())
		s := p.overHTTP(device)
		id := s.call(initialised(personal))
		s.polled("rpc_result", func(m wire.Message) bool { return m.Type() == mt.RPCResultTypeID && about(m, id) })
		sender.sendToSelf()
		m := s.polled("an Updates object", isUpdates)
		s.Conn = p.dial()
		s.post(acknowledge(m.ID), false)
		s.pong(s.post(ping(2), false))
	}},
}
