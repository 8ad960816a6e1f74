package rpcserver

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	handshakeTime = 20 * time.Second // until a connection has said what it is
	idleTime      = 15 * time.Minute // of a connection without a call
	pingAfter     = 2 * time.Minute  // of silence; who does not answer in pingTime is gone
	pingTime      = 20 * time.Second
)

// connectionOptions bound what connections cost that nobody uses. Clients of gRPC
// dial again when they have a call.
func connectionOptions(idle time.Duration) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ConnectionTimeout(handshakeTime),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idle, Time: pingAfter, Timeout: pingTime}),
	}
}

var errConnections = errors.New("too many connections")

// capped are credentials that take so many connections at a time; others are
// closed before anything is read from them.
type capped struct {
	credentials.TransportCredentials
	most int64
	open *atomic.Int64
}

func capConnections(c credentials.TransportCredentials, most int64) credentials.TransportCredentials {
	if c == nil {
		c = insecure.NewCredentials()
	}
	return capped{TransportCredentials: c, most: most, open: new(atomic.Int64)}
}

// ServerHandshake implements credentials.TransportCredentials.
func (c capped) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if c.open.Add(1) > c.most {
		c.open.Add(-1)
		raw.Close()
		return nil, nil, errConnections
	}
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		c.open.Add(-1)
		return nil, nil, err
	}
	return &counted{Conn: conn, closed: func() { c.open.Add(-1) }}, info, nil
}

// Clone implements credentials.TransportCredentials.
func (c capped) Clone() credentials.TransportCredentials {
	c.TransportCredentials = c.TransportCredentials.Clone()
	return c
}

// counted is a connection that says when it is closed.
type counted struct {
	net.Conn
	once   sync.Once
	closed func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}
