package rpcserver

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A call has as long as go-zero would give it, and its peer hears the same.
func TestTheTimeOfACallIsLimited(t *testing.T) {
	c := zrpc.RpcServerConf{Timeout: 60_000, MethodTimeouts: methodTimeouts([]zrpc.MethodTimeoutConf{{FullMethod: "/short", Timeout: time.Millisecond}, {FullMethod: "/none"}})}
	limits := limitTime(&c)
	require.Zero(t, c.Timeout, "go-zero's is off")
	waits := func(ctx context.Context, _ any) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	call := func(ctx context.Context, method string, handle grpc.UnaryHandler) (any, error) {
		return limits(ctx, nil, &grpc.UnaryServerInfo{FullMethod: method}, handle)
	}

	_, err := call(t.Context(), "/short", waits)
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = call(gone, "/usual", waits)
	require.Equal(t, codes.Canceled, status.Code(err))

	hasty, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = call(hasty, "/usual", func(ctx context.Context, _ any) (any, error) {
		require.Equal(t, hasty, ctx, "nothing was made for it")
		return waits(ctx, nil)
	})
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))

	late := func(ctx context.Context, _ any) (any, error) {
		<-ctx.Done()
		return "done", nil
	}
	answer, err := call(t.Context(), "/short", late)
	require.NoError(t, err, "what was done is told")
	require.Equal(t, "done", answer)

	for method, want := range map[string]time.Duration{"/usual": time.Minute, "/none": forever} {
		_, err = call(t.Context(), method, func(ctx context.Context, _ any) (any, error) {
			until, ok := ctx.Deadline()
			require.True(t, ok)
			require.InDelta(t, want, time.Until(until), float64(10*time.Second))
			return nil, errors.New("refused")
		})
		require.EqualError(t, err, "refused")
	}
	require.Nil(t, limitTime(&zrpc.RpcServerConf{}))
}
