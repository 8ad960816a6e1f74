package rpcclient

import (
	"context"
	"maps"
	"testing"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/prometheus"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// clientMetrics are go-zero's metrics of clients, by name and labels.
func clientMetrics(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := prom.DefaultGatherer.Gather()
	require.NoError(t, err)
	found := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetName() + "=" + l.GetValue()
			}
			switch f.GetName() {
			case "rpc_client_requests_code_total":
				found[key] = m.GetCounter().GetValue()
			case "rpc_client_requests_duration_ms":
				found[key] = float64(m.GetHistogram().GetSampleCount())
				require.Len(t, m.GetHistogram().GetBucket(), 12)
			}
		}
	}
	return found
}

// The same metrics grow by the same, whoever counts.
func TestObserveIsGoZeros(t *testing.T) {
	prometheus.Enable()
	p := startPeer(t)
	p.check = func(context.Context) error { return status.Error(420, "FLOOD_WAIT_3") }
	calls := func(theirs bool) map[string]float64 {
		c := zrpc.RpcClientConf{Endpoints: []string{p.addr}, NonBlock: true}
		c.Middlewares.Prometheus = theirs
		var ours []zrpc.ClientOption
		if !theirs {
			ours = append(ours, zrpc.WithUnaryClientInterceptor(Observe()))
		}
		client, err := zrpc.NewClient(c, ours...)
		require.NoError(t, err)
		defer client.Conn().Close()
		before := clientMetrics(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for range 3 {
			_, err := grpc_health_v1.NewHealthClient(client.Conn()).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			require.EqualValues(t, 420, status.Code(err))
		}
		grown := clientMetrics(t)
		for name, v := range before {
			grown[name] -= v
		}
		maps.DeleteFunc(grown, func(_ string, v float64) bool { return v == 0 })
		return grown
	}
	theirs := calls(true)
	require.Equal(t, map[string]float64{
		"rpc_client_requests_code_total code=420 method=" + checkMethod: 3,
		"rpc_client_requests_duration_ms method=" + checkMethod:         3,
	}, theirs)
	require.Equal(t, theirs, calls(false))
}
