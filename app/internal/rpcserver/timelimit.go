package rpcserver

import (
	"context"
	"errors"
	"time"

	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// limitTime takes go-zero's interceptor Timeout out of c and returns what stands for it:
// it ends the context of a call in time and answers with the same code, but waits for
// the call to return. Go-zero's starts a goroutine for each call, whose stack grows anew
// each time. A call whose caller gives it less time than that gets no timer of its own:
// gRPC has set one. Nil: c has no time limit.
func limitTime(c *zrpc.RpcServerConf) grpc.UnaryServerInterceptor {
	if c.Timeout <= 0 {
		return nil
	}
	usual := time.Duration(c.Timeout) * time.Millisecond
	c.Timeout = 0
	byMethod := make(map[string]time.Duration, len(c.MethodTimeouts))
	for _, m := range c.MethodTimeouts {
		byMethod[m.FullMethod] = m.Timeout
	}
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		limit, ok := byMethod[info.FullMethod]
		if !ok {
			limit = usual
		}
		if own, bounded := ctx.Deadline(); !bounded || time.Until(own) > limit {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		resp, err := handle(ctx, req)
		switch ended := ctx.Err(); {
		case err == nil || ended == nil:
			return resp, err
		case errors.Is(ended, context.DeadlineExceeded):
			return nil, status.Error(codes.DeadlineExceeded, ended.Error())
		default:
			return nil, status.Error(codes.Canceled, ended.Error())
		}
	}
}
