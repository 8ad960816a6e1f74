// Package freeport finds ports for servers that a test starts.
package freeport

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/loopback"
)

// Port is one on which nobody listens.
func Port(t testing.TB) int {
	t.Helper()
	port, err := loopback.Port()
	require.NoError(t, err)
	return port
}

// Address is one on which nobody listens, on this machine alone.
func Address(t testing.TB) string {
	t.Helper()
	addr, err := loopback.Address()
	require.NoError(t, err)
	return addr
}
