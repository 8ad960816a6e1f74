package dispatch

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/breaker"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// Unimplemented methods are no failures: with a breaker for each method they
// may be asked for a hundred times and still be answered.
func TestUnimplementedTripsNoBreaker(t *testing.T) {
	_, conn := startBFF(t, func(string) (proto.Message, error) { return nil, status.Error(codes.Unimplemented, "") })
	d := newDispatcher(conn, "RPCConfiguration")
	for range 200 {
		_, rpcErr := d.Invoke(&sess.InvokeMethod{Method: method(t, getConfig)})
		require.Equal(t, errNotImplemented, rpcErr)
	}
}

func TestBreakerPerMethod(t *testing.T) {
	_, conn := startBFF(t, func(path string) (proto.Message, error) {
		if path == "/mtproto.RPCDrafts/messages_getAllDrafts" {
			return nil, status.Error(codes.Internal, "ill")
		}
		return &mtproto.Bool{}, nil
	})
	d := newDispatcher(conn, "RPCDrafts")
	ill, well := schema().MethodByName("messages.getAllDrafts")[0], schema().MethodByName("messages.clearAllDrafts")[0]
	open := 0
	for i := range int64(300) {
		if _, rpcErr := d.Invoke(&sess.InvokeMethod{Method: ill, Meta: sess.Meta{AuthKeyID: i}}); rpcErr == errBreakerOpen {
			open++
		}
		_, rpcErr := d.Invoke(&sess.InvokeMethod{Method: well})
		require.Nil(t, rpcErr)
	}
	require.NotZero(t, open)
}

// What one client did closed a method for all: by requests that are slow to serve, or
// that make a BFF panic or refuse.
func TestOneKeyTripsNoBreaker(t *testing.T) {
	for name, fault := range map[string]error{
		"too large":  status.Error(codes.ResourceExhausted, "grpc: received message larger than max (5000000 vs. 4194304)"),
		"panic":      status.Error(codes.Internal, "panic: runtime error"),
		"slow":       status.Error(codes.DeadlineExceeded, "context deadline exceeded"),
		"rate limit": status.Error(codes.ResourceExhausted, "too many requests"),
		"cut off":    status.Error(codes.Unavailable, "error reading from server: EOF"),
	} {
		for who, meta := range map[string]func(i int64) sess.Meta{
			"perm key": func(i int64) sess.Meta { return sess.Meta{AuthKeyID: 1000 + i, PermAuthKeyID: 1} },
			"unbound":  func(int64) sess.Meta { return sess.Meta{AuthKeyID: 2} },
			"by two":   func(i int64) sess.Meta { return sess.Meta{AuthKeyID: i % 2, PermAuthKeyID: i % 2} },
		} {
			t.Run(name+", "+who, func(t *testing.T) {
				var ill atomic.Bool
				_, conn := startBFF(t, func(string) (proto.Message, error) {
					if ill.Load() {
						return nil, fault
					}
					return &mtproto.Bool{}, nil
				})
				d := newDispatcher(conn, "RPCUsers")
				b := breaker.NewBreaker()
				d.Breaker = func(string) breaker.Breaker { return b }
				for i := range int64(300) {
					ill.Store(true)
					_, rpcErr := d.Invoke(&sess.InvokeMethod{Method: method(t, getUsers), Meta: meta(i)})
					require.NotNil(t, rpcErr)
					require.NotEqual(t, errBreakerOpen, rpcErr)
					if ill.Store(false); i%20 == 0 {
						_, rpcErr = d.Invoke(&sess.InvokeMethod{Method: method(t, getUsers), Meta: sess.Meta{AuthKeyID: 9, PermAuthKeyID: 9}})
						require.Nil(t, rpcErr)
					}
				}
			})
		}
	}
}

func TestBlame(t *testing.T) {
	var b blame
	now := time.Unix(1000, 0)
	require.True(t, b.counts("a", 1, now))
	require.False(t, b.counts("a", 1, now.Add(blameFor-1)))
	require.True(t, b.counts("b", 1, now), "another method")
	require.True(t, b.counts("a", 2, now), "another key")
	require.True(t, b.counts("a", 1, now.Add(blameFor)))
	for key := range int64(2 * mostBlamed) {
		require.True(t, b.counts("c", key, now.Add(blameFor)))
	}
	require.LessOrEqual(t, len(b.at)+len(b.before), 2*mostBlamed)
	require.False(t, b.counts("c", 2*mostBlamed-1, now.Add(2*blameFor-1)))
	require.True(t, b.counts("c", -1, now.Add(2*blameFor)))
	require.True(t, b.counts("c", -2, now.Add(3*blameFor)))
	require.Equal(t, 2, len(b.at)+len(b.before), "what is over is forgotten")
}
