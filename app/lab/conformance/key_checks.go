package conformance

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math/big"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

const (
	errNotFound = wire.TransportError(-404)
	flood       = wire.TransportError(-429)
	errWrongDC  = wire.TransportError(-444)

	primeRounds = 10
)

var keyChecks = []check{
	{rules: "KEY-1 KEY-2", title: "req_pq_multi, twice", run: func(p *probe) {
		c := p.dial()
		a, b := p.handshake(c), p.handshake(c)
		id, body, err := a.AskRaw(encode(&mt.ReqPqMultiRequest{Nonce: a.Nonce}))
		p.must("resPQ", err)
		p.must("resPQ", a.ReadPQ(body))
		p.check(id&3 == 1, "an answer with id mod 4 = 1", "%d", id&3)
		p.must("resPQ", b.Start())
		p.check(a.ResPQ.ServerNonce != b.ResPQ.ServerNonce, "a fresh server_nonce", "the same twice")
	}},
	{rules: "KEY-1", title: "integers behind req_pq_multi", run: func(p *probe) {
		h := p.handshake(p.dial())
		_, body, err := h.AskRaw(append(encode(&mt.ReqPqMultiRequest{Nonce: h.Nonce}), make([]byte, 32)...))
		p.must("resPQ", err)
		p.must("resPQ", h.ReadPQ(body))
	}},
	{rules: "KEY-3", title: "req_pq", run: func(p *probe) {
		h := p.handshake(p.dial())
		body, err := h.Ask(&mt.ReqPqRequest{Nonce: h.Nonce})
		p.must("resPQ", err)
		p.must("resPQ", h.ReadPQ(body))
	}},
	{rules: "KEY-4 KEY-5", title: "what resPQ offers", run: func(p *probe) {
		h := p.handshake(p.dial())
		p.must("resPQ", h.Start())
		p.check(h.P.Cmp(h.Q) < 0 && h.P.Bit(0) == 1 && h.P.ProbablyPrime(primeRounds) && h.Q.ProbablyPrime(primeRounds),
			"two different odd primes", "%v and %v", h.P, h.Q)
		pq := new(big.Int).SetBytes(h.ResPQ.Pq)
		p.check(pq.BitLen() <= 63, "pq below 2^63", "%d bits", pq.BitLen())
		for _, f := range h.ResPQ.ServerPublicKeyFingerprints {
			if f == h.Fingerprint() {
				return
			}
		}
		p.fail("fingerprint of the given RSA key", "%x", h.ResPQ.ServerPublicKeyFingerprints)
	}},
	{rules: "KEY-6", title: "req_DH_params with another server_nonce", run: func(p *probe) {
		p.refusedDH(func(h *wire.Handshake) *mt.ReqDHParamsRequest {
			q := p.dhRequest(h, nil)
			q.ServerNonce[3] ^= 1
			return q
		})
	}},
	{rules: "KEY-7", title: "req_DH_params with wrong factors", run: func(p *probe) {
		p.refusedDH(func(h *wire.Handshake) *mt.ReqDHParamsRequest {
			q := p.dhRequest(h, nil)
			q.P, q.Q = q.Q, q.P
			return q
		})
	}},
	{rules: "KEY-7", title: "req_DH_params with an unknown fingerprint", run: func(p *probe) {
		p.refusedDH(func(h *wire.Handshake) *mt.ReqDHParamsRequest {
			q := p.dhRequest(h, nil)
			q.PublicKeyFingerprint++
			return q
		})
	}},
	{rules: "KEY-7", title: "req_DH_params with 252 bytes of data", run: func(p *probe) {
		p.refusedDH(func(h *wire.Handshake) *mt.ReqDHParamsRequest {
			q := p.dhRequest(h, nil)
			q.EncryptedData = q.EncryptedData[:252]
			return q
		})
	}},
	{rules: "KEY-8 KEY-13", title: "encrypted_data of noise, then the right query", run: func(p *probe) {
		h := p.handshake(p.dial())
		p.must("resPQ", h.Start())
		right := p.dhRequest(h, nil)
		wrong := *right
		wrong.EncryptedData = append([]byte{0}, make([]byte, 255)...)
		_, _ = rand.Read(wrong.EncryptedData[1:]) // never fails
		p.askRefused(h, &wrong)
		p.askRefused(h, right)
	}},
	{rules: "KEY-8", title: "p_q_inner_data with another nonce", run: func(p *probe) {
		p.refusedDH(func(h *wire.Handshake) *mt.ReqDHParamsRequest {
			return p.dhRequest(h, func(in *mt.PQInnerDataTempDC) { in.Nonce[0] ^= 1 })
		})
	}},
	{rules: "KEY-9", title: "p_q_inner_data in the padding of old clients", run: func(p *probe) {
		h := p.handshake(p.dial())
		p.must("resPQ", h.Start())
		q := p.dhRequest(h, nil)
		var err error
		q.EncryptedData, err = crypto.RSAEncryptHashed(encode(&mt.PQInnerData{
			Pq: h.ResPQ.Pq, P: q.P, Q: q.Q, Nonce: h.Nonce, ServerNonce: h.ResPQ.ServerNonce, NewNonce: h.NewNonce,
		}), h.RSA, rand.Reader)
		p.must("encrypted_data", err)
		answer, err := h.Ask(q)
		if errors.Is(err, errNotFound) {
			p.skip("it is optional, and not served")
		}
		p.must("server_DH_params_ok", err)
		p.must("server_DH_params_ok", h.ReadDH(answer))
	}},
	{rules: "KEY-10 KEY-14 KEY-15 KEY-16 KEY-19 KEY-20 KEY-21", title: "a permanent key", run: func(p *probe) {
		h := p.handshake(p.dial())
		k := p.exchange(h)
		off := time.Since(time.Unix(int64(h.Inner.ServerTime), 0)).Abs()
		p.check(off < 30*time.Second, "server_time within 30 s of ours", "%s off", off)
		p.must("a safe group", crypto.CheckDH(h.Inner.G, new(big.Int).SetBytes(h.Inner.DhPrime)))
		s := p.sessionOf(k)
		s.pong(s.post(ping(1), false)) // a pong, and no bad_server_salt
	}},
	{rules: "KEY-10", title: "a temporary key", run: func(p *probe) {
		s := p.sessionOf(p.unbound())
		s.pong(s.post(ping(1), false))
	}},
	{rules: "KEY-11", title: "a temporary key of the media data centre", run: func(p *probe) {
		s := p.sessionOf(p.newKeyOf(-p.target.DC, day))
		s.pong(s.post(ping(1), false))
	}},
	{rules: "KEY-11 TR-11", title: "a key of a foreign data centre", run: func(p *probe) {
		h := p.handshake(p.dial())
		h.DC = p.target.DC + 100
		p.must("resPQ", h.Start())
		_, err := h.Ask(p.dhRequest(h, nil))
		p.check(errors.Is(err, errWrongDC), "transport error -444", "%s", outcomeOf(err))
	}},
	{rules: "KEY-12 PFS-19", title: "a temporary key of two seconds", slow: true, run: func(p *probe) {
		k := p.newKey(2)
		p.wait(4 * time.Second)
		s := p.sessionOf(k)
		s.post(ping(1), false)
		s.shut(false, errNotFound)
	}},
	{rules: "KEY-17", title: "client_DH_inner_data with a wrong hash", run: func(p *probe) {
		h := p.handshake(p.dial())
		p.toDH(h)
		q, err := h.ClientDH(nil)
		p.must("a query", err)
		q.EncryptedData[0] ^= 1
		p.askRefused(h, q)
	}},
	{rules: "KEY-18", title: "g_b = 1 and g_b = p - 1", run: func(p *probe) {
		for _, number := range []func(prime *big.Int) *big.Int{
			func(*big.Int) *big.Int { return big.NewInt(1) },
			func(prime *big.Int) *big.Int { return new(big.Int).Sub(prime, big.NewInt(1)) },
		} {
			h := p.handshake(p.dial())
			p.toDH(h)
			q, err := h.ClientDH(number(new(big.Int).SetBytes(h.Inner.DhPrime)))
			p.must("a query", err)
			p.askRefused(h, q)
		}
	}},
	{rules: "KEY-22", title: "req_DH_params twice", run: func(p *probe) {
		h := p.handshake(p.dial())
		p.must("resPQ", h.Start())
		q := p.dhRequest(h, nil)
		first, err := h.Ask(q)
		p.must("server_DH_params_ok", err)
		again, err := h.Ask(q)
		p.must("the identical answer", err)
		p.check(bytes.Equal(first, again), "the identical answer", "another one")
	}},
	{rules: "KEY-23", title: "destroy_auth_key", run: func(p *probe) {
		s := p.sessionOf(p.newKey(0))
		s.result(s.call(initialised(nearestDC)))
		var b bin.Buffer
		b.PutID(destroyAuthKey)
		id := s.post(b.Buf, true)
		m := s.await("destroy_auth_key_ok", func(m wire.Message) bool {
			return m.Type() == destroyAuthKeyOK || m.Type() == mt.RPCResultTypeID && about(m, id)
		})
		body := m.Body
		if m.Type() == mt.RPCResultTypeID {
			body = body[12:]
		}
		got := wire.Message{Body: body}
		p.check(got.Type() == destroyAuthKeyOK, "destroy_auth_key_ok", "%s", describe(got))
		s = p.sessionOf(s.Key)
		s.dead(s.call(initialised(nearestDC)))
	}},
}

