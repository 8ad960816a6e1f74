package wire

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
)

// StepTimeout is how long one answer of a key exchange may take.
const StepTimeout = 30 * time.Second

// maxRetries is how often dh_gen_retry is obeyed.
const maxRetries = 4

// ignoredSkew: server_time counts whole seconds.
const ignoredSkew = 3 * time.Second

// Handshake is one key exchange (core.telegram.org/mtproto/auth_key), step by
// step: each query can be spoiled before it is asked.
type Handshake struct {
	Conn *Conn
	RSA  *rsa.PublicKey
	DC   int
	// ExpiresIn makes the key a temporary one, seconds. Zero: permanent.
	ExpiresIn int

	Nonce    bin.Int128
	NewNonce bin.Int256
	ResPQ    mt.ResPQ
	P, Q     *big.Int
	Inner    mt.ServerDHInnerData
	Asked    time.Time // when the parameters were asked for
	value    crypto.Key
	retryID  int64 // of the key that the server did not want; 0: none
}

// NewHandshake draws the nonces.
func NewHandshake(c *Conn, key *rsa.PublicKey, dc, expiresIn int) *Handshake {
	h := &Handshake{Conn: c, RSA: key, DC: dc, ExpiresIn: expiresIn}
	_, _ = rand.Read(h.Nonce[:]) // never fails
	_, _ = rand.Read(h.NewNonce[:])
	return h
}

// Exchange makes a key in one go.
func Exchange(c *Conn, key *rsa.PublicKey, dc, expiresIn int) (*Key, error) {
	h := NewHandshake(c, key, dc, expiresIn)
	if err := h.Start(); err != nil {
		return nil, fmt.Errorf("req_pq_multi: %w", err)
	}
	q, err := h.DHRequest(nil)
	if err != nil {
		return nil, err
	}
	answer, err := h.Ask(q)
	if err != nil {
		return nil, fmt.Errorf("req_DH_params: %w", err)
	}
	if err := h.ReadDH(answer); err != nil {
		return nil, err
	}
	return h.Complete()
}

// Complete takes the last step, again where the server asks for another key
// (KEY-20): it may have that one already, or failed to store it.
func (h *Handshake) Complete() (*Key, error) {
	for tries := 0; ; tries++ {
		q, err := h.ClientDH(nil)
		if err != nil {
			return nil, err
		}
		answer, err := h.Ask(q)
		if err != nil {
			return nil, fmt.Errorf("set_client_DH_params: %w", err)
		}
		var again mt.DhGenRetry
		if tries == maxRetries || again.Decode(&bin.Buffer{Buf: answer}) != nil {
			return h.Finish(answer)
		}
		if again.NewNonceHash2 != h.nonceHash(2) {
			return nil, errors.New("wrong new_nonce_hash2 (KEY-20)")
		}
		aux := h.value.AuxHash()
		h.retryID = int64(binary.LittleEndian.Uint64(aux[:]))
	}
}

// nonceHash is new_nonce_hash1 to 3 (KEY-20).
func (h *Handshake) nonceHash(n byte) (out bin.Int128) {
	aux := h.value.AuxHash()
	sum := sha1.Sum(append(append(h.NewNonce[:], n), aux[:]...))
	copy(out[:], sum[4:])
	return out
}

// Ask sends a plain message and returns the body of the answer.
func (h *Handshake) Ask(e bin.Encoder) ([]byte, error) {
	var b bin.Buffer
	if err := e.Encode(&b); err != nil {
		return nil, err
	}
	_, body, err := h.AskRaw(b.Buf)
	return body, err
}

