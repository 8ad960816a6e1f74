// Package gateway is a development gateway: clients speak real MTProto to it
// over TCP, WebSockets and HTTP, and it speaks to the session service by the contract of
// the stock gateway and nothing else.
//
//	client ──frame──▶ conn ──▶ keyex   (plain messages: key exchange)
//	                   │  └──▶ packet  (encrypted ones: open, check)
//	                   ▼                    │
//	                  hub ◀── RPCGateway    └──▶ upstream ──▶ session
//
// Clients that speak HTTP (http.go) share the port: a packet in each request,
// and in its response what session answers it with. A WebSocket (websocket.go)
// is opened by such a request and is a connection like any other then.
//
// Goroutines: one that accepts; for each connection one that reads and one
// that writes; those of gRPC. A connection's packets reach session in the
// order they came in, one call at a time; its answers wait in an outbox
// bounded by count and bytes, and a client too slow for it is cut off.
//
// It is made for development, tests and measurements: it limits each
// connection, not each address.
package gateway