func (p *probe) handshake(c *wire.Conn) *wire.Handshake {
	return wire.NewHandshake(c, p.target.Key, p.target.DC, 0)
}

func (p *probe) dhRequest(h *wire.Handshake, spoil func(*mt.PQInnerDataTempDC)) *mt.ReqDHParamsRequest {
	q, err := h.DHRequest(spoil)
	p.must("a query", err)
	return q
}

// refusedDH starts a run whose second query has to be refused.
func (p *probe) refusedDH(query func(*wire.Handshake) *mt.ReqDHParamsRequest) {
	h := p.handshake(p.dial())
	p.must("resPQ", h.Start())
	p.askRefused(h, query(h))
}

// askRefused asks what must be answered -404 (KEY-13).
func (p *probe) askRefused(h *wire.Handshake, e bin.Encoder) {
	_, err := h.Ask(e)
	p.check(errors.Is(err, errNotFound), "transport error -404", "%s", outcomeOf(err))
}

func outcomeOf(err error) string {
	if err == nil {
		return "an answer"
	}
	return err.Error()
}

// toDH runs the first two steps of an exchange.
func (p *probe) toDH(h *wire.Handshake) {
	p.must("resPQ", h.Start())
	answer, err := h.Ask(p.dhRequest(h, nil))
	p.must("server_DH_params_ok", err)
	p.must("server_DH_params_ok", h.ReadDH(answer))
}

func (p *probe) exchange(h *wire.Handshake) *wire.Key {
	p.toDH(h)
	k, err := h.Complete()
	p.must("dh_gen_ok", err)
	return k
}
