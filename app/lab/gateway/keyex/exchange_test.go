package keyex_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/exchange"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/gateway/keyex"
)

// pipe is a transport.Conn of gotd's client that ends in an Exchange.
type pipe struct {
	x       *keyex.Exchange
	answers [][]byte
}

func (p *pipe) Send(ctx context.Context, b *bin.Buffer) error {
	var m proto.UnencryptedMessage
	if err := m.Decode(&bin.Buffer{Buf: b.Copy()}); err != nil {
		return err
	}
	out, err := p.x.Handle(ctx, m.MessageData)
	if err == nil {
		p.answers = append(p.answers, out)
	}
	return err
}

func (p *pipe) Recv(_ context.Context, b *bin.Buffer) error {
	if len(p.answers) == 0 {
		return io.EOF
	}
	id := proto.NewMessageIDGen(time.Now).New(proto.MessageServerResponse)
	b.Reset()
	m := proto.UnencryptedMessage{MessageID: id, MessageData: p.answers[0]}
	p.answers = p.answers[1:]
	return m.Encode(b)
}

func (p *pipe) Close() error { return nil }

func TestGotdClientGetsAKeyOfEachKind(t *testing.T) {
	for _, c := range []struct {
		name      string
		dc        int
		test      bool
		expiresIn int
		want      keyex.KeyType
	}{
		{"permanent", 2, false, 0, keyex.Perm},
		{"permanent, test environment", 10002, true, 0, keyex.Perm},
		{"temporary", 2, false, 86400, keyex.Temp},
		{"media temporary", -2, false, 3600, keyex.MediaTemp},
		{"media temporary, test environment", -10002, true, 3600, keyex.MediaTemp},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var reg registry
			s := newServer(t, &reg, c.test)
			ex := exchange.NewExchanger(&pipe{x: s.NewExchange()}, c.dc).WithRand(noZeros{})
			if c.expiresIn != 0 {
				ex = ex.WithTempMode(c.expiresIn)
			}
			r, err := ex.Client([]exchange.PublicKey{{RSA: &rsaKey().PublicKey}}).Run(context.Background())
			require.NoError(t, err)
			require.Len(t, reg.keys, 1)
			got := reg.keys[0]
			require.Equal(t, r.AuthKey, got.Key)
			require.Equal(t, r.ServerSalt, got.Salt) // KEY-21
			require.Equal(t, c.want, got.Type)
			require.Equal(t, time.Duration(c.expiresIn)*time.Second, got.ExpiresIn)
		})
	}
}

// KEY-14: the nonces enter the derivation at full length.
func TestNonceWithLeadingZero(t *testing.T) {
	var reg registry
	p := newPeer(t, newServer(t, &reg, false))
	p.newNonce[0] = 0
	p.reqPQ()
	out, err := p.ask(p.dhRequest(p.innerData()))
	require.NoError(t, err)
	var ok mt.ServerDHParamsOk
	require.NoError(t, ok.Decode(&bin.Buffer{Buf: out}))
	key, iv := tempKeyByTheBook(p.newNonce, p.res.ServerNonce)
	data, err := crypto.DecryptExchangeAnswer(ok.EncryptedAnswer, key, iv)
	require.NoError(t, err)
	require.NotNil(t, data)
}

// KEY-3: the probe older clients open with.
func TestLegacyReqPQ(t *testing.T) {
	var reg registry
	p := newPeer(t, newServer(t, &reg, false))
	out, err := p.ask(&mt.ReqPqRequest{Nonce: p.nonce})
	require.NoError(t, err)
	require.NoError(t, p.res.Decode(&bin.Buffer{Buf: out}))
	_, err = p.ask(p.dhRequest(p.innerData()))
	require.NoError(t, err)
}

// oldTemp is p_q_inner_data_temp.
type oldTemp struct {
	*mt.PQInnerDataTempDC
	life int
}

func (o oldTemp) Encode(b *bin.Buffer) error {
	d := &mt.PQInnerData{Pq: o.Pq, P: o.P, Q: o.Q, Nonce: o.Nonce, ServerNonce: o.ServerNonce, NewNonce: o.NewNonce}
	b.PutID(0x3c6a84d4)
	if err := d.EncodeBare(b); err != nil {
		return err
	}
	b.PutInt(o.life)
	return nil
}

