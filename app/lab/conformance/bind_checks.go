package conformance

import (
	"errors"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// binding is a bind request in the making: a check may spoil any part.
type binding struct {
	perm    *wire.Key
	msg     wire.BindMessage
	request tg.AuthBindTempAuthKeyRequest
	spoil   func(*binding) // after the message was sealed
}

// bindAs makes the request of the message with an id, sent in s.
func (s *session) bindAs(id int64, perm *wire.Key, spoil func(*binding)) []byte {
	nonce, expires := wire.RandomLong(), int(s.Now().Unix())+3600
	b := &binding{
		perm: perm,
		msg: wire.BindMessage{MsgID: id, Inner: crypto.BindAuthKeyInner{
			Nonce: nonce, TempAuthKeyID: s.Key.IntID(), PermAuthKeyID: perm.IntID(), TempSessionID: s.ID, ExpiresAt: expires,
		}},
		request: tg.AuthBindTempAuthKeyRequest{PermAuthKeyID: perm.IntID(), Nonce: nonce, ExpiresAt: expires},
	}
	if spoil != nil {
		spoil(b)
	}
	sealed, err := b.msg.Seal(b.perm)
	s.p.must("a binding message", err)
	b.request.EncryptedMessage = sealed
	if b.spoil != nil {
		b.spoil(b)
	}
	return encode(&b.request)
}

// bind sends a bind request and returns its id.
func (s *session) bind(perm *wire.Key, spoil func(*binding)) int64 {
	id := s.NextID()
	s.send(wire.Plain{MsgID: id, Seq: s.NextSeq(true), Body: s.bindAs(id, perm, spoil)})
	return id
}

// isTrue awaits boolTrue.
func (s *session) isTrue(id int64) {
	if m := (wire.Message{Body: s.result(id)}); m.Type() != tg.BoolTrueTypeID {
		s.p.fail("boolTrue", "%s", describe(m))
	}
}

var bindChecks = []check{
	{rules: "PFS-1 ERR-3", title: "an unbound key calls what needs a user", run: func(p *probe) {
		s := p.sessionOf(p.unbound())
		s.refused(s.call(initialised(personal)), 401, "AUTH_KEY_PERM_EMPTY")
	}},
	{rules: "PFS-1", title: "an unbound key calls help.getConfig", run: func(p *probe) {
		s := p.sessionOf(p.unbound())
		s.result(s.call(initialised(config)))
		s.result(s.call(nearestDC))
		s.pong(s.post(ping(1), false))
	}},
	{rules: "PFS-2 PFS-4 PFS-5 PFS-15", title: "a binding, and the same again", run: func(p *probe) {
		s := p.sessionOf(p.newKey(day))
		s.isTrue(s.bind(p.perm(), nil))
		s.isTrue(s.bind(p.perm(), nil))
	}},
	{rules: "PFS-15 ERR-11", title: "a bound key to another permanent one", run: func(p *probe) {
		s := p.sessionOf(p.newKey(day))
		s.isTrue(s.bind(p.perm(), nil))
		s.refused(s.bind(p.newKey(0), nil), 400, "TEMP_AUTH_KEY_ALREADY_BOUND")
	}},
	{rules: "PFS-2 ERR-11", title: "a binding under a permanent key", run: func(p *probe) {
		s := p.sessionOf(p.newKey(0))
		s.refused(s.bind(p.perm(), nil), 400, "TEMP_AUTH_KEY_EMPTY")
	}},
	{rules: "PFS-10", title: "a binding in a container with a ping", run: func(p *probe) {
		s := p.sessionOf(p.newKey(day))
		id := s.NextID()
		m := wire.Member{ID: id, Seq: s.NextSeq(true), Body: s.bindAs(id, p.perm(), nil)}
		s.pack(m, s.member(ping(1), true))
		s.isTrue(id)
	}},
	{rules: "PFS-12", title: "a binding half a minute beyond the key's life", run: func(p *probe) {
		s := p.sessionOf(p.newKey(day))
		s.isTrue(s.bind(p.perm(), func(b *binding) { b.expires(int(s.Now().Unix()) + day + 30) }))
	}},
	{rules: "PFS-12", title: "a binding of five years for a key of a day", run: func(p *probe) {
		s := p.sessionOf(p.newKey(day))
		s.isTrue(s.bind(p.perm(), func(b *binding) { b.expires(int(s.Now().Unix()) + 5*365*day) }))
	}},
	{rules: "PFS-14", title: "a right binding after a refused one", run: func(p *probe) {
		s := p.sessionOf(p.newKey(day))
		s.refused(s.bind(p.perm(), func(b *binding) { b.msg.Inner.Nonce++ }), 400, "ENCRYPTED_MESSAGE_INVALID")
		s.isTrue(s.bind(p.perm(), nil))
	}},
	{rules: "PFS-16", title: "a normal and a media key of one permanent key", run: func(p *probe) {
		perm := p.newKey(0)
		normal, media := p.sessionOf(p.newKey(day)), p.sessionOf(p.newKeyOf(-p.target.DC, day))
		normal.isTrue(normal.bind(perm, nil))
		media.isTrue(media.bind(perm, nil))
		for _, s := range []*session{normal, media} {
			s.result(s.call(initialised(nearestDC)))
		}
	}},
	{rules: "PFS-20", title: "a binding of four seconds", slow: true, run: func(p *probe) {
		perm := p.perm()
		s := p.sessionOf(p.newKey(day))
		s.isTrue(s.bind(perm, func(b *binding) { b.expires(int(s.Now().Unix()) + 4) }))
		p.wait(6 * time.Second)
		s.reconnect()
		id := s.call(initialised(nearestDC))
		s.dead(id)
	}},
}

func (b *binding) expires(at int) { b.msg.Inner.ExpiresAt, b.request.ExpiresAt = at, at }

// dead awaits what a key that is no more gets: -404 (PFS-19), a 401 (ERR-1)
// or the connection's end.
func (s *session) dead(id int64) {
	deadline := time.Now().Add(s.p.target.Patience)
	for {
		m, err := s.Next(deadline)
		switch {
		case errors.Is(err, wire.ErrTimeout):
			s.p.fail("-404 or 401", "nothing")
		case err != nil:
			return // the server's end of it, in whatever form
		case about(m, id) && m.Type() == mt.RPCResultTypeID:
			if e, ok := asError(m.Body[12:]); !ok || e.ErrorCode != 401 {
				s.p.fail("-404 or 401", "%s", describe(m))
			}
			return
		}
	}
}

// wrongBinding is a check that one spoilt binding is refused.
func wrongBinding(rules, title, text string, spoil func(p *probe, b *binding)) check {
	return check{rules: rules + " ERR-11", title: title, run: func(p *probe) {
		perm := p.perm()
		s := p.sessionOf(p.unbound())
		s.refused(s.bind(perm, func(b *binding) { spoil(p, b) }), 400, text)
	}}
}

const invalid = "ENCRYPTED_MESSAGE_INVALID"

var refusedBindChecks = []check{
	wrongBinding("PFS-3 PFS-14", "a message of 88 bytes", invalid, func(_ *probe, b *binding) {
		b.spoil = func(b *binding) { b.request.EncryptedMessage = b.request.EncryptedMessage[:88] }
	}),
	wrongBinding("PFS-3 PFS-14", "a message of 120 bytes", invalid, func(_ *probe, b *binding) {
		b.spoil = func(b *binding) { b.request.EncryptedMessage = append(b.request.EncryptedMessage, make([]byte, 16)...) }
	}),
	wrongBinding("PFS-6 PFS-14", "a spoilt msg_key", invalid, func(_ *probe, b *binding) {
		b.spoil = func(b *binding) { b.request.EncryptedMessage[9] ^= 1 }
	}),
	wrongBinding("PFS-7 PFS-14", "another permanent key inside", invalid, func(p *probe, b *binding) {
		b.msg.Inner.PermAuthKeyID = p.newKey(0).IntID()
	}),
	wrongBinding("PFS-7 PFS-14", "another permanent key in front", invalid, func(_ *probe, b *binding) { b.msg.PermID = b.perm.IntID() + 1 }),
	wrongBinding("PFS-7 PFS-14", "sealed with another permanent key", invalid, func(p *probe, b *binding) {
		b.msg.PermID = b.perm.IntID()
		b.perm = p.newKey(0)
	}),
	wrongBinding("PFS-7 PFS-14", "a permanent key that there is not", invalid, func(_ *probe, b *binding) {
		id := wire.RandomLong()
		b.msg.PermID, b.msg.Inner.PermAuthKeyID, b.request.PermAuthKeyID = id, id, id
	}),
	wrongBinding("PFS-8 PFS-14", "another temp_auth_key_id", invalid, func(_ *probe, b *binding) { b.msg.Inner.TempAuthKeyID++ }),
	wrongBinding("PFS-9 PFS-14", "another temp_session_id", invalid, func(_ *probe, b *binding) { b.msg.Inner.TempSessionID++ }),
	wrongBinding("PFS-10 PFS-14", "another msg_id", invalid, func(_ *probe, b *binding) { b.msg.MsgID += 4 }),
	wrongBinding("PFS-11 PFS-14", "another nonce", invalid, func(_ *probe, b *binding) { b.msg.Inner.Nonce++ }),
	wrongBinding("PFS-11 PFS-14", "another expires_at", invalid, func(_ *probe, b *binding) { b.msg.Inner.ExpiresAt++ }),
	wrongBinding("PFS-12", "expires_at in the past", "EXPIRES_AT_INVALID", func(_ *probe, b *binding) { b.expires(int(time.Now().Unix()) - 600) }),
	wrongBinding("PFS-13 PFS-14", "seqno 1", invalid, func(_ *probe, b *binding) { b.msg.Seq = 1 }),
	wrongBinding("PFS-13 PFS-14", "length 36", invalid, func(_ *probe, b *binding) { b.msg.Length = 36 }),
}
