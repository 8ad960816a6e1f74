// Package runloop gives each auth key its actor: a state machine (package
// sess) with a bounded mailbox in front of it and peers behind it.
//
//	             Post                         Step
//	server ───────────▶ sessionDataChan ─ runLoop ─▶ sess.MainAuthWrapper
//	                         ▲                            │ effects
//	      CallDone, Tick ────┤        ┌───────────────────┼──────────┐
//	                         │        ▼                   ▼          ▼
//	                    rpcRunLoop ◀─ rpcQueue         gateways   HTTP slots
//	                    timing wheel ◀─ WakeAt
//
// An actor owns its state machine: only its runLoop steps it, and a runLoop
// exists only while the mailbox holds something. An idle actor therefore has
// no goroutine, no channel and no timer of its own; its next wake-up hangs on
// the timing wheel that all actors share, in links that are part of the
// actor.
//
// A runLoop never waits for a peer: calls go to rpcQueue, whose workers
// (rpcRunLoop) run them concurrently and post the outcome back; packets go to
// the gateways' queues.
//
// Lock order: actor.mu, then a shard of the manager's map, or the wheel's.
//
// # Words
//
//	to owe     the node has accepted an input already, so no mailbox may refuse it (Owe, owed)
//	heir       of a temp key: the perm key that got its sessions
//	successor  of a node that has left the ring: the node that gets a perm key from it
//	signpost   an actor without a machine that stays in the map for a while and says where its
//	           sessions or its key have gone
//	moved      of an actor: its sessions went to its heir on this node
//	away       of an actor: its key went to another node, which asked for it
//	guest      an actor that was made while the ring gave its key to another node
//	doubt      the key may have lived on another node while it stood still here (doubt.go)
//	behind     the key has updates that its client may not have
//	drained    nothing that the actor accepted is in flight any more
package runloop
