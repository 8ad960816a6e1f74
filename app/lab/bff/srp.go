package bff

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"math/big"

	"github.com/gotd/td/crypto/srp"
	"github.com/gotd/td/tg"
)

// The group of core.telegram.org/api/srp that every client knows to be safe.
const srpG = 3

var srpP, _ = new(big.Int).SetString(
	"C71CAEB9C6B1C9048E6C522F70F13F73980D40238E3E21C14934D037563D930F"+
		"48198A0AA7C14058229493D22530F4DBFA336F6E0AC925139543AED44CCE7C37"+
		"20FD51F69458705AC68CD4FE6B6B13ABDC9746512969328454F18FAF8C595F64"+
		"2477FE96BB2A941D5BCD1D4AC8CC49880708FA9B378E3C4F3A9060BEE67CF9A4"+
		"A4A695811051907E162753B56B0F6B410DBA74D8A84B2A14B3144E0EF1284754"+
		"FD17ED950D5965B4B9DD46582DB1178D169C6BC465B0D6FF9CA3928FEF5B9AE4"+
		"E418FC15E83EBEA0F87FA9FF5EED70050DED2849F47BF959D956850CE929851F"+
		"0D8115F635B105EE2E4E15D04B2454BF6F4FADF034B10403119CD8E3B92FCC5B", 16)

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
		G:     srpG,
		P:     pad(srpP),
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
	k := sha256Of(pad(srpP), pad(big.NewInt(srpG)))
	gb := new(big.Int).Exp(big.NewInt(srpG), b, srpP)
	gb.Add(gb, new(big.Int).Mul(new(big.Int).SetBytes(k), v.v)).Mod(gb, srpP)
	return &challenge{id: randomInt64(), verify: v, b: b, gb: gb}
}

// proves reports whether whoever sent a and m1 knows the password.
func (c *challenge) proves(a, m1 []byte) bool {
	ga := new(big.Int).SetBytes(a)
	if ga.Sign() == 0 || ga.Cmp(srpP) >= 0 { // a multiple of p would prove anything
		return false
	}
	u := new(big.Int).SetBytes(sha256Of(pad(ga), pad(c.gb)))
	s := new(big.Int).Exp(c.verify.v, u, srpP)
	s.Mul(s, ga).Exp(s, c.b, srpP)

	group := sha256Of(pad(srpP))
	for i, x := range sha256Of(pad(big.NewInt(srpG))) {
		group[i] ^= x
	}
	want := sha256Of(group, sha256Of(c.verify.algo.Salt1), sha256Of(c.verify.algo.Salt2), pad(ga), pad(c.gb), sha256Of(pad(s)))
	return subtle.ConstantTimeCompare(want, m1) == 1
}

// pad is n as 2048 bits, big endian.
func pad(n *big.Int) []byte { return n.FillBytes(make([]byte, 256)) }

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
