// Package unary makes short unary gRPC calls with little around them. gRPC itself makes
// forty objects for a call, and hands it from goroutine to goroutine six times; for a call
// whose handler does little that is most of what it costs.
//
// A Client intercepts the calls of a client connection of gRPC. Beside each connection that gRPC has
// to its peer it keeps one of its own to the same address, for as long as gRPC keeps that:
// who the peers are, when one is given up and when it is tried again is gRPC's business. It
// takes calls that are short and ask for nothing special, and only while there is one such
// connection, so that there is nothing to choose; gRPC makes all others. A call that the
// peer has refused unseen goes to gRPC, too.
//
// Large replies of one owner are read a few at a time (shares.go).
//
// Peers see HTTP/2 as gRPC's clients speak it (PROTOCOL-HTTP2.md of gRPC).
package unary
