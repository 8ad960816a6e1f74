// Package packets is how gRPC encodes and decodes what streams carry once for each
// packet of a client: requests and acknowledgments of the stream from a gateway,
// packets and answers of the stream to one, or of the calls that do its work where a
// gateway has none. They are the messages of packages session
// and gateway on the wire, byte for byte, but cost an object or two instead of eight.
// All other messages are left to protobuf, and so is whatever is unusual about these:
// what is read and what is refused does not depend on who decodes.
package packets

import (
	"sync"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/tgsession/tgsession/proto/session"
)

// Codec bears protobuf's name. Only who asks for it gets it (grpc.ForceServerCodecV2,
// grpc.ForceCodecV2): it is not registered.
var Codec encoding.CodecV2 = codec{encoding.GetCodecV2(proto.Name)}

type codec struct{ protobuf encoding.CodecV2 }

// Name implements encoding.CodecV2.
func (codec) Name() string { return proto.Name }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch v := v.(type) {
	case *Out:
		return v.marshal(), nil
	case *Request:
		return v.marshal(), nil
	case *Reply:
		if v.Err == nil && v.Key == nil {
			return v.acknowledgment(), nil
		}
		return c.protobuf.Marshal(v.message())
	}
	return c.protobuf.Marshal(v)
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch v := v.(type) {
	case *In:
		return v.unmarshal(data, c.protobuf)
	case *Answer:
		return v.unmarshal(data, c.protobuf)
	case *Bool:
		return v.unmarshal(data, c.protobuf)
	case *session.TLSessionSendDataToSession:
		return unmarshalSendData(data, v, c.protobuf)
	}
	return c.protobuf.Unmarshal(data, v)
}

// roomy is how large the buffers are that are encoded into; gRPC uses none again that
// has 1 KiB or less. Few are in use at once: a stream waits when 64 KiB are on their way.
const roomy = 1280

// pool has buffers of roomy bytes for mem.NewBuffer. gRPC's own pools clear theirs.
type pool struct{ free sync.Pool }

var leads = &pool{sync.Pool{New: func() any {
	b := make([]byte, roomy)
	return &b
}}}

// Get implements mem.BufferPool.
func (p *pool) Get(size int) *[]byte {
	if size > roomy {
		b := make([]byte, size)
		return &b
	}
	b := p.free.Get().(*[]byte)
	*b = (*b)[:size]
	return b
}

// Put implements mem.BufferPool.
func (p *pool) Put(b *[]byte) {
	if cap(*b) == roomy {
		p.free.Put(b)
	}
}
