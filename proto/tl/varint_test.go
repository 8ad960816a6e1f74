package tl

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// Varints are written and read as the protobuf library does, at every size, and in the last bytes of a buffer.
func TestVarint(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		v := r.Uint64() >> (i % 65)
		want := protowire.AppendVarint(nil, v)
		require.Equal(t, len(want), sizeVarint(v))
		var w window
		n := putVarint(&w, i%8, v)
		require.Equal(t, want, w[i%8:i%8+n])
		for _, tail := range []int{0, 1, 12} {
			got, next := varint(append(want[:n:n], make([]byte, tail)...), 0)
			require.Equal(t, v, got)
			require.Equal(t, n, next)
		}
	}
}

// What is no varint to the protobuf library is none here.
func TestMalformedVarint(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		b := make([]byte, r.IntN(14))
		for i := range b {
			b[i] = byte(r.Uint32()) | byte(r.Uint32())&0x80
			if r.IntN(4) == 0 {
				b[i] |= 0x80
			}
		}
		v, n := protowire.ConsumeVarint(b)
		got, next := varint(b, 0)
		if n < 0 {
			require.Negative(t, next, "%x", b)
			continue
		}
		require.Equal(t, v, got, "%x", b)
		require.Equal(t, n, next, "%x", b)
	}
}
