// Package admin serves the admin API: what operators and their tools do with
// logins, over gRPC (proto/admin) and as REST (openapi.yaml), on listeners of
// its own.
//
//	gRPC ── intercept ─┐                       ┌─▶ sessions.Manager
//	                   ├─▶ guard.do ─▶ service ─┤
//	REST ── route ─────┘      │                └─▶ configuration
//	                          └─ who (token, certificate)? too often? may they?
//	                             written down (audit)
//
// Both ways end in guard.do, so that nothing is served on one of them that the
// other would refuse. Every call of a known caller has its row in the audit log,
// refused ones too; of those of unknown callers some have, and tell of the others
// (strangers). A change is written down before it is made; when that fails it is
// refused with UNAVAILABLE. A read is answered even when it could not be
// written down, which a metric and the log tell. Refusals for too many calls
// are written down once in ten seconds for each caller.
package admin