// KEY-9, KEY-10: what clients of former years send, in either padding.
func TestOlderForms(t *testing.T) {
	inner := func(p *peer) *mt.PQInnerDataTempDC { return p.innerData() }
	forms := []struct {
		name  string
		query func(p *peer) bin.Encoder
		want  keyex.KeyType
		life  time.Duration
	}{
		{"permanent, no data centre", func(p *peer) bin.Encoder {
			d := inner(p)
			return &mt.PQInnerData{Pq: d.Pq, P: d.P, Q: d.Q, Nonce: d.Nonce, ServerNonce: d.ServerNonce, NewNonce: d.NewNonce}
		}, keyex.Perm, 0},
		{"permanent", func(p *peer) bin.Encoder {
			d := inner(p)
			return &mt.PQInnerDataDC{Pq: d.Pq, P: d.P, Q: d.Q, Nonce: d.Nonce, ServerNonce: d.ServerNonce, NewNonce: d.NewNonce, DC: 2}
		}, keyex.Perm, 0},
		{"temporary, no data centre", func(p *peer) bin.Encoder {
			d := inner(p)
			return oldTemp{d, 3600}
		}, keyex.Temp, time.Hour},
		{"media temporary", func(p *peer) bin.Encoder {
			d := inner(p)
			d.DC, d.ExpiresIn = -2, 3600
			return d
		}, keyex.MediaTemp, time.Hour},
	}
	paddings := map[string]func([]byte, *rsa.PublicKey, io.Reader) ([]byte, error){
		"RSA_PAD": crypto.RSAPad, "SHA1": crypto.RSAEncryptHashed,
	}
	for padding, pad := range paddings {
		for _, f := range forms {
			t.Run(padding+", "+f.name, func(t *testing.T) {
				var reg registry
				p := newPeer(t, newServer(t, &reg, false))
				p.reqPQ()
				var b bin.Buffer
				require.NoError(t, f.query(p).Encode(&b))
				data, err := pad(b.Raw(), &rsaKey().PublicKey, rand.Reader)
				require.NoError(t, err)
				q := p.dhRequest(p.innerData())
				q.EncryptedData = data
				out, err := p.ask(q)
				require.NoError(t, err)
				p.readDH(out)
				last, key := p.clientDH(randomExponent(), 0)
				_, err = p.ask(last)
				require.NoError(t, err)
				require.Len(t, reg.keys, 1)
				require.Equal(t, key, reg.keys[0].Key.Value)
				require.Equal(t, f.want, reg.keys[0].Type)
				require.Equal(t, f.life, reg.keys[0].ExpiresIn)
			})
		}
	}
	t.Run("temporary for no time", func(t *testing.T) {
		var reg registry
		p := newPeer(t, newServer(t, &reg, false))
		p.reqPQ()
		d := p.innerData()
		var b bin.Buffer
		require.NoError(t, oldTemp{d, 0}.Encode(&b))
		q := p.dhRequest(d)
		var err error
		q.EncryptedData, err = crypto.RSAEncryptHashed(b.Raw(), &rsaKey().PublicKey, rand.Reader)
		require.NoError(t, err)
		_, err = p.ask(q)
		var refused *keyex.Error
		require.ErrorAs(t, err, &refused)
		require.EqualValues(t, -404, refused.Code)
	})
}

// KEY-1: some clients let random integers follow a query.
func TestTrailingIntegersAreTolerated(t *testing.T) {
	var reg registry
	p := newPeer(t, newServer(t, &reg, false))
	var b bin.Buffer
	require.NoError(t, (&mt.ReqPqMultiRequest{Nonce: p.nonce}).Encode(&b))
	b.Put(make([]byte, 252))
	_, err := p.x.Handle(context.Background(), b.Raw())
	require.NoError(t, err)
}

// KEY-4.
func TestPQIsAProductOfTwoPrimes(t *testing.T) {
	var reg registry
	s, err := keyex.NewServer(keyex.Config{Key: rsaKey(), DC: 2, Register: reg.register})
	require.NoError(t, err)
	p := newPeer(t, s)
	p.reqPQ()
	pq := new(big.Int).SetBytes(p.res.Pq)
	require.Contains(t, []int{61, 62}, pq.BitLen())
	a, b := p.factors()
	x, y := new(big.Int).SetBytes(a), new(big.Int).SetBytes(b)
	require.True(t, x.ProbablyPrime(20) && y.ProbablyPrime(20))
	require.Negative(t, x.Cmp(y))
}

