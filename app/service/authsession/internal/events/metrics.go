package events

import "github.com/zeromicro/go-zero/core/metric"

var (
	published = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "events",
		Name:      "published_total",
		Help:      "Events that Redis has taken, by type.",
		Labels:    []string{"type"},
	})
	failed = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "events",
		Name:      "failed_total",
		Help:      "Attempts to publish that failed, by what failed: mysql, redis, fenced (another node took over). Events wait, none is lost.",
		Labels:    []string{"reason"},
	})
	repeated = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "events",
		Name:      "repeated_total",
		Help:      "Events that were published again, since Redis had forgotten them.",
	})
	lag = metric.NewGaugeVec(&metric.GaugeVecOpts{
		Namespace: "authsession",
		Subsystem: "events",
		Name:      "lag_seconds",
		Help:      "Age of the oldest event that is not published; 0: none waits. Every node tells it of all events.",
	})
	hookDelivered = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "webhook",
		Name:      "delivered_total",
		Help:      "Events that a webhook has taken.",
		Labels:    []string{"hook"},
	})
	hookFailed = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "webhook",
		Name:      "failures_total",
		Help:      "Attempts to deliver an event to a webhook that failed; it is tried again.",
		Labels:    []string{"hook"},
	})
	hookDead = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "webhook",
		Name:      "dead_total",
		Help:      "Events that were given up after Attempts, and kept as dead letters: authsession ctl webhooks dead lists them.",
		Labels:    []string{"hook"},
	})
	hookWaiting = metric.NewGaugeVec(&metric.GaugeVecOpts{
		Namespace: "authsession",
		Subsystem: "webhook",
		Name:      "waiting",
		Help:      "Events in memory that wait for a webhook.",
		Labels:    []string{"hook"},
	})
)
