package keyex_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/gateway/keyex"
)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, crypto.RSAKeyBits)
	if err != nil {
		panic(err)
	}
	return k
})

// noZeros never yields a zero byte: gotd's client hashes its nonces without
// their leading zeros, which no server can foresee.
type noZeros struct{}

func (noZeros) Read(p []byte) (int, error) {
	n, err := io.ReadFull(rand.Reader, p)
	for i := range p[:n] {
		if p[i] == 0 {
			p[i] = 1
		}
	}
	return n, err
}

// registry is a Register that can be told to fail.
type registry struct {
	keys []keyex.NewKey
	fail int // so many times
}

func (r *registry) register(_ context.Context, k keyex.NewKey) error {
	if r.fail > 0 {
		r.fail--
		return errors.New("taken")
	}
	r.keys = append(r.keys, k)
	return nil
}

func newServer(t *testing.T, reg *registry, test bool) *keyex.Server {
	t.Helper()
	s, err := keyex.NewServer(keyex.Config{Key: rsaKey(), DC: 2, Test: test, Register: reg.register, PrimeBits: 20})
	require.NoError(t, err)
	return s
}

// peer is a client that does each step by hand and can be told to lie.
type peer struct {
	t   *testing.T
	x   *keyex.Exchange
	dc  int
	exp int // expires_in; 0 asks for a permanent key

	nonce    bin.Int128
	newNonce bin.Int256
	res      mt.ResPQ
	inner    mt.ServerDHInnerData
	key, iv  []byte
}

func newPeer(t *testing.T, s *keyex.Server) *peer {
	p := &peer{t: t, x: s.NewExchange(), dc: 2}
	_, _ = noZeros{}.Read(p.nonce[:])
	_, _ = noZeros{}.Read(p.newNonce[:])
	return p
}

func (p *peer) ask(e bin.Encoder) ([]byte, error) {
	var b bin.Buffer
	require.NoError(p.t, e.Encode(&b))
	return p.x.Handle(context.Background(), b.Raw())
}

func (p *peer) reqPQ() {
	out, err := p.ask(&mt.ReqPqMultiRequest{Nonce: p.nonce})
	require.NoError(p.t, err)
	require.NoError(p.t, p.res.Decode(&bin.Buffer{Buf: out}))
	require.Equal(p.t, p.nonce, p.res.Nonce)
}

func (p *peer) factors() (a, b []byte) {
	x, y, err := crypto.DecomposePQ(new(big.Int).SetBytes(p.res.Pq), rand.Reader)
	require.NoError(p.t, err)
	return x.Bytes(), y.Bytes()
}

// innerData returns p_q_inner_data of the kind the peer wants.
func (p *peer) innerData() *mt.PQInnerDataTempDC {
	a, b := p.factors()
	return &mt.PQInnerDataTempDC{Pq: p.res.Pq, P: a, Q: b, Nonce: p.nonce, ServerNonce: p.res.ServerNonce, NewNonce: p.newNonce, DC: p.dc, ExpiresIn: p.exp}
}

func (p *peer) dhRequest(in *mt.PQInnerDataTempDC) *mt.ReqDHParamsRequest {
	var b bin.Buffer
	if p.exp == 0 {
		perm := &mt.PQInnerDataDC{Pq: in.Pq, P: in.P, Q: in.Q, Nonce: in.Nonce, ServerNonce: in.ServerNonce, NewNonce: in.NewNonce, DC: in.DC}
		require.NoError(p.t, perm.Encode(&b))
	} else {
		require.NoError(p.t, in.Encode(&b))
	}
	data, err := crypto.RSAPad(b.Raw(), &rsaKey().PublicKey, rand.Reader)
	require.NoError(p.t, err)
	return &mt.ReqDHParamsRequest{
		Nonce: p.nonce, ServerNonce: p.res.ServerNonce, P: in.P, Q: in.Q,
		PublicKeyFingerprint: p.res.ServerPublicKeyFingerprints[0], EncryptedData: data,
	}
}

func (p *peer) readDH(out []byte) {
	var ok mt.ServerDHParamsOk
	require.NoError(p.t, ok.Decode(&bin.Buffer{Buf: out}))
	p.key, p.iv = crypto.TempAESKeys(p.newNonce.BigInt(), p.res.ServerNonce.BigInt())
	data, err := crypto.DecryptExchangeAnswer(ok.EncryptedAnswer, p.key, p.iv)
	require.NoError(p.t, err)
	require.NoError(p.t, p.inner.Decode(&bin.Buffer{Buf: data}))
	require.NoError(p.t, crypto.CheckGP(p.inner.G, new(big.Int).SetBytes(p.inner.DhPrime)))
	require.WithinDuration(p.t, time.Now(), time.Unix(int64(p.inner.ServerTime), 0), time.Minute)
}

// clientDH returns the last query and the key it leads to.
func (p *peer) clientDH(b *big.Int, retryID int64) (*mt.SetClientDHParamsRequest, crypto.Key) {
	prime := new(big.Int).SetBytes(p.inner.DhPrime)
	gb := new(big.Int).Exp(big.NewInt(int64(p.inner.G)), b, prime)
	var key crypto.Key
	new(big.Int).Exp(new(big.Int).SetBytes(p.inner.GA), b, prime).FillBytes(key[:])
	return p.clientDHOf(gb.Bytes(), retryID), key
}

func (p *peer) clientDHOf(gb []byte, retryID int64) *mt.SetClientDHParamsRequest {
	var buf bin.Buffer
	in := &mt.ClientDHInnerData{Nonce: p.nonce, ServerNonce: p.res.ServerNonce, RetryID: retryID, GB: gb}
	require.NoError(p.t, in.Encode(&buf))
	data, err := crypto.EncryptExchangeAnswer(rand.Reader, buf.Raw(), p.key, p.iv)
	require.NoError(p.t, err)
	return &mt.SetClientDHParamsRequest{Nonce: p.nonce, ServerNonce: p.res.ServerNonce, EncryptedData: data}
}

func randomExponent() *big.Int {
	var b [256]byte
	_, _ = rand.Read(b[:])
	return new(big.Int).SetBytes(b[:])
}

// toDH runs the first two steps.
func (p *peer) toDH() {
	p.reqPQ()
	out, err := p.ask(p.dhRequest(p.innerData()))
	require.NoError(p.t, err)
	p.readDH(out)
}
