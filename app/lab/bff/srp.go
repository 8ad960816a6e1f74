package bff

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"math/big"

	"github.com/gotd/td/crypto/srp"
	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/internal/dhgroup"
)

// verifier is what a server keeps of a password: g^x, where x is the salted
// password.
type verifier struct {
	algo tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow
	v    *big.Int
}

func newVerifier(password string) (*verifier, error) {
	algo := newAlgo()
	v, salt1, err := srp.NewSRP(rand.Reader).NewHash([]byte(password), srp.Input(algo))
	if err != nil {
		return nil, fmt.Errorf("bff: password: %w", err)
	}
	algo.Salt1 = salt1
	return &verifier{algo: algo, v: new(big.Int).SetBytes(v)}, nil
}

// newAlgo is the algorithm with fresh salts, the first of which clients extend.
func newAlgo() tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow {
	return tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow{
		Salt1: randomBytes(8),
		Salt2: randomBytes(16),
		G:     dhgroup.Generator,
		P:     dhgroup.Pad(dhgroup.Prime),
	}
}

// challenge is one try to prove a password.
type challenge struct {
	id     int64
	verify *verifier
	b, gb  *big.Int // g_b = k·v + g^b
}

func (v *verifier) challenge() *challenge {
	b := new(big.Int).SetBytes(randomBytes(256))
	k := sha256Of(dhgroup.Pad(dhgroup.Prime), dhgroup.Pad(big.NewInt(dhgroup.Generator)))
	gb := new(big.Int).Exp(big.NewInt(dhgroup.Generator), b, dhgroup.Prime)
	gb.Add(gb, new(big.Int).Mul(new(big.Int).SetBytes(k), v.v)).Mod(gb, dhgroup.Prime)
	return &challenge{id: randomInt64(), verify: v, b: b, gb: gb}
}

// proves reports whether whoever sent a and m1 knows the password.
func (c *challenge) proves(a, m1 []byte) bool {
	ga := new(big.Int).SetBytes(a)
	if ga.Sign() == 0 || ga.Cmp(dhgroup.Prime) >= 0 { // a multiple of p would prove anything
		return false
	}
	u := new(big.Int).SetBytes(sha256Of(dhgroup.Pad(ga), dhgroup.Pad(c.gb)))
	s := new(big.Int).Exp(c.verify.v, u, dhgroup.Prime)
	s.Mul(s, ga).Exp(s, c.b, dhgroup.Prime)

	group := sha256Of(dhgroup.Pad(dhgroup.Prime))
	for i, x := range sha256Of(dhgroup.Pad(big.NewInt(dhgroup.Generator))) {
		group[i] ^= x
	}
	want := sha256Of(group, sha256Of(c.verify.algo.Salt1), sha256Of(c.verify.algo.Salt2), dhgroup.Pad(ga), dhgroup.Pad(c.gb), sha256Of(dhgroup.Pad(s)))
	return subtle.ConstantTimeCompare(want, m1) == 1
}

func sha256Of(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		_, _ = h.Write(p) // never fails
	}
	return h.Sum(nil)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
