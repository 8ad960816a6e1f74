package bff

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	encproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// frame is the protobuf encoding of a message whose type gRPC need not know.
type frame []byte

// codec passes frames through and hands real messages, as those of the
// health service, to protobuf. It bears protobuf's name: session sends no
// other content subtype.
type codec struct{ protobuf encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(encproto.Name)} }

func (c codec) Name() string { return encproto.Name }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		return mem.BufferSlice{mem.SliceBuffer(*f)}, nil
	}
	out, err := c.protobuf.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("bff: %w", err)
	}
	return out, nil
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if f, ok := v.(*frame); ok {
		*f = data.Materialize()
		return nil
	}
	if err := c.protobuf.Unmarshal(data, v); err != nil {
		return fmt.Errorf("bff: %w", err)
	}
	return nil
}
