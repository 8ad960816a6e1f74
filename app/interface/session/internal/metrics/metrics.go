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
	MailboxFull = counter("mailbox", "full_total", "Packets and pushes refused with 420 because the mailbox of their auth key was full.")
	// Panics counts inputs given up because of a panic.
	Panics = counter("runloop", "panics_total", "Inputs given up because of a panic: a fault of the program, each is in the log with its stack. Stays 0.")
	// AuthKeys is how many auth keys are in memory.
	AuthKeys = gauge("runloop", "auth_keys", "Auth keys in memory.")
	// HTTPRequests is how many HTTP requests wait for something to say.
	HTTPRequests = gauge("http", "requests", "HTTP requests of clients that are open and wait for something to say.")
	// Events counts what happened in sessions, by the names of package sess.
	Events = counter("protocol", "events_total", "What happened in MTProto sessions, by event: bad messages (bad_*), repeats, lost pushes and answers, sessions made and gone.", "event")
	// Layers counts what clients of other layers made necessary: clamped (the
	// nearest layer of the table set served), substituted (another constructor
	// stands for one the layer lacks), dropped (an optional part left out).
	Layers = counter("tl", "layer_total", "What clients of other layers made necessary: clamped (the nearest layer that is known is served), substituted (another constructor stands in), dropped (an optional part is left out).", "what")
	// WrongRelease is 1 once a BFF has answered what the table set in use
	// cannot hold.
	WrongRelease = gauge("tl", "wrong_release", "1 once a BFF has answered, or sync has pushed, what the table set in use (Schema) cannot hold: it was built from another release. Looked for in a thousand messages every five minutes.")
	// RPCQueue is API calls under way, by what they do: running or waiting.
	RPCQueue = gauge("rpc", "queue", "API calls under way on this node: running at a BFF, or waiting for their turn.", "state")
	// Nodes is how many session nodes are on the ring of this one, itself included.
	Nodes = gauge("shard", "nodes", "Session nodes on the ring of this one, itself included; nodes that stay apart disagree.")
	// LeaseOverdue is 1 while etcd has not renewed the node's lease for as long as
	// it lasts.
	LeaseOverdue = gauge("shard", "lease_overdue", "1 while etcd has not renewed the lease of this node for as long as it lasts: the others may take it for gone.")
	// Released counts keys let go because another node owns them now.
	Released = counter("shard", "released_total", "Auth keys let go because another node owns them now: after nodes came or went.")
	// Foreign counts requests for keys of other nodes, by what became of them:
	// redirected or forwarded.
	Foreign = counter("shard", "foreign_total", "Requests for auth keys of other nodes, answered with the owner (redirected) or sent on to it (forwarded); few while the nodes stay the same.", "answer")
	// RefusedMarks counts requests that claimed to come from another node, and
	// did not.
	RefusedMarks = counter("shard", "refused_marks_total", "Requests with the mark of a session node that came from an address of none: somebody claims to be one, or nodes need Nodes.Token.")
	// Moves counts keys that came from other nodes: taken with all they had; failed
	// attempts; and outcomes of calls that did not reach the node of their key.
	Moves = counter("shard", "moves_total", "Keys that came from other nodes: taken with all that those had of them; failed attempts; outcome lost: results of calls that did not reach the new node.", "outcome")
	// Pauses counts times of 3 s and more in which the process did not run.
	Pauses = counter("shard", "pauses_total", "Times of 3 s and more in which the process did not run: a stopped or starved process or machine.")
	// Strays counts pushes that came while their keys moved between nodes:
	// kept, and then delivered, sent on or lost; full: there was no room.
	Strays = counter("shard", "strays_total", "Pushes that came to a node without their key while keys moved: kept, then delivered, sent on or lost; full: not even kept. The clients of lost and full ones fetch the difference.", "outcome")

	// Calls counts API calls by group and the rpc_error code they ended with
	// (0: none).
	Calls = counter("rpc", "calls_total", "API calls at BFFs by group of methods and rpc_error code; 0: answered, 500: a fault of ours or of a BFF, its breaker being open included.", "group", "code")
	// CallDuration is how long BFFs take, in milliseconds.
	CallDuration = promvec.NewHistogram(metric.HistogramVecOpts{
		Namespace: namespace, Subsystem: "rpc", Name: "duration_ms", Help: "Time that a BFF took for a call, in milliseconds, by group of methods.",
		Labels: []string{"group"}, Buckets: []float64{0.25, 0.5, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 60000},
	})
	// Unrouted counts calls that no IDMap entry routes, by method and what
	// they were answered: fake or METHOD_NOT_IMPL.
	Unrouted = counter("rpc", "unrouted_total", "API calls that no IDMap entry routes or no BFF serves, by what they were answered: fake (an empty result) or METHOD_NOT_IMPL.", "method", "answer")

	// Packets counts packets for gateways by what became of them: stream,
	// unary or failed.
	Packets = counter("gateway", "packets_total", "Packets for gateways by what became of them: written to a stream, sent by a unary call, or failed: the client gets what was in it when it is back, unless it is larger than a gateway takes.", "how")
	// GatewayQueue is bytes waiting for gateways.
	GatewayQueue = gauge("gateway", "queue_bytes", "Bytes waiting for gateways; grows while one does not read.")

	// Queued is bytes that wait: for keys to be resolved, to be sent on to other
	// nodes, or, of calls that are not small, for BFFs.
	Queued = gauge("queue", "bytes", "Bytes that wait: for keys to be resolved (keys), to be sent on to other nodes (forward), for the node of their key (stray), in calls at BFFs (calls).", "queue")

	// KeyLookups counts transport keys asked of authsession, by outcome.
	KeyLookups = counter("keys", "lookups_total", "Transport keys asked of authsession: found, unregistered (there is no such key), fault (no answer; the client is answered 500).", "outcome")
	// StatusDropped counts online and offline reports that status was too slow
	// for.
	StatusDropped = counter("status", "dropped_total", "Online and offline reports to status dropped because it was too slow; the next report repairs it.")
)

func counter(subsystem, name, help string, labels ...string) *promvec.Counter {
	return promvec.NewCounter(metric.CounterVecOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Labels: labels})
}

func gauge(subsystem, name, help string, labels ...string) metric.GaugeVec {
	return metric.NewGaugeVec(&metric.GaugeVecOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Labels: labels})
}
