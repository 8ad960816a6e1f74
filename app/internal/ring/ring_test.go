package ring

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/spaolacci/murmur3"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/hash"
)

var threeNodes = []string{"10.0.0.1:20120", "10.0.0.2:20120", "10.0.0.3:20120"}

func TestOwners(t *testing.T) {
	ring := New(threeNodes)
	for key := range int64(1000) {
		owners := ring.Owners(key, 5)
		require.Len(t, owners, 3)
		left := slices.Clone(threeNodes)
		for i, owner := range owners {
			require.Equal(t, New(left).Owner(key), owner, "without those before it")
			left = slices.DeleteFunc(left, func(node string) bool { return node == owner })
			require.Equal(t, owners[:i+1], ring.Owners(key, i+1))
		}
	}
	require.Empty(t, New(nil).Owners(1, 2))
}

// The published vectors: every gateway of the cluster computes the same.
func TestRingVectors(t *testing.T) {
	ring := New(threeNodes)
	for _, v := range []struct {
		key  int64
		sum  uint64
		node int
	}{
		{0, 0x2ac9debed546a380, 1},
		{1, 0x71fbbbfe8a7b7c71, 1},
		{-1, 0xedb551f5e4c5362a, 2},
		{-123, 0x4adaa78bd39f67e1, 1},
		{42, 0xb68fda223f324f6c, 2},
		{1234567890123456789, 0x0c722fba0a479959, 2},
		{math.MinInt64, 0x4df5c9b71982a38d, 1},
		{math.MaxInt64, 0x636591a2ccd7073b, 3},
	} {
		require.Equal(t, v.sum, murmur3.Sum64(fmt.Append(nil, v.key)), "key %d", v.key)
		require.Equal(t, threeNodes[v.node-1], ring.Owner(v.key), "key %d", v.key)
	}
}

func TestRingAgreesWithGoZero(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= 7; n++ {
		theirs := hash.NewConsistentHash()
		var nodes []string
		for i := range n {
			nodes = append(nodes, fmt.Sprintf("172.20.%d.%d:%d", n, i, 20120+i))
			theirs.Add(nodes[i])
		}
		ours := New(nodes)
		for range 2000 {
			key := int64(rnd.Uint64())
			want, _ := theirs.Get(fmt.Sprint(key))
			require.Equal(t, want, ours.Owner(key))
		}
	}
}

func TestRingEdges(t *testing.T) {
	require.Empty(t, New(nil).Owner(1))
	require.Equal(t, "a:1", New([]string{"a:1", "a:1"}).Owner(7))
	ring := New([]string{"b:1", "a:1"})
	require.Equal(t, []string{"a:1", "b:1"}, ring.Nodes())
	require.True(t, ring.Has("a:1"))
	require.False(t, ring.Has("c:1"))
}

func BenchmarkOwner(b *testing.B) {
	ring := New(threeNodes)
	for i := range b.N {
		ring.Owner(int64(i) * 0x9e3779b97f4a7c1)
	}
}
