// Package wire reads and writes what the two sides of an MTProto session say
// to each other about the session itself: packets, containers, service
// messages, and the wrappers around API calls. Everything is little endian TL
// (https://core.telegram.org/mtproto/serialize).
//
// Reading never copies: bytes returned alias the input. Writing appends to a
// slice of the caller. Nothing here panics or allocates in proportion to a
// count that the input merely claims.
package wire
