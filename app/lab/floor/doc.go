// Package floor is a node that makes the hops of a session node and does
// nothing else: grpc-go without interceptors, and no MTProto. What it costs is
// the least that any session node between these peers can cost.
//
//	gateway ──packet──▶ floor ──call, rpc_metadata──▶ BFF
//	gateway ◀──packet── floor ◀──answer──────────────┘
//	sync ────push─────▶ floor ──packet──▶ gateway
//
//	node.go     the handlers: a packet in, a push in
//	gateways.go packets out, by unary calls or through a stream
//	serve.go    the process: its configuration, its servers
//
// A call to the BFF has what session's calls have on the wire: a header
// rpc_metadata made for this call, and a deadline. The sizes of request, answer
// and push are told by the configuration, so that the bytes on each hop are as
// many as those of session. Nothing is queued, retried, bounded or checked.
package floor