// AskRaw does the same with bytes, and returns the answer's msg_id too.
func (h *Handshake) AskRaw(body []byte) (int64, []byte, error) {
	le := binary.LittleEndian
	packet := make([]byte, 8, 20+len(body))
	packet = le.AppendUint64(packet, uint64(idAt(time.Now())))
	packet = le.AppendUint32(packet, uint32(len(body)))
	if err := h.Conn.Write(append(packet, body...), false); err != nil {
		return 0, nil, err
	}
	f, err := h.Conn.Read(time.Now().Add(StepTimeout))
	if err != nil {
		return 0, nil, err
	}
	if len(f.Packet) < 24 || le.Uint64(f.Packet) != 0 {
		return 0, nil, errors.New("the answer is no plain message (KEY-1)")
	}
	n := uint64(le.Uint32(f.Packet[16:]))
	if n > uint64(len(f.Packet)-20) {
		return 0, nil, errors.New("the answer is shorter than it says (KEY-1)")
	}
	return int64(le.Uint64(f.Packet[8:])), f.Packet[20 : 20+n], nil
}

// Start asks for pq and factors it.
func (h *Handshake) Start() error {
	answer, err := h.Ask(&mt.ReqPqMultiRequest{Nonce: h.Nonce})
	if err != nil {
		return err
	}
	return h.ReadPQ(answer)
}

// ReadPQ takes resPQ and factors its pq.
func (h *Handshake) ReadPQ(answer []byte) error {
	if err := h.ResPQ.Decode(&bin.Buffer{Buf: answer}); err != nil {
		return fmt.Errorf("not resPQ: %w", err)
	}
	if h.ResPQ.Nonce != h.Nonce {
		return errors.New("resPQ with another nonce (KEY-2)")
	}
	pq := new(big.Int).SetBytes(h.ResPQ.Pq)
	if pq.BitLen() > 63 || pq.Cmp(big.NewInt(4)) < 0 || pq.ProbablyPrime(20) {
		return fmt.Errorf("pq %x is no product of two primes below 2^63 (KEY-4)", h.ResPQ.Pq)
	}
	p, q, err := factor(pq.Uint64())
	h.P, h.Q = new(big.Int).SetUint64(p), new(big.Int).SetUint64(q)
	return err
}

// Fingerprint names the RSA key (KEY-5).
func (h *Handshake) Fingerprint() int64 { return crypto.RSAFingerprint(h.RSA) }

// DHRequest makes req_DH_params; spoil may change what gets encrypted.
func (h *Handshake) DHRequest(spoil func(*mt.PQInnerDataTempDC)) (*mt.ReqDHParamsRequest, error) {
	in := mt.PQInnerDataTempDC{
		Pq: h.ResPQ.Pq, P: h.P.Bytes(), Q: h.Q.Bytes(), Nonce: h.Nonce, ServerNonce: h.ResPQ.ServerNonce,
		NewNonce: h.NewNonce, DC: h.DC, ExpiresIn: h.ExpiresIn,
	}
	if spoil != nil {
		spoil(&in)
	}
	var e bin.Encoder = &in
	if h.ExpiresIn == 0 {
		e = &mt.PQInnerDataDC{Pq: in.Pq, P: in.P, Q: in.Q, Nonce: in.Nonce, ServerNonce: in.ServerNonce, NewNonce: in.NewNonce, DC: in.DC}
	}
	var b bin.Buffer
	if err := e.Encode(&b); err != nil {
		return nil, err
	}
	data, err := crypto.RSAPad(b.Buf, h.RSA, rand.Reader)
	if err != nil {
		return nil, err
	}
	h.Asked = time.Now()
	return &mt.ReqDHParamsRequest{
		Nonce: h.Nonce, ServerNonce: h.ResPQ.ServerNonce, P: h.P.Bytes(), Q: h.Q.Bytes(),
		PublicKeyFingerprint: h.Fingerprint(), EncryptedData: data,
	}, nil
}

