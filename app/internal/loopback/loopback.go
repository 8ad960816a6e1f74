// Package loopback finds addresses of this machine alone on which nobody listens, for servers
// that are started in a moment.
package loopback

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// Ports below those that a kernel gives to connections (32768 on Linux): one of those
// that was free a moment ago may be another connection's when the server listens.
// .ci/with-servers takes its own from 20000 on.
const (
	first = 10_000
	count = 10_000
)

// Ports are counted from a place of chance, so that a process gets none twice, and processes
// that run side by side seldom the same.
var (
	from = rand.Uint32N(count)
	next atomic.Uint32
)

// ErrNone means that no port is free.
var ErrNone = errors.New("loopback: no port is free")

// Port returns one on which nobody listens.
func Port() (int, error) {
	for range count {
		port := first + int((from+next.Add(1))%count)
		l, err := net.Listen("tcp", address(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, err
		}
		return port, nil
	}
	return 0, ErrNone
}

// Address returns one on which nobody listens, with its port.
func Address() (string, error) {
	port, err := Port()
	return address(port), err
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
