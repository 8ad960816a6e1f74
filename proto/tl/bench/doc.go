// Command bench races package tl against what one would use instead, on the same payloads, in one process:
//
//	tl         this engine: TL -> protobuf, protobuf -> TL
//	gotd       decode into the structs of github.com/gotd/td/tg and encode them again: the best a typed codec does
//	dynamicpb  protobuf messages without generated code, over descriptors built from the same table set
//	memmove    a plain copy of the TL: the floor
//
// A transcoder over dynamicpb would fill a dynamic message from TL and marshal it, or unmarshal one and walk over it. What
// is measured here is less than that: unmarshal plus marshal stands for the former, unmarshal plus a walk over all values
// for the latter, so that no reading or writing of TL is billed to the rival.
//
// The machine is rarely quiet. Contestants therefore take turns, round after round, and the best turns are compared. Each turn
// begins after a collection of garbage and is long enough to pay for one's own, as a server in steady state does; with
// -turn=1ms -garbage=0 there are no collections, and what is left is the codecs' work without that of the collector. Run it
// with `make bench-tl`; `go test -bench .` gives the same in Go's own form, for profiles.
package main
