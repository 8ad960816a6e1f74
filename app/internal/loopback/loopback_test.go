package loopback

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// A server can listen there, whatever connections are made meanwhile, and each has its own.
func TestPorts(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		addr, err := Address()
		require.NoError(t, err)
		require.False(t, seen[addr], "a second time, before the first one listens")
		seen[addr] = true
		l, err := net.Listen("tcp", addr)
		require.NoError(t, err)
		defer l.Close()
		require.Less(t, l.Addr().(*net.TCPAddr).Port, 20_000, "the kernel gives the ports from 32768 on to connections")
	}
}
