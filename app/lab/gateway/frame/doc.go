// Package frame is the transport layer of MTProto over a stream connection,
// server side: which of the transports a client speaks, where its packets
// begin and end, and how answers are framed.
//
//	first bytes             transport             packet
//	ef                      abridged              len/4 in 1 or 4 bytes
//	ee ee ee ee             intermediate          len in 4 bytes
//	dd dd dd dd             padded intermediate   len in 4 bytes, random tail
//	bytes 4..7 zero         full                  len, seq, payload, crc32
//	"POST", "GET " …        HTTP                  not framed here: ErrHTTP
//	anything else           obfuscated            64 bytes of keys around any
//	                                              of the first three
//
// The package allocates no more than what has arrived: a length field alone
// costs a peer's server nothing.
//
// Source: https://core.telegram.org/mtproto/mtproto-transports
package frame
