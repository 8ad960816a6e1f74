// Package metrics declares what session counts beside go-zero's own metrics.
// They are served where go-zero serves its own (Prometheus or DevServer in
// session.yaml). No label names a user, a key or a message.
package metrics

import (
	"github.com/zeromicro/go-zero/core/metric"

	"github.com/tgsession/tgsession/app/internal/promvec"
)

const namespace = "session"

var (
	// MailboxFull counts items refused with SESSION_DATA_CHANNEL_FULL.
	MailboxFull = counter("mailbox", "full_total", "Items refused because the mailbox of their auth key was full.")
	// Panics counts inputs given up because of a panic.
	Panics = counter("runloop", "panics_total", "Inputs given up because of a panic.")
	// AuthKeys is how many auth keys are in memory.
	AuthKeys = gauge("runloop", "auth_keys", "Auth keys in memory.")
	// HTTPRequests is how many HTTP requests wait for something to say.
	HTTPRequests = gauge("http", "requests", "HTTP requests that are open.")
	// Events counts what happened in sessions, by the names of package sess.
	Events = counter("protocol", "events_total", "What happened in MTProto sessions.", "event")
	// Layers counts what clients of other layers made necessary: clamped (the
	// nearest layer of the table set served), substituted (another constructor
	// stands for one the layer lacks), dropped (an optional part left out).
	Layers = counter("tl", "layer_total", "What clients of other layers made necessary.", "what")
	// WrongRelease is 1 once a BFF has answered what the table set in use
	// cannot hold.
	WrongRelease = gauge("tl", "wrong_release", "1 once a BFF has answered what the table set in use cannot hold.")
	// RPCQueue is API calls under way, by what they do: running or waiting.
	RPCQueue = gauge("rpc", "queue", "API calls under way on this node.", "state")
	// Released counts keys let go because another node owns them now.
	Released = counter("shard", "released_total", "Auth keys let go because another node owns them now.")
	// Foreign counts requests for keys of other nodes, by what became of them:
	// redirected or forwarded.
	Foreign = counter("shard", "foreign_total", "Requests for auth keys of other nodes.", "answer")
	// RefusedMarks counts requests that claimed to come from another node, and
	// did not.
	RefusedMarks = counter("shard", "refused_marks_total", "Requests with the mark of a session node that came from somebody else.")
	// Moves counts keys that came from other nodes: taken with all they had; failed
	// attempts; and outcomes of calls that did not reach the node of their key.
	Moves = counter("shard", "moves_total", "Keys that came from other nodes with their sessions.", "outcome")
	// Pauses counts times of 3 s and more in which the process did not run.
	Pauses = counter("shard", "pauses_total", "Times of 3 s and more in which the process did not run.")
	// Strays counts pushes that came while their keys moved between nodes:
	// kept, and then delivered, sent on or lost; full: there was no room.
	Strays = counter("shard", "strays_total", "Pushes that came to a node without their key.", "outcome")

	// Calls counts API calls by group and the rpc_error code they ended with
	// (0: none).
	Calls = counter("rpc", "calls_total", "API calls by group and rpc_error code (0: answered).", "group", "code")
	// CallDuration is how long BFFs take, in milliseconds.
	CallDuration = promvec.NewHistogram(metric.HistogramVecOpts{
		Namespace: namespace, Subsystem: "rpc", Name: "duration_ms", Help: "Time that a BFF took, in milliseconds.",
		Labels: []string{"group"}, Buckets: []float64{0.25, 0.5, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 60000},
	})
	// Unrouted counts calls that no IDMap entry routes, by method and what
	// they were answered: fake or METHOD_NOT_IMPL.
	Unrouted = counter("rpc", "unrouted_total", "API calls that no IDMap entry routes.", "method", "answer")

	// Packets counts packets for gateways by what became of them: stream,
	// unary or failed.
	Packets = counter("gateway", "packets_total", "Packets for gateways.", "how")
	// GatewayQueue is bytes waiting for gateways.
	GatewayQueue = gauge("gateway", "queue_bytes", "Bytes waiting for gateways.")

	// Queued is bytes that wait: for keys to be resolved, to be sent on to other
	// nodes, or, of calls that are not small, for BFFs.
	Queued = gauge("queue", "bytes", "Bytes that wait, by what for.", "queue")

	// KeyLookups counts transport keys asked of authsession, by outcome.
	KeyLookups = counter("keys", "lookups_total", "Transport keys asked of authsession.", "outcome")
	// StatusDropped counts online and offline reports that status was too slow
	// for.
	StatusDropped = counter("status", "dropped_total", "Reports to status dropped because it was too slow.")
)

func counter(subsystem, name, help string, labels ...string) *promvec.Counter {
	return promvec.NewCounter(metric.CounterVecOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Labels: labels})
}

func gauge(subsystem, name, help string, labels ...string) metric.GaugeVec {
	return metric.NewGaugeVec(&metric.GaugeVecOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Labels: labels})
}
