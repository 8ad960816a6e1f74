// Package conformance asks an MTProto server whether it keeps the protocol's
// rules, speaking as a client over TCP: to any gateway and session service,
// without an account, and with one where a phone number and code are given, and
// with slow calls where a method is known to be slow.
//
//	rules.txt   every rule, by chapter, and why some cannot be asked about
//	check.go    a check: the rules it is about and a function on a probe
//	probe.go    what checks are made of: connections, keys, verdicts
//	session.go  sessions, whose helpers end a check that is not answered right
//	*_checks.go the checks, a file for each part of the documentation
//	run.go      runs them, several at a time
//	table.go    prints a line a rule
//
// A check ends at the first thing that is not as expected, as a test does. A
// rule passes when all its checks pass and no packet of the whole run broke
// it. Keys are shared where rules allow, since they are what costs time: each
// worker has a permanent one and an unbound temporary one, and every check
// opens sessions of its own on them.
package conformance
