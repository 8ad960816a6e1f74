// Package netns runs a client program in a Linux network namespace of its own
// that has the loopback interface and nothing else.
//
// A client that is built for one installation (TDLib, Telegram Desktop) knows
// that installation's addresses by heart and has ways to look up more. Inside
// such a namespace no packet can leave the machine, whatever the program tries.
//
// What the program may reach are addresses on loopback that the caller names:
// Main, which runs inside, listens there and passes each connection through a
// unix socket, the only way across the border of the namespace. A Bridge
// outside takes it from there and connects to the gateway.
//
//	outside                    │ inside
//	gateway ◀─TCP─ Bridge ◀─unix socket─ Main ◀─TCP─ program
//
// Each program has a namespace of its own, so several may use the same
// addresses at once and reach different gateways. Linux only; Check tells why
// a machine cannot make namespaces.
package netns
