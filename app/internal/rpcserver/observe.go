package rpcserver

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/metric"
	"github.com/zeromicro/go-zero/core/stat"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/promvec"
)

// observer does what go-zero's interceptors Stat and Prometheus do for each unary call,
// with the same lines in the log and the same metrics, but makes no logger for a call
// that is not logged and looks no label up twice.
type observer struct {
	stat      *stat.Metrics // nil: Stat is off
	slow      time.Duration
	silent    []string           // methods whose requests are not logged
	durations *promvec.Histogram // nil: Prometheus is off
	codes     *promvec.Counter
}

// goZeroSlow is from when on a call is slow where the configuration does not say.
const goZeroSlow = 500 * time.Millisecond

// observe takes go-zero's two interceptors out of c and returns what stands for them;
// nil: they stay, since what comes behind them in c belongs inside.
func observe(c *zrpc.RpcServerConf) grpc.UnaryServerInterceptor {
	m := &c.Middlewares
	if m.Breaker || c.CpuThreshold > 0 || c.Timeout > 0 || c.Auth || !m.Stat && !m.Prometheus {
		return nil
	}
	o := &observer{slow: m.StatConf.SlowThreshold, silent: slices.Clone(m.StatConf.IgnoreContentMethods)}
	if o.slow <= 0 {
		o.slow = goZeroSlow
	}
	if m.Stat {
		o.stat = stat.NewMetrics(c.Name)
	}
	if m.Prometheus {
		o.durations = promvec.NewHistogram(metric.HistogramVecOpts{
			Namespace: "rpc_server", Subsystem: "requests", Name: "duration_ms", Help: "rpc server requests duration(ms).",
			Labels: []string{"method"}, Buckets: []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000},
		})
		o.codes = promvec.NewCounter(metric.CounterVecOpts{
			Namespace: "rpc_server", Subsystem: "requests", Name: "code_total", Help: "rpc server requests code count.",
			Labels: []string{"method", "code"},
		})
	}
	slices.Sort(o.silent)
	m.Stat, m.Prometheus = false, false
	return o.intercept
}

func (o *observer) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	start := time.Now()
	if o.stat != nil {
		defer func() {
			took := time.Since(start)
			o.stat.Add(stat.Task{Duration: took})
			o.log(ctx, info.FullMethod, req, took)
		}()
	}
	resp, err := handle(ctx, req)
	if o.durations != nil {
		o.durations.Observe(float64(time.Since(start).Milliseconds()), info.FullMethod)
		o.codes.Inc(info.FullMethod, strconv.Itoa(int(status.Code(err))))
	}
	return resp, err
}

// log tells of a slow call, and of any whose request may be logged.
func (o *observer) log(ctx context.Context, method string, req any, took time.Duration) {
	_, silent := slices.BinarySearch(o.silent, method)
	if silent && took <= o.slow {
		return
	}
	var addr string
	if client, ok := peer.FromContext(ctx); ok {
		addr = client.Addr.String()
	}
	logger := logx.WithContext(ctx).WithDuration(took)
	if silent {
		logger.Slowf("[RPC] slowcall - %s - %s", addr, method)
		return
	}
	content, err := json.Marshal(req)
	switch {
	case err != nil:
		logx.WithContext(ctx).Errorf("%s - %s", addr, err.Error())
	case took > o.slow:
		logger.Slowf("[RPC] slowcall - %s - %s - %s", addr, method, content)
	default:
		logger.Infof("%s - %s - %s", addr, method, content)
	}
}
