// Package sim lives through whole clusters on virtual time, to find what no
// single test thinks of. It serves tests alone:
//
//	make sim SEEDS=200 START=1
//	make sim START=4711 SEEDS=1 SIM_TRACE=1    replays one seed, and prints all of it
//
// # A run
//
//	client1..6 ──▶ gateway1, 2 ──▶ session1, 2, 3 ──▶ authsession, BFF, status
//	  TCP or HTTP   unary or     ◀──     ▲   │  ▲
//	                streams              │   └──┘ redirects, requests sent on
//	                              sync ──┘
//
// First a storm (fault injection, faults.go): packets are lost, doubled, late and out of order; calls are
// refused, lost, cut off or done without an answer; peers are away for a while;
// nodes crash, leave and join, so that keys move, stand still when others ask them for keys, and
// their clocks are set; gateways
// crash; clients have wrong clocks, change gateways, sessions and keys, go away and come back, call,
// repeat (also as copies), drop, tell what they have, name a session that push
// messages wake, log out, and are revoked; temp keys end; and somebody on the path
// records packets, and plays them again later. Then the network heals, and everything
// must come to its end. Then all clients go, and nothing may be left of them.
//
// One run in eight is a siege instead (siege.go): all is well, but that gateways are slow
// (links.go) and one client means harm (hostile.go). The others repeat nothing, and must
// be served in time.
//
// # What decides
//
// One goroutine runs everything: a queue of events by virtual time, and fibers
// (coroutines) for functions that wait. Whatever is a matter of chance, from the
// latency of a packet to the moment at which a processor is there for a runLoop,
// is drawn from the seed. So the same seed has the same trace, whose hash is
// compared, and a failure replays.
//
// A client is in client.go, its sessions with what they send in client_send.go, what they
// receive in client_receive.go, and what they say of messages that came in client_state.go.
//
// # What is real
//
// Of a node: the state machines (sess), their actors with mailboxes, timing
// wheel, call queues, HTTP slots, draining and handing over (runloop), the
// lanes and pools (lane), the resolution of transport keys (keys), the ring, the calls
// to other nodes, and what becomes of keys and pushes when it changes (cluster), the
// way of an API call to a BFF (dispatch), the calls to authsession (peers), also those
// that report use, and what the handlers do with a request (server). They are put
// together as they are in life (svc.Build), on a clock and a starter of functions
// that are given to them; smaller limits are configuration.
//
// # What is modelled
//
// gRPC with its deadlines; the links to gateways (package gateway: here a packet
// arrives, fails or is lost; under siege there are queues, shares and retries) and the
// reports to status; the handlers' waiting for an answer (here a fallback at the
// deadline); go-zero's breakers, which are off;
// etcd, which tells everyone the list of nodes in their own time; in some runs other
// nodes of an earlier release, which know no calls about keys that move; and the peers:
// gateways as PEERS.md describes them, an authsession (in some runs a stock one,
// without the calls of our own), a BFF whose answers say whom they are for,
// status, sync. A client encrypts nothing: its packets carry the id of their key,
// and what it gets is compared with what was given to that key, session and
// message.
//
// # What must hold
//
// watch.go is the oracle: it sees what all have done, and ends the run where that is
// wrong. In every step (watch.go, machine.go): a message is given to the BFF at most
// once, also when its session has ended since, unless its node has crashed or its key
// has moved (once.go); nobody gets what is another's; message ids, seqnos and containers
// keep the rules; what a key holds is bounded, and what it has others do (causes.go); no
// good message is called bad, and nobody who is logged in is refused; what is acknowledged is not sent again; a revoked
// key hears nothing of its login; requests are answered once, and in time; what a node
// takes comes to a machine, and a key that is another's is let go (mailbox.go). In the
// end (run.go): every call is answered; what happened to a user each of its devices has
// seen, or was told afterwards that it is to fetch it (journal.go); whoever was to be
// woken was; and nothing is left.
//
// sabotage_test.go breaks machines in many ways (mutation testing), faults_test.go puts
// back faults that session had, and both ask that each is found.
package sim
