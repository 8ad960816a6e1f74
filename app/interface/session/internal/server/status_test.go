package server

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/session"
)

// What go-zero's interceptors answer reaches peers as a status that keeps the node
// in their rings, and that says what it is: a full mailbox is a key's, an
// overloaded node everybody's.
func TestHarmless(t *testing.T) {
	logx.Disable()
	for _, c := range []struct {
		name   string
		method string
		err    error
		want   error
	}{
		{"load shedding of a packet", session.RPCSession_SessionSendDataToSession_FullMethodName, status.Error(codes.ResourceExhausted, "service overloaded"), status.Error(420, "SESSION_OVERLOADED")},
		{"load shedding of a key", session.RPCSession_SessionSetAuthKey_FullMethodName, status.Error(codes.ResourceExhausted, "service overloaded"), status.Error(420, "SESSION_OVERLOADED")},
		{"a full mailbox", session.RPCSession_SessionSendDataToSession_FullMethodName, errFull, status.Error(420, "SESSION_DATA_CHANNEL_FULL")},
		{"a panic", session.RPCSession_SessionSendDataToSession_FullMethodName, status.Error(codes.Internal, "panic: x"), status.Error(500, "INTERNAL_SERVER_ERROR")},
		{"a breaker", session.RPCSession_SessionQueryAuthKey_FullMethodName, status.Error(codes.Unavailable, "circuit breaker is open"), status.Error(500, "INTERNAL_SERVER_ERROR")},
		{"a refusal", session.RPCSession_SessionQueryAuthKey_FullMethodName, errUnregistered, errUnregistered},
		{"the health service", "/grpc.health.v1.Health/Check", status.Error(codes.Unavailable, "x"), status.Error(codes.Unavailable, "x")},
		{"nothing", session.RPCSession_SessionSetAuthKey_FullMethodName, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Harmless(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: c.method}, func(context.Context, any) (any, error) { return nil, c.err })
			require.Equal(t, c.want, err)
		})
	}
}
