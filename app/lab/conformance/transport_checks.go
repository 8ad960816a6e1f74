package conformance

import (
	"crypto/rand"
	"errors"
	"time"

	"github.com/gotd/td/crypto"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// greeting is a check that a transport carries a session.
func greeting(rules string, t wire.Transport, obfuscated bool) check {
	title := t.String()
	if obfuscated {
		title += ", obfuscated"
	}
	return check{rules: rules + " TR-1", title: title, run: func(p *probe) {
		h := p.handshake(p.dialAs(t, obfuscated))
		p.must("resPQ", h.Start())
		s := p.sessionOn(p.dialAs(t, obfuscated), p.perm())
		s.pong(s.post(ping(1), false))
		s.pack(s.pings(100)...) // longer than abridged's short form
		s.fence()
	}}
}

// quickly is a check of a transport's quick acknowledgements.
func quickly(t wire.Transport) check {
	return check{rules: "TR-6 TR-7", title: "a quick acknowledgement, " + t.String(), run: func(p *probe) {
		s := p.sessionOn(p.dialAs(t, false), p.perm())
		id := s.NextID()
		want, err := s.Send(wire.Plain{MsgID: id, Seq: s.NextSeq(true), Body: ping(1)}, true)
		p.must("an open connection", err)
		deadline := time.Now().Add(p.target.Patience)
		for {
			f, err := s.Conn.Read(deadline)
			p.must("a quick acknowledgement", err)
			if f.Packet == nil {
				p.check(f.Token == want, "token "+hex(want), "%s", hex(f.Token))
				break
			}
			p.must("a packet that opens", s.Take(f.Packet))
		}
		s.pong(id)
	}}
}

var transportChecks = []check{
	greeting("TR-2", wire.Abridged, false),
	greeting("TR-3", wire.Intermediate, false),
	greeting("TR-3", wire.Padded, false),
	greeting("TR-4", wire.Full, false),
	greeting("TR-5", wire.Abridged, true),
	greeting("TR-5", wire.Intermediate, true),
	greeting("TR-5", wire.Padded, true),
	quickly(wire.Abridged),
	quickly(wire.Intermediate),
	quickly(wire.Padded),
	{rules: "TR-8 TR-9 TR-13 PFS-19", title: "a packet of an unknown key, then one of a known", run: func(p *probe) {
		good := p.session()
		var value crypto.Key
		_, _ = rand.Read(value[:]) // never fails
		s := p.sessionOn(good.Conn, &wire.Key{AuthKey: value.WithID()})
		s.post(ping(1), false)
		_, err := s.Next(time.Now().Add(p.target.Patience))
		p.check(errors.Is(err, errNotFound), "transport error -404", "%s", outcomeOf(err))
		good.pong(good.post(ping(1), false))
	}},
}
