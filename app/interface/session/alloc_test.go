//go:build !race

// The race detector makes sync.Pool forget.
package session

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What an operation allocates is most of what it costs beside gRPC, and grows unseen.
func TestAllocations(t *testing.T) {
	for _, k := range costKinds {
		t.Run(k.name, func(t *testing.T) {
			c, url := startCosts(t)
			_, objects, bytes := c.measure(url, 4000, k.load(c))
			t.Logf("%.1f allocations and %.0f bytes", objects, bytes)
			require.LessOrEqual(t, objects, k.most)
		})
	}
}
