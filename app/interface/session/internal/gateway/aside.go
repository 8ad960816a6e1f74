package gateway

import (
	"sync"
	"sync/atomic"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// aside is a second connection to a gateway, for bulky packets alone: on the first, the
// small packets of everybody would wait behind the megabytes that TCP has taken already.
// The first bulky packet makes it.
type aside struct {
	once sync.Once
	conn atomic.Pointer[grpc.ClientConn] // nil: there is none
}

// connAside returns the connection for bulky packets.
func (l *link) connAside() *grpc.ClientConn {
	l.aside.once.Do(func() {
		dial := l.g.o.DialAside
		if dial == nil {
			dial = l.g.o.Dial
		}
		conn, err := dial(l.id)
		if err != nil {
			logx.Errorf("gateway %s: large packets go over the connection of all others: %v", l.id, err)
			return
		}
		l.aside.conn.Store(conn)
	})
	if conn := l.aside.conn.Load(); conn != nil {
		return conn
	}
	return l.conn
}

// close ends the connection. No call may be under way, nor begin.
func (a *aside) close() {
	if conn := a.conn.Load(); conn != nil {
		_ = conn.Close()
	}
}

// tryNow cuts short the pause before the next attempt to reach the gateway.
func (l *link) tryNow() {
	for _, conn := range []*grpc.ClientConn{l.conn, l.aside.conn.Load()} {
		// Only this state has a pause to cut short. In others gRPC may be at the
		// connections that ResetConnectBackoff walks, without a lock.
		if conn != nil && conn.GetState() == connectivity.TransientFailure {
			conn.ResetConnectBackoff()
		}
	}
}
