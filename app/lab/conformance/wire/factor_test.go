package wire

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"
)

// A key exchange under the race detector once took three seconds of a core,
// all of them for factoring, and the conformance suite a hundred exchanges.
func TestFactor(t *testing.T) {
	for _, c := range []struct {
		name     string
		pq, p, q uint64
	}{
		{"smallest", 6, 2, 3},
		{"a square of two", 4, 2, 2},
		{"odd and small", 15, 3, 5},
		{"a square", 49, 7, 7},
		{"of the samples page", 0x17ED48941A08F981, 0x494C553B, 0x53911073},
		{"factors far apart", 3 * 2305843009213693951, 3, 2305843009213693951},
		{"largest primes of 31 bits", 2147483629 * 2147483647, 2147483629, 2147483647},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, q, err := factor(c.pq)
			require.NoError(t, err)
			require.Equal(t, [2]uint64{c.p, c.q}, [2]uint64{p, q})
		})
	}
	_, _, err := factor(13)
	require.ErrorIs(t, err, errPrime)
}

func TestFactorRandom(t *testing.T) {
	for range 200 {
		p, err := rand.Prime(rand.Reader, 31)
		require.NoError(t, err)
		q, err := rand.Prime(rand.Reader, 31)
		require.NoError(t, err)
		a, b, err := factor(p.Uint64() * q.Uint64())
		require.NoError(t, err)
		require.Equal(t, p.Uint64()*q.Uint64(), a*b)
		require.NotEqual(t, uint64(1), a)
	}
}
