package rpcclient

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	testHeader  = "who"
	checkMethod = grpc_health_v1.Health_Check_FullMethodName
)

func check(calls *Calls, conn *grpc.ClientConn, timeout time.Duration, value string) error {
	c := calls.Begin(timeout, value)
	defer calls.End(c)
	return Late(c.Context(), conn.Invoke(c.Context(), checkMethod, &grpc_health_v1.HealthCheckRequest{}, new(grpc_health_v1.HealthCheckResponse)))
}

// Contexts are used again, and each call has a header and a deadline of its own.
func TestCallsHaveTheirOwnHeaderAndDeadline(t *testing.T) {
	p := startPeer(t)
	p.check = func(ctx context.Context) error {
		deadline, ok := ctx.Deadline()
		if !ok {
			return status.Error(codes.Internal, "no deadline")
		}
		md, _ := metadata.FromIncomingContext(ctx)
		return status.Error(codes.DataLoss, fmt.Sprint(md.Get(testHeader), time.Until(deadline).Round(time.Hour)))
	}
	conn := dialPlain(t, p.addr)
	calls := NewCalls(testHeader)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 50 {
				hours := time.Duration(i+1) * time.Hour
				err := check(calls, conn, hours, fmt.Sprint(i, k))
				if want := fmt.Sprintf("[%d %d] %v", i, k, hours); status.Convert(err).Message() != want {
					t.Errorf("%v, want %s", err, want)
				}
			}
		})
	}
	wg.Wait()
}

// A call whose time is over is late, also by what interceptors see, and its context is
// left to whoever still has it.
func TestLateCalls(t *testing.T) {
	p := startPeer(t)
	hold := make(chan struct{})
	p.check = func(context.Context) error { <-hold; return nil }
	var seen error
	conn := dialPlain(t, p.addr, grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		seen = Late(ctx, invoke(ctx, method, req, reply, cc, opts...))
		return seen
	}))
	calls := NewCalls(testHeader)
	c := calls.Begin(20*time.Millisecond, "x")
	err := conn.Invoke(c.Context(), checkMethod, &grpc_health_v1.HealthCheckRequest{}, new(grpc_health_v1.HealthCheckResponse))
	require.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)
	require.Equal(t, err, seen)
	<-c.Context().Done() // the peer counts the time, too, and may have ended the call a moment before
	require.ErrorIs(t, c.Context().Err(), context.DeadlineExceeded)
	calls.End(c)
	close(hold)
	next := calls.Begin(time.Minute, "y")
	require.NotSame(t, c, next)
	require.NoError(t, next.Context().Err())
	calls.End(next)
}

// What a peer cancels is not late.
func TestCancelledByThePeer(t *testing.T) {
	p := startPeer(t)
	p.check = func(context.Context) error { return status.Error(codes.Canceled, "no") }
	err := check(NewCalls(testHeader), dialPlain(t, p.addr), time.Minute, "")
	require.Equal(t, codes.Canceled, status.Code(err))
}

// A context tells its header, unless somebody has added another.
func TestTheHeaderOfACall(t *testing.T) {
	c := NewCalls(testHeader).Begin(time.Minute, "me")
	name, value, ok := Header(c.Context())
	require.Equal(t, []any{testHeader, "me", true}, []any{name, value, ok})
	_, _, ok = Header(metadata.AppendToOutgoingContext(c.Context(), "x", "y"))
	require.False(t, ok)
	_, _, ok = Header(t.Context())
	require.False(t, ok)
	without := NewCalls("").Begin(time.Minute, "")
	name, _, ok = Header(without.Context())
	require.True(t, ok)
	require.Empty(t, name)
	_, sent := metadata.FromOutgoingContext(without.Context())
	require.False(t, sent)
}
