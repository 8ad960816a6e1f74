package packets

import (
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/internal/protofield"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// Reply is a session.SessionStreamResponse: an acknowledgment unless it has an error or
// a key.
type Reply struct {
	RequestID string
	Err       error // a status
	Key       *mtproto.AuthKeyInfo
}

// success is the fields behind request_id of an acknowledgment: SessionStreamAck with
// success set.
var success = []byte{10<<3 | byte(protowire.BytesType), 2, 1<<3 | byte(protowire.VarintType), 1}

func (r *Reply) acknowledgment() mem.BufferSlice {
	buf := leads.Get(0)
	b := (*buf)[:0]
	b = protofield.String(b, 1, r.RequestID)
	b = append(b, success...)
	*buf = b
	return mem.BufferSlice{mem.NewBuffer(buf, leads)}
}

func (r *Reply) message() *session.SessionStreamResponse {
	m := &session.SessionStreamResponse{RequestId: r.RequestID}
	if r.Err == nil {
		m.Payload = &session.SessionStreamResponse_AuthKey{AuthKey: r.Key}
		return m
	}
	s := status.Convert(r.Err)
	m.Payload = &session.SessionStreamResponse_Error{Error: &session.SessionStreamError{Code: int32(s.Code()), Message: s.Message()}}
	return m
}
