package conformance

import (
	"slices"
	"strings"
)

// check asks about some rules.
type check struct {
	rules string // ids, apart by spaces
	title string
	run   func(*probe)
	slow  bool // it waits for seconds, and so begins early
}

func (c check) ids() []string { return strings.Fields(c.rules) }

// passive are the rules that every packet of the server is held against.
const passive = "ENC-1 ENC-2 ENC-3 ENC-4 SESS-3 MSGID-2 MSGID-8 SEQ-5 SEQ-6 ACK-5 CONT-2 CONT-3 CONT-4"

// checks lists all, those that wait first.
func checks() []check {
	all := slices.Concat(
		keyChecks, bindChecks, refusedBindChecks, packetChecks, saltChecks, sessionChecks, idChecks, seqChecks,
		containerChecks, ackChecks, rpcChecks, slowChecks, stateChecks, pingChecks, orderChecks, initChecks, loginChecks, updateChecks, transportChecks, httpChecks, clientChecks,
	)
	slices.SortStableFunc(all, func(a, b check) int {
		switch {
		case a.slow == b.slow:
			return 0
		case a.slow:
			return -1
		}
		return 1
	})
	return all
}
