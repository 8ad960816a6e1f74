// Package tcpproxy is a bad network between a client and a server, for tests and for the lab.
//
// A Proxy listens on a loopback port and passes all bytes on until it is told to make a fault:
//
//	Cut, CutSeen  break all connections, and new ones as soon as they are made
//	Refuse        break all connections; the system refuses new ones
//	Hold          let connections stand while nothing passes
//	Delay, Jitter hold up what passes in both directions, by a fixed or a random time
//	Stall         hold up single pieces of what clients say
//	Silence       be a gRPC server that greets its clients and answers nothing
//	Lead, Follow  take new connections to another server
//
// Restore ends Cut, Hold and Silence. Accepted and Requests count, so that a test can say how
// many connections or round trips something takes.
package tcpproxy
