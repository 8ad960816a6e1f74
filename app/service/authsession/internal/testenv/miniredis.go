package testenv

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/freeport"
)

// MiniRedis is an embedded Redis that a test may take away, and start again at its address:
// a port that the kernel chose could be another server's meanwhile.
func MiniRedis(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	m := miniredis.NewMiniRedis()
	require.NoError(t, m.StartAddr(freeport.Address(t)))
	t.Cleanup(m.Close)
	return m
}
