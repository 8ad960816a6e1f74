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
package runloop
