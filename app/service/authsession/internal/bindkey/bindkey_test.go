package bindkey

import (
	"crypto/aes"
	"crypto/sha1"
	"encoding/binary"
	"testing"

	"github.com/gotd/ige"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"
)

var permKey = func() (k crypto.Key) {
	for i := range k {
		k[i] = byte(i*7 + 3)
	}
	return k
}()

func permID() int64 { return permKey.WithID().IntID() }

// seal is the client's side, written from the page's text alone: a second
// implementation to hold Open against.
func seal(key crypto.Key, leading int64, plain []byte) []byte {
	sum := sha1.Sum(plain[:min(plainSize, len(plain))])
	m := sum[4:20]
	sha := func(parts ...[]byte) []byte {
		h := sha1.New()
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	a := sha(m, key[0:32])
	b := sha(key[32:48], m, key[48:64])
	c := sha(key[64:96], m)
	d := sha(m, key[96:128])
	aesKey := append(append(append([]byte{}, a[0:8]...), b[8:20]...), c[4:16]...)
	aesIV := append(append(append(append([]byte{}, a[8:20]...), b[0:8]...), c[16:20]...), d[0:8]...)
	block, _ := aes.NewCipher(aesKey)
	out := make([]byte, len(plain))
	ige.EncryptBlocks(block, aesIV, out, plain)
	message := binary.LittleEndian.AppendUint64(nil, uint64(leading))
	return append(append(message, m...), out...)
}

// proof is a valid plain text, field by field, to be spoilt by the cases.
type proof struct {
	leading, messageID           int64
	seqNo, length                uint32
	constructor                  uint32
	nonce, temp, perm, sessionID int64
	expiresAt                    int32
}

func valid() proof {
	return proof{
		leading: permID(), messageID: 4 << 32, length: 40, constructor: crypto.BindAuthKeyInnerTypeID,
		nonce: 11, temp: 22, perm: permID(), sessionID: 33, expiresAt: 2000,
	}
}

func (p proof) sealed() []byte {
	b := &bin.Buffer{}
	b.Put(make([]byte, 16))
	b.PutLong(p.messageID)
	b.PutUint32(p.seqNo)
	b.PutUint32(p.length)
	b.PutUint32(p.constructor)
	b.PutLong(p.nonce)
	b.PutLong(p.temp)
	b.PutLong(p.perm)
	b.PutLong(p.sessionID)
	b.PutInt32(p.expiresAt)
	b.Put(make([]byte, 8))
	return seal(permKey, p.leading, b.Buf)
}

var carrier = Carrier{TempKeyID: 22, SessionID: 33, MessageID: 4 << 32}

func request(message []byte) Request {
	return Request{PermKeyID: permID(), Nonce: 11, ExpiresAt: 2000, EncryptedMessage: message}
}

func TestAValidProofOpens(t *testing.T) {
	want := Binding{PermKeyID: permID(), TempKeyID: 22, ExpiresAt: 2000}
	got, err := Open(&permKey, request(valid().sealed()), carrier)
	require.NoError(t, err)
	require.Equal(t, want, got)

	// What a real client library sends opens too.
	message, err := crypto.EncryptBindMessage(nil, permKey.WithID(), 4<<32,
		&crypto.BindAuthKeyInner{Nonce: 11, TempAuthKeyID: 22, PermAuthKeyID: permID(), TempSessionID: 33, ExpiresAt: 2000})
	require.NoError(t, err)
	got, err = Open(&permKey, request(message), carrier)
	require.NoError(t, err)
	require.Equal(t, want, got)

	_, err = Open(&permKey, request(valid().sealed()), Carrier{})
	require.NoError(t, err, "what the carrier does not tell is not checked")
}

// Stock skips all of these checks; each case is an attack it lets through.
func TestWeakness07EveryCheckOfTheBindMessage(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(p *proof, r *Request)
		want  error
	}{
		{"leading perm key id is another's", func(p *proof, _ *Request) { p.leading++ }, ErrPermKey},
		{"request names another perm key", func(_ *proof, r *Request) { r.PermKeyID++ }, ErrPermKey},
		{"inner perm key is a victim's (account takeover)", func(p *proof, _ *Request) { p.perm = 777 }, ErrInnerPerm},
		{"inner nonce differs (replay)", func(p *proof, _ *Request) { p.nonce++ }, ErrNonce},
		{"inner expires_at differs", func(p *proof, _ *Request) { p.expiresAt++ }, ErrExpiresAt},
		{"inner temp key is not the carrying key", func(p *proof, _ *Request) { p.temp++ }, ErrTempKey},
		{"inner session is not the carrying session", func(p *proof, _ *Request) { p.sessionID++ }, ErrSession},
		{"inner message id is not the carrying message's", func(p *proof, _ *Request) { p.messageID += 4 }, ErrMessageID},
		{"inner seqno is not 0", func(p *proof, _ *Request) { p.seqNo = 1 }, ErrHeader},
		{"inner length is not 40", func(p *proof, _ *Request) { p.length = 44 }, ErrHeader},
		{"inner length is negative", func(p *proof, _ *Request) { p.length = 0xffffffff }, ErrHeader},
		{"inner constructor is another", func(p *proof, _ *Request) { p.constructor++ }, ErrInner},
		{"empty", func(_ *proof, r *Request) { r.EncryptedMessage = []byte{} }, ErrLength},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, r := valid(), request(nil)
			tc.spoil(&p, &r)
			if r.EncryptedMessage == nil {
				r.EncryptedMessage = p.sealed()
			}
			_, err := Open(&permKey, r, carrier)
			require.ErrorIs(t, err, tc.want)
		})
	}
}

