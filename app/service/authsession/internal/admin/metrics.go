package admin

import "github.com/zeromicro/go-zero/core/metric"

var (
	// requests by what came of them; method is that of SessionAdmin, or SignIn.
	requests = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "admin",
		Name:      "requests_total",
		Help:      "Calls of the admin API by transport, method and answer.",
		Labels:    []string{"transport", "method", "code"},
	})
	// refusals by reason: those of package token, and certificate,
	// client_unknown, no_credentials, scope, rate, audit, and those of package oidclogin.
	refusals = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "admin",
		Name:      "refused_total",
		Help:      "Calls and connections that the admin API refused, by reason.",
		Labels:    []string{"reason"},
	})
	// lost are rows of the audit log.
	lost = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "admin",
		Name:      "audit_failures_total",
		Help:      "Rows of the audit log that could not be written or completed.",
	})
)
