package rpcserver

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/metric"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/conf"
)

// Calm switches go-zero's load shedding and its breaker off where the
// configuration file says nothing of them; given reports whether it does.
//
// The shedder refuses by the CPU of the host, whoever uses it, and by how many
// calls were in flight of late; the breaker by the errors of before. Both answer
// calls that would have been served with codes upon which stock peers drop a node
// or trip breakers of their own, and together they kept 90 % of the calls out long
// after what had made them slow was over. What bounds the work instead is
// Options.MaxInFlight, or a bound of the service's own: session bounds what each auth
// key may have waiting.
func Calm(c *zrpc.RpcServerConf, given func(key string) bool) {
	if !given("CpuThreshold") {
		c.CpuThreshold = 0
	}
	if !given("Middlewares.Breaker") {
		c.Middlewares.Breaker = false
	}
}

// errBusy is what calls above MaxInFlight are refused with: a fault of ours, which
// stock peers log and repeat. They drop a node for UNAVAILABLE, and count
// RESOURCE_EXHAUSTED against it.
var errBusy = status.Error(codes.Code(500), "INTERNAL_SERVER_ERROR")

var (
	busy = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "rpcserver",
		Subsystem: "overload",
		Name:      "refused_total",
		Help:      "Calls that were refused with INTERNAL_SERVER_ERROR since MaxInFlight others were in flight.",
		Labels:    []string{"server"},
	})
	busyLog = logx.NewLessLogger(10_000)
)

// bounded refuses calls while most others are in flight. Health is asked all the
// same: who asks would restart a node that is only busy.
func bounded(name string, most int64) grpc.UnaryServerInterceptor {
	var inFlight atomic.Int64
	return func(ctx context.Context, in any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if info.FullMethod == grpc_health_v1.Health_Check_FullMethodName {
			return handle(ctx, in)
		}
		defer inFlight.Add(-1)
		if inFlight.Add(1) > most {
			busy.Inc(name)
			busyLog.Errorf("%d calls are in flight (MaxInFlight): more are refused", most)
			return nil, errBusy
		}
		return handle(ctx, in)
	}
}

// forever stands for no time limit.
const forever = 365 * 24 * time.Hour

// checkTimeouts refuses what would end calls before they begin.
func checkTimeouts(c zrpc.RpcServerConf) error {
	for i, m := range c.MethodTimeouts {
		if m.Timeout < 0 {
			return &conf.KeyError{Key: fmt.Sprintf("MethodTimeouts[%d].Timeout", i), Problem: fmt.Sprintf("is %v", m.Timeout), Fix: "set a time above 0, or 0 for none"}
		}
	}
	return nil
}

// methodTimeouts makes a Timeout of 0 mean none, as the Timeout of all methods does:
// zrpc ends such calls before they begin.
func methodTimeouts(list []zrpc.MethodTimeoutConf) []zrpc.MethodTimeoutConf {
	out := make([]zrpc.MethodTimeoutConf, len(list))
	for i, m := range list {
		if m.Timeout == 0 {
			m.Timeout = forever
		}
		out[i] = m
	}
	return out
}
