package lease

import "github.com/zeromicro/go-zero/core/metric"

var (
	// requests counts reads by kind (key, data) and result: hit, hit-not-found,
	// miss, error (Redis did not answer), bypass (a release is outstanding).
	requests = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "cache",
		Name:      "requests_total",
		Help:      "Cache reads of keys and logins (data) by result: hit, hit-not-found (known to be absent), miss (read from MySQL), error (Redis did not answer), bypass (a release is outstanding).",
		Labels:    []string{"kind", "result"},
	})
	counted = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "cache",
		Name:      "late_releases_total",
		Help:      "Changed keys that Redis could not be told of in time: remembered (in MySQL), unknown (MySQL did not say whether they have changed), released (later, by this node).",
		Labels:    []string{"result"},
	})
	waiting = metric.NewGaugeVec(&metric.GaugeVecOpts{
		Namespace: "authsession",
		Subsystem: "cache",
		Name:      "unreleased_keys",
		Help:      "Changed keys that MySQL remembers because Redis could not be told of them; 1000 stands for more.",
	})
	oldest = metric.NewGaugeVec(&metric.GaugeVecOpts{
		Namespace: "authsession",
		Subsystem: "cache",
		Name:      "unreleased_seconds",
		Help:      "Age of the oldest key that MySQL remembers because Redis could not be told of it; 0: there is none.",
	})
)
