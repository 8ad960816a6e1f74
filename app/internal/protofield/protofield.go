// Package protofield appends single fields to protobuf messages that are written by hand:
// where generated code costs too much, or where a message belongs to no release of ours.
// As proto3 has it, a zero and an empty text are left out.
package protofield

import "google.golang.org/protobuf/encoding/protowire"

// Int appends a field of one of the kinds int32, int64, uint32, uint64 and bool.
func Int(b []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

// String appends a field of the kind string, which must be UTF-8.
func String(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

// Message appends a message inside the message, an empty one, too.
func Message(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}
