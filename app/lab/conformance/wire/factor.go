package wire

import (
	"errors"
	"math/bits"
)

// errPrime says that no factor was found.
var errPrime = errors.New("pq has no two factors")

// factor splits pq < 2^63 into p <= q by Pollard's rho with Brent's cycle
// finding. It needs some 2^16 steps for factors of 31 bits; on big integers,
// as gotd does it, those take seconds under the race detector.
func factor(pq uint64) (p, q uint64, err error) {
	if pq > 3 && pq%2 == 0 {
		return 2, pq / 2, nil
	}
	for c := uint64(1); c < 32; c++ { // x^2+c has no cycle of use for few c
		if d := rho(pq, c); d != 0 {
			return min(d, pq/d), max(d, pq/d), nil
		}
	}
	return 0, 0, errPrime
}

// rho walks x -> x^2+c mod n and returns a factor of n, or 0. It gives up
// after as many steps as a factor of 32 bits may take, and many more.
func rho(n, c uint64) uint64 {
	const (
		batch = 128 // differences are multiplied before a gcd is taken
		limit = 1 << 22
	)
	step := func(x uint64) uint64 { return (mulMod(x, x, n) + c) % n } // below 2^63, so the sum fits
	y := uint64(2)
	for length, steps := 1, 0; steps < limit; length *= 2 {
		x := y
		for range length {
			y = step(y)
		}
		for done := 0; done < length; done += batch {
			start := y
			product := uint64(1)
			for range min(batch, length-done) {
				y = step(y)
				product = mulMod(product, distance(x, y), n)
			}
			steps += batch
			switch d := gcd(product, n); d {
			case 1:
				continue
			case n: // more than one factor fell into the batch: one by one
				for y = start; ; {
					y = step(y)
					if d := gcd(distance(x, y), n); d == n {
						return 0
					} else if d > 1 {
						return d
					}
				}
			default:
				return d
			}
		}
	}
	return 0
}

// mulMod is a·b mod n for a, b < n.
func mulMod(a, b, n uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return bits.Rem64(hi, lo, n)
}

func distance(a, b uint64) uint64 { return max(a, b) - min(a, b) }

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
