// Package freeport finds ports for servers that a test starts.
package freeport

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ports below those that a kernel gives to connections (32768 on Linux): one of those
// that was free a moment ago may be another connection's when the server listens.
// .ci/with-servers takes its own from 20000 on.
const (
	first = 10_000
	count = 10_000
)

// Port is one on which nobody listens.
func Port(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := first + rand.IntN(count)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		require.NoError(t, l.Close())
		return port
	}
	require.Fail(t, "no port is free")
	return 0
}

// Address is one on which nobody listens, on this machine alone.
func Address(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Port(t)))
}
