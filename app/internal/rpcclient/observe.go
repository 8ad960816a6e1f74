package rpcclient

import (
	"context"
	"strconv"
	"time"

	"github.com/zeromicro/go-zero/core/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/promvec"
)

// observers are the metrics of go-zero's own interceptor of clients.
type observers struct {
	durations *promvec.Histogram
	codes     *promvec.Counter
}

// Observe counts and times calls as go-zero's interceptor does (RpcClientConf.
// Middlewares.Prometheus), in its metrics rpc_client_requests_duration_ms and
// rpc_client_requests_code_total, without an allocation. zrpc must have been
// initialised: it must be the first to make them.
func Observe() grpc.UnaryClientInterceptor {
	o := observers{
		promvec.NewHistogram(metric.HistogramVecOpts{
			Namespace: "rpc_client", Subsystem: "requests", Name: "duration_ms", Help: "rpc client requests duration(ms).",
			Labels: []string{"method"}, Buckets: []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000},
		}),
		promvec.NewCounter(metric.CounterVecOpts{
			Namespace: "rpc_client", Subsystem: "requests", Name: "code_total", Help: "rpc client requests code count.",
			Labels: []string{"method", "code"},
		}),
	}
	return o.intercept
}

func (o observers) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	start := time.Now()
	err := Late(ctx, invoke(ctx, method, req, reply, cc, opts...))
	o.durations.Observe(float64(time.Since(start).Milliseconds()), method)
	o.codes.Inc(method, strconv.Itoa(int(status.Code(err))))
	return err
}
