package keyex

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/big"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"

	"github.com/tgsession/tgsession/app/internal/dhgroup"
)

const (
	// maxRuns is how many exchanges one connection may have under way; a
	// further one replaces the oldest.
	maxRuns = 4
	// maxTries is how often one run may end in dh_gen_retry.
	maxTries = 5
)

// Exchange is the runs of one connection. It is not safe for concurrent use.
type Exchange struct {
	srv  *Server
	runs []*run
}

// run is one exchange, named by its two nonces (KEY-6).
type run struct {
	nonce       bin.Int128
	serverNonce bin.Int128
	next        uint32 // constructor the client must send now

	p, q []byte // big endian

	keyType   KeyType
	expiresIn int
	newNonce  bin.Int256
	a         *big.Int
	retryID   int64 // expected from the client
	tries     int

	// The answer to the latest query, for a client that repeats it (KEY-22).
	last   [sha256.Size]byte
	answer []byte
}

// done is the run.next of a finished exchange.
const done = 0

// Handle answers the body of one plain message. An *Error names the transport
// error to send in place of an answer; its run is dead then.
func (x *Exchange) Handle(ctx context.Context, body []byte) ([]byte, error) {
	b := &bin.Buffer{Buf: body}
	id, err := b.PeekID()
	if err != nil {
		return nil, refuse("no constructor", err)
	}
	// Random integers may follow a query (KEY-1): nothing here asks for the
	// end of the body.
	switch id {
	case mt.ReqPqMultiRequestTypeID:
		var q mt.ReqPqMultiRequest
		if err := q.Decode(b); err != nil {
			return nil, refuse("req_pq_multi", err)
		}
		return x.reqPQ(body, q.Nonce)
	case mt.ReqPqRequestTypeID:
		var q mt.ReqPqRequest
		if err := q.Decode(b); err != nil {
			return nil, refuse("req_pq", err)
		}
		return x.reqPQ(body, q.Nonce)
	case mt.ReqDHParamsRequestTypeID:
		var q mt.ReqDHParamsRequest
		if err := q.Decode(b); err != nil {
			return nil, refuse("req_DH_params", err)
		}
		return x.step(body, id, q.Nonce, q.ServerNonce, func(r *run) ([]byte, error) {
			return x.srv.dhParams(r, &q)
		})
	case mt.SetClientDHParamsRequestTypeID:
		var q mt.SetClientDHParamsRequest
		if err := q.Decode(b); err != nil {
			return nil, refuse("set_client_DH_params", err)
		}
		return x.step(body, id, q.Nonce, q.ServerNonce, func(r *run) ([]byte, error) {
			return x.srv.clientDH(ctx, r, &q)
		})
	default:
		return nil, refuse("not a handshake query", nil)
	}
}

// step finds the query's run, repeats its answer when the query is a repeated
// one, and buries the run when the query is wrong.
func (x *Exchange) step(body []byte, id uint32, nonce, serverNonce bin.Int128, f func(*run) ([]byte, error)) ([]byte, error) {
	for i, r := range x.runs {
		if r.nonce != nonce || r.serverNonce != serverNonce {
			continue
		}
		sum := sha256.Sum256(body)
		if r.last == sum {
			return r.answer, nil
		}
		answer, err := func() ([]byte, error) {
			if r.next != id {
				return nil, refuse("query out of order", nil)
			}
			return f(r)
		}()
		if err != nil {
			x.runs = append(x.runs[:i], x.runs[i+1:]...)
			return nil, err
		}
		r.last, r.answer = sum, answer
		return answer, nil
	}
	return nil, refuse("no such exchange", nil)
}

