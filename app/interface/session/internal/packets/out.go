package packets

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/internal/protofield"
	"github.com/tgsession/tgsession/proto/gateway"
)

// Out is a gateway.GatewayStreamRequest with a packet for a client. What is sent may be
// used for the next one when SendMsg is back; Payload stays as it is.
type Out struct {
	AuthKeyID int64 // transport key
	SessionID int64
	Payload   []byte
}

// Fields of gateway.GatewayStreamRequest and what is in it.
const (
	outData    protowire.Number = 10
	outAuthKey protowire.Number = 3
	outSession protowire.Number = 4
	outPayload protowire.Number = 5
)

// copied is up to which size a payload is copied behind what leads it, rather than
// written from where it is.
const copied = 1 << 10

func (o *Out) marshal() mem.BufferSlice {
	inside := sizeInt(outAuthKey, o.AuthKeyID) + sizeInt(outSession, o.SessionID)
	if len(o.Payload) > 0 {
		inside += protowire.SizeTag(outPayload) + protowire.SizeBytes(len(o.Payload))
	}
	buf := buffers.Get(0)
	b := protowire.AppendTag((*buf)[:0], outData, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(inside)) //nolint:gosec // not negative
	b = protofield.Int(b, outAuthKey, o.AuthKeyID)
	b = protofield.Int(b, outSession, o.SessionID)
	if len(o.Payload) > 0 {
		b = protowire.AppendTag(b, outPayload, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(len(o.Payload)))
	}
	if len(o.Payload) > copied {
		*buf = b
		return mem.BufferSlice{mem.NewBuffer(buf, buffers), mem.SliceBuffer(o.Payload)}
	}
	b = append(b, o.Payload...)
	*buf = b
	return mem.BufferSlice{mem.NewBuffer(buf, buffers)}
}

func sizeInt(field protowire.Number, v int64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(field) + protowire.SizeVarint(uint64(v)) //nolint:gosec // as protobuf has it
}

// Answer is a gateway.GatewayStreamResponse, of which nobody asks but this.
type Answer struct{ Success bool }

const (
	answerRequest protowire.Number = 1
	answerSuccess protowire.Number = 2
)

func (a *Answer) unmarshal(data mem.BufferSlice, protobuf encoding.CodecV2) error {
	if b := whole(data); b != nil || data.Len() == 0 {
		if success, ok := readAnswer(b); ok {
			a.Success = success
			return nil
		}
	}
	var m gateway.GatewayStreamResponse
	err := protobuf.Unmarshal(data, &m)
	a.Success = m.GetSuccess()
	return err
}

// readAnswer reads an answer without anything unusual in it.
func readAnswer(b []byte) (success, ok bool) {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false, false
		}
		b = b[n:]
		switch {
		case field == answerRequest && kind == protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 || !ascii(v) {
				return false, false
			}
			b = b[n:]
		case field == answerSuccess && kind == protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return false, false
			}
			success, b = protowire.DecodeBool(v), b[n:]
		default:
			return false, false
		}
	}
	return success, true
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