// Stock slices the message before it knows its length: 0, 8 and 23 bytes are
// a panic there, and so is a single cipher block (40).
func TestWeakness08BindMessageOfAnyLengthIsRefusedWithoutPanic(t *testing.T) {
	whole := valid().sealed()
	for _, n := range []int{0, 7, 8, 23, 24, 40, 56, 103} {
		_, err := Open(&permKey, request(whole[:n]), carrier)
		require.ErrorIs(t, err, ErrLength, "%d bytes", n)
	}
	_, err := Open(&permKey, request(append(whole, make([]byte, 16)...)), carrier)
	require.ErrorIs(t, err, ErrLength, "120 bytes")
}

func TestAnyFlippedBitIsRefused(t *testing.T) {
	whole := valid().sealed()
	for i := range len(whole) - 8 { // the last 8 bytes decrypt to padding and inner bytes alike
		spoilt := append([]byte{}, whole...)
		spoilt[i] ^= 0x10
		_, err := Open(&permKey, request(spoilt), carrier)
		require.Error(t, err, "byte %d", i)
	}
	other := permKey
	other[0] ^= 1
	_, err := Open(&other, request(whole), carrier)
	require.ErrorIs(t, err, ErrMsgKey, "another key")
}

// A client's clock says what it asks for, the key's own life how long it gets.
// Here the key was made for a day (86400 s), a moment ago.
func TestEnd(t *testing.T) {
	const now, day, minute, hour = 1_700_000_000, 86400, 60, 3600
	const life = now + day
	for name, tc := range map[string]struct {
		expiresAt, keyExpiresAt int64
		want                    int64 // 0: ErrExpired
	}{
		"within the key's life":               {now + 500, life, now + 500},
		"30 s beyond, as clients ask":         {life + 30, life, life + 30},
		"60 s beyond":                         {life + 60, life, life + 60},
		"61 s beyond":                         {life + 61, life, life + 60},
		"a clock that is 10 min ahead":        {now + 10*minute + day, life, life + 60},
		"a clock that is 1 h ahead":           {now + hour + day, life, life + 60},
		"a clock that is 1 h behind":          {now - hour + day, life, now - hour + day},
		"a clock that is a day behind":        {now - day + day, life, 0},
		"a clock that is years ahead":         {now + 10*365*day, life, life + 60},
		"the last second there is":            {1<<31 - 1, life, life + 60},
		"now":                                 {now, life, 0},
		"past":                                {now - 1, life, 0},
		"negative":                            {-1, life, 0},
		"lifetime unknown":                    {now + day, 0, now + day},
		"lifetime unknown, a clock far ahead": {now + 31*day, 0, now + 30*day},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Binding{ExpiresAt: tc.expiresAt}.End(now, tc.keyExpiresAt)
			require.Equal(t, tc.want, got)
			if tc.want == 0 {
				require.ErrorIs(t, err, ErrExpired)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(valid().sealed())
	f.Add([]byte{})
	f.Add(make([]byte, 40))
	f.Fuzz(func(t *testing.T, message []byte) {
		if b, err := Open(&permKey, request(message), carrier); err == nil && b.TempKeyID != 22 {
			t.Fatalf("opened as %+v", b)
		}
	})
}
