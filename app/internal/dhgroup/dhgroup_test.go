package dhgroup

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

// Clients check what core.telegram.org/mtproto/auth_key asks for: a safe prime
// of 2048 bits, and a generator of the subgroup of prime order.
func TestGroupIsSafe(t *testing.T) {
	require.Equal(t, 8*Bytes, Prime.BitLen())
	require.True(t, Prime.ProbablyPrime(20))
	half := new(big.Int).Rsh(Prime, 1)
	require.True(t, half.ProbablyPrime(20))
	require.EqualValues(t, 2, new(big.Int).Mod(Prime, big.NewInt(3)).Int64(), "p mod 3 for g = 3")
	require.EqualValues(t, 1, new(big.Int).Exp(big.NewInt(Generator), half, Prime).Int64())
	require.Equal(t, Prime.Bytes(), Pad(Prime))
	require.Len(t, Pad(big.NewInt(1)), Bytes)
}
