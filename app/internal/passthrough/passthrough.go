// Package passthrough sends and receives gRPC messages whose encoding is made
// and read elsewhere: API calls are protobuf before they come to gRPC, and
// stay bytes behind it.
package passthrough

import (
	"fmt"
	"slices"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/tgsession/tgsession/app/internal/buffers"
)

// Frame is a message that is encoded already. Sent, it belongs to gRPC until
// the call ends; received, it is the caller's own.
type Frame []byte

// Reply is a message that is received, and stays encoded where it came in, which is used
// for others after Free: an answer of a megabyte costs no room of its own.
type Reply struct {
	// For is whose reply it is; 0: nobody's. Large replies of one owner come a few at a
	// time (package unary).
	For  int64
	room mem.Buffer
}

// Owner implements unary.Owned.
func (r *Reply) Owner() int64 { return r.For }

// Bytes is the message; not to be used after Free, nor changed.
func (r *Reply) Bytes() []byte {
	if r.room == nil {
		return nil
	}
	return r.room.ReadOnlyData()
}

// Room is where the message is; nil: nothing was received. Who frees it does so once.
func (r *Reply) Room() mem.Buffer { return r.room }

// Take has r be what data holds, which stays the caller's.
func (r *Reply) Take(data mem.BufferSlice) {
	if len(data) == 1 {
		data[0].Ref()
		r.room = data[0]
		return
	}
	r.room = data.MaterializeToBuffer(buffers.Pool) // gRPC's own gives a megabyte to what has 33 KB
}

// Codec passes Frames and Replies through and encodes everything else (the messages of
// the health service, say) as protobuf. It bears protobuf's name, because
// stock peers know no other content-subtype (PEERS.md, "BFF calls"). Only who asks
// for it gets it (grpc.ForceCodecV2, grpc.ForceServerCodecV2): it is not
// registered.
var Codec encoding.CodecV2 = codec{encoding.GetCodecV2(proto.Name)}

type codec struct{ protobuf encoding.CodecV2 }

func (codec) Name() string { return proto.Name }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch v := v.(type) {
	case Frame:
		return mem.BufferSlice{mem.SliceBuffer(v)}, nil
	case *Frame:
		return mem.BufferSlice{mem.SliceBuffer(*v)}, nil
	}
	return c.protobuf.Marshal(v)
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch v := v.(type) {
	case *Frame:
		*v = whole(data)
		return nil
	case *Reply:
		v.Take(data)
		return nil
	case Frame:
		return fmt.Errorf("passthrough: cannot receive into a %T, only into a *Frame", v)
	}
	return c.protobuf.Unmarshal(data, v)
}

// whole is the bytes of a message. A SliceBuffer is the garbage collector's, so a message
// that is one is taken as it is; others go back to a pool, and are copied.
func whole(data mem.BufferSlice) Frame {
	if len(data) == 1 {
		if b, ok := data[0].(mem.SliceBuffer); ok {
			return slices.Clip(Frame(b))
		}
	}
	return data.Materialize()
}