func TestWrongQueryIsRefused(t *testing.T) {
	flip := func(b []byte) []byte {
		out := slices.Clone(b)
		out[len(out)-1] ^= 1
		return out
	}
	for _, c := range []struct {
		name string
		code int32
		lie  func(p *peer) error
	}{
		{"not a handshake query", -404, func(p *peer) error {
			_, err := p.ask(&mt.PingRequest{PingID: 1})
			return err
		}},
		{"empty body", -404, func(p *peer) error {
			_, err := p.x.Handle(context.Background(), nil)
			return err
		}},
		{"cut query", -404, func(p *peer) error {
			_, err := p.x.Handle(context.Background(), []byte{0xf1, 0x8e, 0x7e, 0xbe, 1, 2})
			return err
		}},
		{"unknown run", -404, func(p *peer) error {
			_, err := p.ask(&mt.ReqDHParamsRequest{Nonce: p.nonce})
			return err
		}},
		{"other nonce (KEY-6)", -404, func(p *peer) error {
			p.reqPQ()
			q := p.dhRequest(p.innerData())
			q.Nonce[3] ^= 1
			_, err := p.ask(q)
			return err
		}},
		{"other server nonce (KEY-6)", -404, func(p *peer) error {
			p.reqPQ()
			q := p.dhRequest(p.innerData())
			q.ServerNonce[3] ^= 1
			_, err := p.ask(q)
			return err
		}},
		{"out of order", -404, func(p *peer) error {
			p.reqPQ()
			_, err := p.ask(&mt.SetClientDHParamsRequest{Nonce: p.nonce, ServerNonce: p.res.ServerNonce, EncryptedData: make([]byte, 32)})
			return err
		}},
		{"factors swapped (KEY-7)", -404, func(p *peer) error {
			p.reqPQ()
			q := p.dhRequest(p.innerData())
			q.P, q.Q = q.Q, q.P
			_, err := p.ask(q)
			return err
		}},
		{"unknown RSA key", -404, func(p *peer) error {
			p.reqPQ()
			q := p.dhRequest(p.innerData())
			q.PublicKeyFingerprint++
			_, err := p.ask(q)
			return err
		}},
		{"short RSA block", -404, func(p *peer) error {
			p.reqPQ()
			q := p.dhRequest(p.innerData())
			q.EncryptedData = q.EncryptedData[1:]
			_, err := p.ask(q)
			return err
		}},
		{"broken RSA_PAD (KEY-8)", -404, func(p *peer) error {
			p.reqPQ()
			q := p.dhRequest(p.innerData())
			q.EncryptedData = flip(q.EncryptedData)
			_, err := p.ask(q)
			return err
		}},
		{"inner nonce differs (KEY-6)", -404, func(p *peer) error {
			p.reqPQ()
			in := p.innerData()
			in.Nonce[0] ^= 1
			_, err := p.ask(p.dhRequest(in))
			return err
		}},
		{"inner pq differs (KEY-8)", -404, func(p *peer) error {
			p.reqPQ()
			in := p.innerData()
			in.Pq = flip(in.Pq)
			_, err := p.ask(p.dhRequest(in))
			return err
		}},
		{"foreign data centre (KEY-11)", -444, func(p *peer) error {
			p.dc = 4
			p.reqPQ()
			_, err := p.ask(p.dhRequest(p.innerData()))
			return err
		}},
		{"wrong environment (KEY-11)", -444, func(p *peer) error {
			p.dc, p.exp = 10002, 60
			p.reqPQ()
			_, err := p.ask(p.dhRequest(p.innerData()))
			return err
		}},
		{"temporary key for no time", -404, func(p *peer) error {
			p.exp = -1
			p.reqPQ()
			_, err := p.ask(p.dhRequest(p.innerData()))
			return err
		}},
		{"client_DH data of no block size", -404, func(p *peer) error {
			p.toDH()
			q, _ := p.clientDH(randomExponent(), 0)
			q.EncryptedData = q.EncryptedData[1:]
			_, err := p.ask(q)
			return err
		}},
		{"client_DH data broken (KEY-17)", -404, func(p *peer) error {
			p.toDH()
			q, _ := p.clientDH(randomExponent(), 0)
			q.EncryptedData[0] ^= 1
			_, err := p.ask(q)
			return err
		}},
		{"client_DH data too long", -404, func(p *peer) error {
			p.toDH()
			_, err := p.ask(p.clientDHOf(make([]byte, 1024), 0))
			return err
		}},
		{"retry_id out of nowhere (KEY-17)", -404, func(p *peer) error {
			p.toDH()
			q, _ := p.clientDH(randomExponent(), 7)
			_, err := p.ask(q)
			return err
		}},
		{"g_b = 1 (KEY-18)", -404, func(p *peer) error {
			p.toDH()
			_, err := p.ask(p.clientDHOf([]byte{1}, 0))
			return err
		}},
		{"g_b = p-1 (KEY-18)", -404, func(p *peer) error {
			p.toDH()
			prime := new(big.Int).SetBytes(p.inner.DhPrime)
			_, err := p.ask(p.clientDHOf(prime.Sub(prime, big.NewInt(1)).Bytes(), 0))
			return err
		}},
		{"g_b just below the safe range (KEY-18)", -404, func(p *peer) error {
			p.toDH()
			gb := new(big.Int).Lsh(big.NewInt(1), 1984)
			_, err := p.ask(p.clientDHOf(gb.Sub(gb, big.NewInt(1)).Bytes(), 0))
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var reg registry
			p := newPeer(t, newServer(t, &reg, false))
			err := c.lie(p)
			var refused *keyex.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, c.code, refused.Code)
			require.Empty(t, reg.keys)
		})
	}
}

func FuzzHandle(f *testing.F) {
	var b bin.Buffer
	_ = (&mt.ReqPqMultiRequest{}).Encode(&b)
	f.Add(b.Copy())
	b.Reset()
	_ = (&mt.ReqDHParamsRequest{P: []byte{1}, Q: []byte{2}, EncryptedData: make([]byte, 256)}).Encode(&b)
	f.Add(b.Copy())
	b.Reset()
	_ = (&mt.SetClientDHParamsRequest{EncryptedData: make([]byte, 336)}).Encode(&b)
	f.Add(b.Copy())
	var reg registry
	s, err := keyex.NewServer(keyex.Config{Key: rsaKey(), DC: 2, Register: reg.register})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		x := s.NewExchange()
		if out, err := x.Handle(context.Background(), in); err == nil && len(out)%4 != 0 {
			t.Fatalf("answer of %d bytes", len(out))
		}
	})
}
