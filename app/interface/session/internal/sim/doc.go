// Package sim runs whole clusters on virtual time, to find what no single
// test thinks of. A seed decides everything that happens in a run: the same
// seed has the same trace.
//
//	clients ──▶ gateways ──▶ session nodes ──▶ authsession, BFF, status
//	 3 to 6        2      ◀──      3      ◀── sync
//
// It serves tests alone.
package sim
