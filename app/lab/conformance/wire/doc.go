// Package wire is an MTProto 2.0 client that obeys. Where a library keeps its
// user from sending a wrong message, this one does what it is told: message
// ids, sequence numbers, salts, session ids, padding, containers and each step
// of the key exchange are the caller's. It judges nothing but what it reads:
// Session.Notes lists the rules that the server's own packets broke.
//
// Layers, lowest first: Conn cuts a TCP connection into packets, Handshake
// makes keys on it, Key seals and opens packets, Session numbers messages and
// takes packets apart. Nothing here starts a goroutine, and nothing is safe for
// concurrent use.
package wire
