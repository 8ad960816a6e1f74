// Package cluster is what a session node knows of the others: which node owns an
// auth key, how a request gets there, and what becomes of a key that moves.
//
// The owner of a perm key is found by a consistent hash over the nodes that etcd
// lists (Members), the same that every gateway computes. A request that comes to
// another node is redirected or sent on (Nodes), at most once: it carries a mark,
// and the node that gets it serves it. Hop says how far a request may go, and whose
// marks are believed.
//
// # A key that moves
//
// Nodes and gateways hear of a change one after the other, so for a while they
// disagree about who owns a key. One change of the ring, as the old owner A and
// the new owner B live through it:
//
//	          change heard                    ReleaseAfter later
//	A  owns ──────┬─── not owned, not released ───┬─── released
//	              │ requests: redirected, sent on │ the key's actor leaves the map,
//	              │ the key's state stays here    │ what is in flight is answered
//	              │ status hears nothing of it    │ B is told of its sessions (Introduce)
//	              │                               │ and of a gap, if there is one (OnGap)
//	B  ───────────┼─── owned, converging ─────────┼─── converged
//	              │ the key's first packet makes  │ keys made before are told (Settled):
//	              │ an actor                      │ they read their login again
//	              │ pushes without an actor park  │ parked pushes are delivered or let go
//
// If the ring changes back before A has released the key, A goes on with the state
// that it has; the key is told (Returned), since B may have served it meanwhile.
//
// A node that stops leaves the ring first (LeaveRing): from then on every key is
// another node's, and it drains.
package cluster
