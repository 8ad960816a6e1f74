package lease

import "github.com/zeromicro/go-zero/core/metric"

// requests counts reads by kind (key, data) and result: hit, hit-not-found,
// miss, error (Redis did not answer), bypass (a release is outstanding).
var requests = metric.NewCounterVec(&metric.CounterVecOpts{
	Namespace: "authsession",
	Subsystem: "cache",
	Name:      "requests_total",
	Help:      "Cache reads by kind and result.",
	Labels:    []string{"kind", "result"},
})
