package conformance

import (
	"time"

	"github.com/gotd/td/mt"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// blocks is what a packet around a ping lacks of whole blocks: its header and
// body are 44 bytes.
const blocks = 4

// sendPing sends a ping in a packet that a check lays out, and returns its id.
func (s *session) sendPing(change func(*wire.Plain)) int64 {
	p := wire.Plain{MsgID: s.NextID(), Seq: s.NextSeq(false), Body: ping(1)}
	change(&p)
	s.send(p)
	return p.MsgID
}

// deaf sends a packet that is none and awaits that it is refused, and that
// the session lives on.
func deaf(rules, title string, change func(*wire.Plain)) check {
	return check{rules: rules, title: title, run: func(p *probe) {
		s := p.session()
		s.sendPing(change)
		s.shut(true, errNotFound)
		s.reconnect()
		s.pong(s.post(ping(1), false))
	}}
}

var packetChecks = []check{
	{rules: "ENC-4", title: "the most padding", run: func(p *probe) {
		s := p.session()
		s.pong(s.sendPing(func(p *wire.Plain) { p.Padding = 1024 - 16 + blocks }))
	}},
	{rules: "ENC-4", title: "the least padding", run: func(p *probe) {
		s := p.session()
		body := encode(&mt.MsgsStateReq{MsgIDs: []int64{4}}) // 20 bytes: with twelve more they fill blocks
		id := s.sendPing(func(p *wire.Plain) { p.Body, p.Padding = body, 12 })
		s.answerTo(id, "msgs_state_info", mt.MsgsStateInfoTypeID)
	}},
	deaf("ENC-4", "four bytes of padding", func(p *wire.Plain) { p.Padding = blocks }),
	deaf("ENC-4", "more padding than is allowed", func(p *wire.Plain) { p.Padding = 1024 + 16 + blocks }),
	deaf("ENC-6", "a length beyond the packet", func(p *wire.Plain) { p.Length = 4096 }),
	deaf("ENC-6", "a length of 9", func(p *wire.Plain) { p.Length = 9 }),
	deaf("ENC-6", "a negative length", func(p *wire.Plain) { p.Length = -4 }),
	{rules: "ENC-5", title: "a packet with a spoilt msg_key", run: func(p *probe) {
		s := p.session()
		packet, _, err := s.Key.Seal(wire.Plain{Salt: s.Salt, Session: s.ID, MsgID: s.NextID(), Body: ping(1)})
		p.must("a packet", err)
		packet[10] ^= 1
		p.must("an open connection", s.Conn.Write(packet, false))
		s.shut(true, errNotFound)
		s.reconnect()
		s.pong(s.post(ping(1), false))
	}},
	{rules: "ENC-7", title: "a packet of MTProto 1.0 behind those of 2.0", run: func(p *probe) {
		s := p.session()
		s.fence()
		id := s.NextID()
		packet, err := s.Key.SealV1(wire.Plain{Salt: s.Salt, Session: s.ID, MsgID: id, Seq: s.NextSeq(false), Body: ping(1)})
		p.must("a packet", err)
		p.must("an open connection", s.Conn.Write(packet, false))
		s.unserved(id)
		s.reconnect()
		s.pong(s.post(ping(1), false))
	}},
	{rules: "SESS-2", title: "a packet of session 0", run: func(p *probe) {
		s := p.session()
		s.ID = 0
		s.post(ping(1), false)
		s.shut(true, errNotFound)
	}},
}

// futureSalts asks for salts.
func (s *session) futureSalts(num int) (wire.Message, mt.FutureSalts) {
	id := s.post(encode(&mt.GetFutureSaltsRequest{Num: num}), false)
	m := s.answerTo(id, "future_salts", mt.FutureSaltsTypeID)
	var f mt.FutureSalts
	s.p.must("future_salts that decode", decode(m.Body, &f))
	s.p.check(len(f.Salts) > 0, "a salt at least", "none")
	return m, f
}

// inForce returns the salts that are good now, the one before included.
func inForce(f mt.FutureSalts) map[int64]bool {
	good := map[int64]bool{}
	for _, s := range f.Salts {
		if s.ValidSince <= f.Now && f.Now < s.ValidUntil {
			good[s.Salt] = true
		}
	}
	return good
}

var saltChecks = []check{
	{rules: "SALT-3 BAD-48", title: "a ping with a wrong salt, then with the one named", run: func(p *probe) {
		s := p.session()
		s.fence()
		id, seq := s.NextID(), s.NextSeq(false)
		s.send(wire.Plain{Salt: s.Salt + 1, MsgID: id, Seq: seq, Body: ping(1)})
		m := s.answerTo(id, "bad_server_salt", mt.BadServerSaltTypeID)
		var bad mt.BadServerSalt
		p.must("bad_server_salt", decode(m.Body, &bad))
		p.check(bad.ErrorCode == 48 && int32(bad.BadMsgSeqno) == seq, "code 48 and the message's seqno", "code %d and seqno %d", bad.ErrorCode, bad.BadMsgSeqno)
		s.unanswered(id)
		s.send(wire.Plain{Salt: bad.NewServerSalt, MsgID: id, Seq: seq, Body: ping(1)})
		s.pong(id)
	}},
	{rules: "BAD-4", title: "a wrong salt and a wrong time", run: func(p *probe) {
		s := p.session()
		id := s.IDAt(-time.Hour)
		s.send(wire.Plain{Salt: s.Salt + 1, MsgID: id, Body: ping(1)})
		s.answerTo(id, "bad_server_salt", mt.BadServerSaltTypeID)
	}},
	{rules: "SALT-4", title: "future salts of any number", run: func(p *probe) {
		s := p.session()
		for _, num := range []int{1, 3, 64, 0, -1, 1000} {
			_, f := s.futureSalts(num)
			most := min(max(num, 1), 64)
			p.check(len(f.Salts) >= 1 && len(f.Salts) <= most, "a few salts", "%d salts for num %d", len(f.Salts), num)
		}
	}},
	{rules: "SALT-1 SALT-5 SALT-6", title: "64 future salts", run: func(p *probe) {
		s := p.session()
		m, f := s.futureSalts(64)
		p.check(m.Seq&1 == 0, "an even seqno", "%d", m.Seq)
		p.check((time.Duration(int64(f.Now)-s.Now().Unix())*time.Second).Abs() < 30*time.Second, "the time of now", "%d", f.Now)
		p.check(len(inForce(f)) > 0, "the salt in force among them", "none")
		for i, salt := range f.Salts {
			p.check(salt.ValidUntil > salt.ValidSince, "a salt that lives", "one of %d s", salt.ValidUntil-salt.ValidSince)
			if i == 0 {
				continue
			}
			before := f.Salts[i-1]
			step := salt.ValidSince - before.ValidSince
			p.check(step == 1800, "a new salt each 1800 s", "one after %d s", step)
			p.check(salt.ValidSince <= before.ValidUntil, "no gaps", "one of %d s", salt.ValidSince-before.ValidUntil)
			p.check(salt.Salt != before.Salt, "another salt each time", "the same")
		}
	}},
	{rules: "SALT-2", title: "a salt in another session", run: func(p *probe) {
		a, b := p.session(), p.session()
		_, f := a.futureSalts(1)
		b.Salt = f.Salts[0].Salt
		b.pong(b.post(ping(1), false))
	}},
	{rules: "SALT-7", title: "the salt in the server's packets", run: func(p *probe) {
		s := p.session()
		m := s.pong(s.post(ping(1), false))
		s.Salt = m.Salt
		s.pong(s.post(ping(1), false))
		_, f := s.futureSalts(64)
		p.check(inForce(f)[m.Salt], "a salt in force", "another one")
	}},
	{rules: "SALT-8", title: "salts of two keys", run: func(p *probe) {
		a, b := p.session(), p.sessionOf(p.unbound())
		_, fa := a.futureSalts(64)
		_, fb := b.futureSalts(64)
		theirs := map[int64]bool{}
		for _, s := range fa.Salts {
			theirs[s.Salt] = true
		}
		for _, s := range fb.Salts {
			p.check(!theirs[s.Salt], "salts of its own", "those of another key")
		}
	}},
}
