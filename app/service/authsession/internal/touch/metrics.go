package touch

import "github.com/zeromicro/go-zero/core/metric"

var (
	entries = metric.NewGaugeVec(&metric.GaugeVecOpts{
		Namespace: "authsession",
		Subsystem: "touch",
		Name:      "entries",
		Help:      "Keys whose signs of life are in memory, on their way to Redis and MySQL.",
	})
	dropped = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "touch",
		Name:      "dropped_total",
		Help:      "Signs of life that memory had no room for; a login looks idle for longer than it is, until its next one.",
	})
	written = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "touch",
		Name:      "written_total",
		Help:      "Signs of life of logins that MySQL has taken.",
	})
	failures = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "touch",
		Name:      "failures_total",
		Help:      "Batches that redis or mysql has not taken; what MySQL has not taken is tried again.",
		Labels:    []string{"step"},
	})
)
