package keyex

import (
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the protocol's hash
	"io"
	"math/big"

	"github.com/gotd/td/bin"
)

// generator and prime are the group every client has built in, so that none
// spends time on proving its safety (KEY-16).
const generator = 3

var prime, _ = new(big.Int).SetString(
	"C71CAEB9C6B1C9048E6C522F70F13F73980D40238E3E21C14934D037563D930F"+
		"48198A0AA7C14058229493D22530F4DBFA336F6E0AC925139543AED44CCE7C37"+
		"20FD51F69458705AC68CD4FE6B6B13ABDC9746512969328454F18FAF8C595F64"+
		"2477FE96BB2A941D5BCD1D4AC8CC49880708FA9B378E3C4F3A9060BEE67CF9A4"+
		"A4A695811051907E162753B56B0F6B410DBA74D8A84B2A14B3144E0EF1284754"+
		"FD17ED950D5965B4B9DD46582DB1178D169C6BC465B0D6FF9CA3928FEF5B9AE4"+
		"E418FC15E83EBEA0F87FA9FF5EED70050DED2849F47BF959D956850CE929851F"+
		"0D8115F635B105EE2E4E15D04B2454BF6F4FADF034B10403119CD8E3B92FCC5B", 16)

// Public values closer than this to either end of the group are refused, the
// client's and our own (KEY-18).
var safeMin, safeMax = func() (lo, hi *big.Int) {
	lo = new(big.Int).Lsh(big.NewInt(1), 2048-64)
	return lo, new(big.Int).Sub(prime, lo)
}()

func inSafeRange(x *big.Int) bool { return x.Cmp(safeMin) >= 0 && x.Cmp(safeMax) <= 0 }

// secret returns a and g^a.
func secret(r io.Reader) (a, ga *big.Int, err error) {
	var buf [256]byte
	for {
		if _, err := io.ReadFull(r, buf[:]); err != nil {
			return nil, nil, err
		}
		a = new(big.Int).SetBytes(buf[:])
		ga = new(big.Int).Exp(big.NewInt(generator), a, prime)
		if inSafeRange(ga) {
			return a, ga, nil
		}
	}
}

// maxPrimeBits keeps p·q below 2^63 and a client's factoring below a second.
const maxPrimeBits = 31

// primes returns p < q of so many bits (KEY-4).
func primes(r io.Reader, bits int) (p, q *big.Int, err error) {
	for {
		if p, err = rand.Prime(r, bits); err != nil {
			return nil, nil, err
		}
		if q, err = rand.Prime(r, bits); err != nil {
			return nil, nil, err
		}
		switch p.Cmp(q) {
		case -1:
			return p, q, nil
		case 1:
			return q, p, nil
		}
	}
}

// tempKey derives the AES key and IV of the exchange's encrypted parts from
// the nonces, leading zeros included (KEY-14).
func tempKey(newNonce *bin.Int256, serverNonce *bin.Int128) (key, iv [32]byte) {
	ns := sha1.Sum(append(append([]byte(nil), newNonce[:]...), serverNonce[:]...)) //nolint:gosec
	sn := sha1.Sum(append(append([]byte(nil), serverNonce[:]...), newNonce[:]...)) //nolint:gosec
	nn := sha1.Sum(append(append([]byte(nil), newNonce[:]...), newNonce[:]...))    //nolint:gosec
	copy(key[:20], ns[:])
	copy(key[20:], sn[:12])
	copy(iv[:8], sn[12:])
	copy(iv[8:28], nn[:])
	copy(iv[28:], newNonce[:4])
	return key, iv
}
