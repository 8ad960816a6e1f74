package packets

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// Answer is a gateway.GatewayStreamResponse, of which nobody asks but this.
type Answer struct{ Success bool }

const (
	answerRequest protowire.Number = 1
	answerSuccess protowire.Number = 2
)

func (a *Answer) unmarshal(data mem.BufferSlice, protobuf encoding.CodecV2) error {
	if b := whole(data); b != nil || data.Len() == 0 {
		if _, success, ok := read(b, answerRequest, answerSuccess); ok {
			a.Success = protowire.DecodeBool(success)
			return nil
		}
	}
	var m gateway.GatewayStreamResponse
	err := protobuf.Unmarshal(data, &m)
	a.Success = m.GetSuccess()
	return err
}

// Bool is a mtproto.Bool, the answer to a Request.
type Bool struct{ True bool }

const (
	boolName        protowire.Number = 1
	boolConstructor protowire.Number = 2
	boolTrue                         = "boolTrue"
)

func (a *Bool) unmarshal(data mem.BufferSlice, protobuf encoding.CodecV2) error {
	if b := whole(data); b != nil {
		if name, _, ok := read(b, boolName, boolConstructor); ok {
			a.True = string(name) == boolTrue
			return nil
		}
	}
	var m mtproto.Bool
	err := protobuf.Unmarshal(data, &m)
	a.True = m.GetPredicateName() == boolTrue
	return err
}

// read reads a message of a string and a number, without anything unusual in it.
func read(b []byte, text, number protowire.Number) (s []byte, v uint64, ok bool) {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, 0, false
		}
		b = b[n:]
		switch {
		case field == text && kind == protowire.BytesType:
			if s, n = protowire.ConsumeBytes(b); n < 0 || !ascii(s) {
				return nil, 0, false
			}
		case field == number && kind == protowire.VarintType:
			if v, n = protowire.ConsumeVarint(b); n < 0 {
				return nil, 0, false
			}
		default:
			return nil, 0, false
		}
		b = b[n:]
	}
	return s, v, true
}

// whole is data that came in one piece; nil: it did not.
func whole(data mem.BufferSlice) []byte {
	if len(data) != 1 {
		return nil
	}
	return data[0].ReadOnlyData()
}

// ascii reports whether s is a string that any decoder takes.
func ascii(s []byte) bool {
	for _, c := range s {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
