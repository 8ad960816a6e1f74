package keyex

import (
	"crypto/rand"
	"crypto/sha1"
	"io"
	"math/big"

	"github.com/gotd/td/bin"

	"github.com/tgsession/tgsession/app/internal/dhgroup"
)

// Public values closer than this to either end of the group are refused, the
// client's and our own (KEY-18).
var safeMin, safeMax = func() (lo, hi *big.Int) {
	lo = new(big.Int).Lsh(big.NewInt(1), 2048-64)
	return lo, new(big.Int).Sub(dhgroup.Prime, lo)
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
		ga = new(big.Int).Exp(big.NewInt(dhgroup.Generator), a, dhgroup.Prime)
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
	ns := sha1.Sum(append(append([]byte(nil), newNonce[:]...), serverNonce[:]...))
	sn := sha1.Sum(append(append([]byte(nil), serverNonce[:]...), newNonce[:]...))
	nn := sha1.Sum(append(append([]byte(nil), newNonce[:]...), newNonce[:]...))
	copy(key[:20], ns[:])
	copy(key[20:], sn[:12])
	copy(iv[:8], sn[12:])
	copy(iv[8:28], nn[:])
	copy(iv[28:], newNonce[:4])
	return key, iv
}
