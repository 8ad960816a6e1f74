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
//	A  owns ──────┬─── not owned, still here ─────┬─── offered (OfferKeys)
//	              │ requests: redirected, sent on │ B fetches it, or it is released:
//	              │ status hears nothing of it    │ what is in flight is answered, and B
//	              │                               │ hears of its sessions (Introduce, OnGap)
//	              │        asked for (HandOver): from then on away, for a minute:
//	              │        what still comes, and what came of its calls, is sent after it
//	B  ───────────┼─── owned, converging ─────────┼─── converged
//	              │ the key's first packet or     │ keys that began anew are told (Settled):
//	              │ push makes an actor that      │ they read their login again
//	              │ waits: former owners are      │ parked pushes are delivered; for those
//	              │ asked (Fetch), PeerTimeout;   │ whose key is not here former owners are
//	              │ of who refuses ReleaseAfter   │ asked again each ReleaseAfter, until none
//	              │ longer                        │ may have it (takeOver). Then they are let
//	              │                               │ go, and a key that comes is told (TakeLost)
//
// Where updates are let go for a key that is another node's, that node is told, until it has
// heard of it (tellOwners): the client listens there, and this node may never see the key.
//
// Who has been an owner a moment ago is known from past rings; a node that joins asks
// who would own the key without it, and without others that may have joined in the same
// moment; and one that gets a request for a key that is another node's by its own ring asks
// that node, since who sent the request has heard of a change first (Members.former). A
// refuses while its own ring says that it owns the key: one of the two has not heard of the
// change yet, and B asks again. Where the key is A's by B's ring, too, B does not: it sends
// what has come to A.
// Where nobody has the key it begins anew, and where a node does not answer, too: then
// its client is told to fetch what it may have missed (sess, gap.go).
//
// The attempt to get a key has an id. A keeps what it gave for a minute, for an answer
// that was lost on its way, and gives it to nobody else: a node that begins again would
// live through a past that the key has outlived elsewhere. B goes on with an attempt that had
// no answer for as long as the key cannot have begun there: A may have given the key to it.
//
// Where the ring changes again while keys are offered or fetched, an offer of before ends no
// key: A offers it to the node that owns it by then, and so does B once it has the key.
//
// If the ring changes back before A has given the key away, A asks B for it when something
// comes for it next: B may have begun anew. If it has, that life goes on; else A goes on
// with the state that it has, and the key is told (Returned).
//
// A node that stops leaves the ring first (LeaveRing): from then on every key is
// another node's, is offered at once, and none begins here any more (Successor); the rest is
// drained.
//
// A process that was stopped for longer than its lease in etcd, and goes on, does not
// know that its keys were another node's. What it reads first waits until etcd has been
// asked (Await); then the others are asked for each key that something comes for
// (Rejoin): the life that it had there goes on. So it is where etcd has let a node go
// that could not reach it.
package cluster
