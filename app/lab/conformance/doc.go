// Package conformance asks an MTProto server whether it keeps the protocol's
// rules, speaking as a client over TCP: to any gateway and session service,
// without an account, and with one where a phone number and code are given, and
// with slow calls where a method is known to be slow.
//
//	rules.txt   every rule, by chapter, and why some cannot be asked about
//	check.go    a check: the rules it is about and a function on a probe
//	probe.go    what checks are made of: connections, keys, verdicts
//	session.go  sessions, whose helpers end a check that is not answered right
//	*_checks.go the checks, see below
//	run.go      runs them, several at a time
//	table.go    prints a line a rule
//
// A check ends at the first thing that is not as expected, as a test does. A
// rule passes when all its checks pass and no packet of the whole run broke
// it. Keys are shared where rules allow, since they are what costs time: each
// worker has a permanent one and an unbound temporary one, and every check
// opens sessions of its own on them.
//
// Where the checks of a rule are, by its id:
//
//	KEY                  key_checks.go
//	PFS                  bind_checks.go
//	ENC, SALT            packet_checks.go
//	SESS                 session_checks.go
//	MSGID, SEQ           id_checks.go
//	CONT, COPY, GZIP,    container_checks.go
//	ACK
//	RPC, STATE, ERR      rpc_checks.go
//	BAD                  with the rule that the client breaks
//	PING, AFTER, INIT    order_checks.go
//	HTTP                 http_checks.go
//	UPD                  update_checks.go
//	TR                   transport_checks.go
//	CLIENT               client_checks.go
//	any, by a slow call  slow_checks.go
//	any, by a new login  login_checks.go
//
// A check:
//
//	{rules: "X-1 Y-2", title: "a call and a ping in a container", run: func(p *probe) {
//		s := p.session()
//		call, other := s.member(encode(nearestDC), true), s.member(ping(5), false)
//		s.pack(call, other)
//		s.result(call.ID)
//		s.pong(other.ID)
//	}},
//
// p.session opens a session. s.member makes a message for a container, s.pack sends
// members in one; s.post sends a message alone, s.call an API call. Their argument
// content says whether the message is content-related, that is, has an odd seqno. All
// but member return the msg_id. s.pong, s.result, s.refused and s.bad await the answer
// to a msg_id, and end the check as failed if another one or none comes; p.check does
// so where its condition is false.
package conformance
