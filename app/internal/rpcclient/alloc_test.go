//go:build !race

// The race detector makes sync.Pool forget.
package rpcclient

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAllocationsOfACall(t *testing.T) {
	calls := NewCalls(testHeader)
	require.Zero(t, int(testing.AllocsPerRun(100, func() {
		c := calls.Begin(time.Minute, "x")
		if _, ok := c.Context().Deadline(); !ok {
			t.Error("no deadline")
		}
		calls.End(c)
	})))
}
