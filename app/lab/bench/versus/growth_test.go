package versus

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGrowth(t *testing.T) {
	var progress, table bytes.Buffer
	c := small(t, &progress)
	c.Rows = named("call", "push")
	all, err := Grow(t.Context(), c, []int{20, 60})
	require.NoError(t, err, progress.String())
	require.Len(t, all, 2)
	for _, g := range all {
		require.Len(t, g.Nodes, 2)
		for i, n := range g.Nodes {
			require.Equal(t, []int{20, 60}[i], n.Keys)
			require.Positive(t, n.CPU.Min)
			require.Positive(t, n.Memory)
		}
		require.Equal(t, Spread{1, 1, 1}, g.Nodes[0].Ratio)
	}
	require.NoError(t, PrintGrowth(&table, all))
	require.Contains(t, table.String(), "active keys")
	_, err = Grow(t.Context(), c, nil)
	require.Error(t, err)
}
