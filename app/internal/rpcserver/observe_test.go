package rpcserver

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/logx/logtest"
	"github.com/zeromicro/go-zero/core/prometheus"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// slowFrom is from when on a call is slow in these tests: longer than the machine may hold
// up a quick one, and less than where the configuration does not say.
const slowFrom = 400 * time.Millisecond

// asked answers health checks by the name of the service in them.
type asked struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (asked) Check(_ context.Context, in *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	switch in.GetService() {
	case "slow":
		time.Sleep(slowFrom + 50*time.Millisecond)
	case "refused":
		return nil, status.Error(420, "FLOOD_WAIT_3")
	case "panic":
		panic("a defect")
	}
	return new(grpc_health_v1.HealthCheckResponse), nil
}

// serverMetrics are go-zero's metrics of servers, by name and labels.
func serverMetrics(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := prom.DefaultGatherer.Gather()
	require.NoError(t, err)
	found := map[string]float64{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "rpc_server_requests_") {
			continue
		}
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetName() + "=" + l.GetValue()
			}
			found[key] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return found
}

// What observe does is what go-zero's interceptors did, to the line.
func TestObserveIsGoZeros(t *testing.T) {
	prometheus.Enable()
	t.Cleanup(logx.Disable)
	serve := func(ours, silent bool) (lines []string, grown map[string]float64) {
		c := testConf(t)
		c.Name, c.Health = "observed", false
		c.Middlewares.Breaker, c.CpuThreshold = false, 0
		c.Middlewares.StatConf.SlowThreshold = slowFrom
		if silent {
			c.Middlewares.StatConf.IgnoreContentMethods = []string{grpc_health_v1.Health_Check_FullMethodName}
		}
		if !ours {
			c.Timeout = 60_000 // go-zero's stay
		}
		server, err := New(Options{Conf: c, Register: func(g *grpc.Server) { grpc_health_v1.RegisterHealthServer(g, asked{}) }})
		require.NoError(t, err)
		require.NoError(t, server.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
		logx.SetLevel(logx.InfoLevel)
		logs := logtest.NewCollector(t)
		before := serverMetrics(t)
		rpc := grpc_health_v1.NewHealthClient(dialServer(t, c))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, service := range []string{"", "slow", "refused", "panic"} {
			_, err := rpc.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service}, grpc.WaitForReady(true))
			require.Equal(t, service == "refused" || service == "panic", err != nil, "%v", err)
		}
		grown = serverMetrics(t)
		for name, v := range before {
			grown[name] -= v
		}
		maps.DeleteFunc(grown, func(_ string, v float64) bool { return v == 0 })
		changing := regexp.MustCompile(`127\.0\.0\.1:\d+|"(timestamp|duration|@timestamp|span|trace)":"[^"]*"|"caller":"[^"]*"`)
		for line := range strings.SplitSeq(logs.String(), "\n") {
			if strings.Contains(line, "127.0.0.1") && strings.Contains(line, " - ") {
				lines = append(lines, changing.ReplaceAllString(line, ""))
			}
		}
		return lines, grown
	}
	for name, silent := range map[string]bool{"requests are logged": false, "no requests are logged": true} {
		t.Run(name, func(t *testing.T) {
			theirs, grew := serve(false, silent)
			ours, grow := serve(true, silent)
			require.NotEmpty(t, theirs)
			require.Equal(t, theirs, ours)
			require.Equal(t, map[string]float64{
				"rpc_server_requests_code_total code=0 method=/grpc.health.v1.Health/Check":   2,
				"rpc_server_requests_code_total code=420 method=/grpc.health.v1.Health/Check": 1,
				"rpc_server_requests_duration_ms method=/grpc.health.v1.Health/Check":         3,
			}, grew)
			require.Equal(t, grew, grow)
		})
	}
}

// Where something of go-zero's belongs inside its own interceptors, these stay.
func TestObserveKeepsTheOrderOfInterceptors(t *testing.T) {
	for name, change := range map[string]func(*zrpc.RpcServerConf){
		"breaker":  func(c *zrpc.RpcServerConf) { c.Middlewares.Breaker = true },
		"shedding": func(c *zrpc.RpcServerConf) { c.CpuThreshold = 900 },
		"timeout":  func(c *zrpc.RpcServerConf) { c.Timeout = 2000 },
		"auth":     func(c *zrpc.RpcServerConf) { c.Auth = true },
		"neither":  func(c *zrpc.RpcServerConf) { c.Middlewares.Stat, c.Middlewares.Prometheus = false, false },
	} {
		t.Run(name, func(t *testing.T) {
			c := testConf(t)
			c.Middlewares.Breaker, c.CpuThreshold = false, 0
			change(&c)
			before := c.Middlewares
			require.Nil(t, observe(&c))
			require.Equal(t, before, c.Middlewares)
		})
	}
	var o observer
	_, err := o.intercept(t.Context(), nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) { return nil, errors.New("as it is") })
	require.EqualError(t, err, "as it is")
}