// reqPQ opens a run (KEY-2, KEY-3).
func (x *Exchange) reqPQ(body []byte, nonce bin.Int128) ([]byte, error) {
	sum := sha256.Sum256(body)
	for _, r := range x.runs {
		if r.last == sum && r.next == mt.ReqDHParamsRequestTypeID {
			return r.answer, nil
		}
	}
	r := &run{nonce: nonce, next: mt.ReqDHParamsRequestTypeID, last: sum}
	// Clients exist that hash a server_nonce without its leading zeros.
	for r.serverNonce[0] == 0 {
		if _, err := io.ReadFull(x.srv.cfg.Rand, r.serverNonce[:]); err != nil {
			return nil, refuse("random", err)
		}
	}
	p, q, err := primes(x.srv.cfg.Rand, x.srv.cfg.PrimeBits)
	if err != nil {
		return nil, refuse("primes", err)
	}
	r.p, r.q = p.Bytes(), q.Bytes()
	r.answer, err = encode(&mt.ResPQ{
		Nonce:                       nonce,
		ServerNonce:                 r.serverNonce,
		Pq:                          new(big.Int).Mul(p, q).Bytes(),
		ServerPublicKeyFingerprints: []int64{x.srv.fingerprint},
	})
	if err != nil {
		return nil, err
	}
	if len(x.runs) == maxRuns {
		x.runs = append(x.runs[:0], x.runs[1:]...)
	}
	x.runs = append(x.runs, r)
	return r.answer, nil
}

// dhParams checks the proof of work, learns what key the client wants and
// offers g^a (KEY-7, KEY-8, KEY-9, KEY-10, KEY-11, KEY-14, KEY-15).
func (s *Server) dhParams(r *run, q *mt.ReqDHParamsRequest) ([]byte, error) {
	if !bytes.Equal(q.P, r.p) || !bytes.Equal(q.Q, r.q) {
		return nil, refuse("wrong factors", nil)
	}
	if q.PublicKeyFingerprint != s.fingerprint {
		return nil, refuse("unknown RSA key", nil)
	}
	if len(q.EncryptedData) != crypto.RSAKeyBits/8 {
		return nil, refuse("encrypted_data is not 256 bytes", nil)
	}
	data, err := s.decrypt(q.EncryptedData)
	if err != nil {
		return nil, refuse("encrypted_data", err)
	}
	inner, err := readInner(data)
	if err != nil {
		return nil, refuse("p_q_inner_data", err)
	}
	pq := new(big.Int).Mul(new(big.Int).SetBytes(r.p), new(big.Int).SetBytes(r.q))
	if !bytes.Equal(inner.P, r.p) || !bytes.Equal(inner.Q, r.q) || !bytes.Equal(inner.Pq, pq.Bytes()) ||
		inner.Nonce != r.nonce || inner.ServerNonce != r.serverNonce {
		return nil, refuse("p_q_inner_data differs from the query", nil)
	}
	if inner.anyDC {
		inner.DC = s.dc()
	}
	switch {
	case inner.DC != s.dc() && inner.DC != -s.dc(): // a negative id is a media data centre's (KEY-11)
		return nil, &Error{Code: CodeWrongDC, Reason: "foreign data centre"}
	case inner.temporary && inner.ExpiresIn <= 0:
		return nil, refuse("expires_in", nil)
	case inner.temporary && inner.DC < 0:
		r.keyType = MediaTemp
	case inner.temporary:
		r.keyType = Temp
	}
	r.newNonce, r.expiresIn = inner.NewNonce, inner.ExpiresIn

	a, ga, err := secret(s.cfg.Rand)
	if err != nil {
		return nil, refuse("random", err)
	}
	r.a = a
	answer, err := encode(&mt.ServerDHInnerData{
		Nonce:       r.nonce,
		ServerNonce: r.serverNonce,
		G:           dhgroup.Generator,
		DhPrime:     dhgroup.Prime.Bytes(),
		GA:          ga.Bytes(),
		ServerTime:  int(s.cfg.Now().Unix()),
	})
	if err != nil {
		return nil, err
	}
	key, iv := tempKey(&r.newNonce, &r.serverNonce)
	encrypted, err := crypto.EncryptExchangeAnswer(s.cfg.Rand, answer, key[:], iv[:])
	if err != nil {
		return nil, refuse("encrypt answer", err)
	}
	r.next = mt.SetClientDHParamsRequestTypeID
	return encode(&mt.ServerDHParamsOk{Nonce: r.nonce, ServerNonce: r.serverNonce, EncryptedAnswer: encrypted})
}

func encode(e bin.Encoder) ([]byte, error) {
	var b bin.Buffer
	if err := e.Encode(&b); err != nil {
		return nil, refuse("encode", err)
	}
	return b.Raw(), nil
}
