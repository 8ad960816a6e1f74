package packets

import (
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/internal/buffers"
	"github.com/tgsession/tgsession/app/internal/protofield"
)

// Out is a gateway.GatewayStreamRequest with a packet for a client. What is sent may be
// used for the next one when SendMsg is back; Payload and Tail stay as they are.
type Out struct {
	AuthKeyID int64 // transport key
	SessionID int64
	Payload   []byte
	Tail      []byte        // what follows Payload
	Room      *buffers.Room // where Tail is; gRPC holds it until it has written it
}

// Request is a gateway.TLGatewaySendDataToGateway: the same packet as a call of its own.
type Request Out

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
	size := len(o.Payload) + len(o.Tail)
	inside := sizeInt(outAuthKey, o.AuthKeyID) + sizeInt(outSession, o.SessionID)
	if size > 0 {
		inside += protowire.SizeTag(outPayload) + protowire.SizeBytes(size)
	}
	buf := leads.Get(0)
	b := protowire.AppendTag((*buf)[:0], outData, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(inside))
	*buf = o.lead(b, size)
	return o.follow(buf)
}

func (r *Request) marshal() mem.BufferSlice {
	buf := leads.Get(0)
	*buf = (*Out)(r).lead((*buf)[:0], len(r.Payload)+len(r.Tail))
	return (*Out)(r).follow(buf)
}

// lead appends what stands before a packet of size bytes.
func (o *Out) lead(b []byte, size int) []byte {
	b = protofield.Int(b, outAuthKey, o.AuthKeyID)
	b = protofield.Int(b, outSession, o.SessionID)
	if size > 0 {
		b = protowire.AppendTag(b, outPayload, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(size))
	}
	return b
}

// follow has the packet follow what leads it.
func (o *Out) follow(buf *[]byte) mem.BufferSlice {
	if len(o.Payload) <= copied {
		*buf = append(*buf, o.Payload...)
	}
	all := mem.BufferSlice{mem.NewBuffer(buf, leads)}
	if len(o.Payload) > copied {
		all = append(all, mem.SliceBuffer(o.Payload))
	}
	if len(o.Tail) > 0 {
		all = append(all, o.Room.Buffer(o.Tail))
	}
	return all
}

func sizeInt(field protowire.Number, v int64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(field) + protowire.SizeVarint(uint64(v))
}