// ReadDH opens server_DH_params_ok and checks its nonces.
func (h *Handshake) ReadDH(answer []byte) error {
	var ok mt.ServerDHParamsOk
	if err := ok.Decode(&bin.Buffer{Buf: answer}); err != nil {
		return fmt.Errorf("not server_DH_params_ok: %w", err)
	}
	if n := len(ok.EncryptedAnswer); n == 0 || n%16 != 0 {
		return fmt.Errorf("encrypted_answer of %d bytes (KEY-14)", n)
	}
	key, iv := h.tempKey()
	data, err := crypto.DecryptExchangeAnswer(ok.EncryptedAnswer, key, iv)
	if err != nil || data == nil {
		return errors.New("encrypted_answer does not open (KEY-14)")
	}
	if err := h.Inner.Decode(&bin.Buffer{Buf: data}); err != nil {
		return fmt.Errorf("not server_DH_inner_data: %w", err)
	}
	if ok.Nonce != h.Nonce || h.Inner.Nonce != h.Nonce || ok.ServerNonce != h.ResPQ.ServerNonce || h.Inner.ServerNonce != h.ResPQ.ServerNonce {
		return errors.New("server_DH_params_ok with other nonces (KEY-6)")
	}
	if len(h.Inner.DhPrime) != len(h.value) || h.Inner.DhPrime[0]&0x80 == 0 {
		return fmt.Errorf("dh_prime of %d bytes, or below 2^2047 (KEY-16)", len(h.Inner.DhPrime))
	}
	return nil
}

// tempKey is the key of the exchange's two encrypted messages (KEY-14).
func (h *Handshake) tempKey() (key, iv []byte) {
	sum := func(a, b []byte) []byte {
		s := sha1.New()
		s.Write(a)
		s.Write(b)
		return s.Sum(nil)
	}
	nn, sn := h.NewNonce[:], h.ResPQ.ServerNonce[:]
	key = append(sum(nn, sn), sum(sn, nn)[:12]...)
	iv = append(append(sum(sn, nn)[12:20], sum(nn, nn)...), nn[:4]...)
	return key, iv
}

// ClientDH makes set_client_DH_params; gb replaces the public number.
func (h *Handshake) ClientDH(gb *big.Int) (*mt.SetClientDHParamsRequest, error) {
	var secret [256]byte
	_, _ = rand.Read(secret[:]) // never fails
	b, prime := new(big.Int).SetBytes(secret[:]), new(big.Int).SetBytes(h.Inner.DhPrime)
	if gb == nil {
		gb = new(big.Int).Exp(big.NewInt(int64(h.Inner.G)), b, prime)
	}
	new(big.Int).Exp(new(big.Int).SetBytes(h.Inner.GA), b, prime).FillBytes(h.value[:])
	var buf bin.Buffer
	in := &mt.ClientDHInnerData{Nonce: h.Nonce, ServerNonce: h.ResPQ.ServerNonce, RetryID: h.retryID, GB: gb.Bytes()}
	if err := in.Encode(&buf); err != nil {
		return nil, err
	}
	key, iv := h.tempKey()
	data, err := crypto.EncryptExchangeAnswer(rand.Reader, buf.Buf, key, iv)
	return &mt.SetClientDHParamsRequest{Nonce: h.Nonce, ServerNonce: h.ResPQ.ServerNonce, EncryptedData: data}, err
}

// Finish checks dh_gen_ok and returns the key.
func (h *Handshake) Finish(answer []byte) (*Key, error) {
	var ok mt.DhGenOk
	if err := ok.Decode(&bin.Buffer{Buf: answer}); err != nil {
		return nil, fmt.Errorf("not dh_gen_ok: %w", err)
	}
	if ok.NewNonceHash1 != h.nonceHash(1) {
		return nil, errors.New("wrong new_nonce_hash1 (KEY-20)")
	}
	skew := time.Unix(int64(h.Inner.ServerTime), 0).Sub(h.Asked.Truncate(time.Second))
	if skew.Abs() < ignoredSkew {
		skew = 0
	}
	return &Key{AuthKey: h.value.WithID(), Salt: crypto.ServerSalt(h.NewNonce, h.ResPQ.ServerNonce), Skew: skew}, nil
}

// Connect dials and exchanges a key over the intermediate transport.
func Connect(ctx context.Context, addr string, key *rsa.PublicKey, dc, expiresIn int) (*Key, error) {
	c, err := Dial(ctx, addr, Intermediate, false, dc)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return Exchange(c, key, dc, expiresIn)
}
