package packets

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/session"
)

// In is a session.SessionStreamRequest. RecvMsg may fill the same one again; what it
// points to is its receiver's own.
type In struct {
	RequestID string
	// Data is a request to send data; nil: it is another one, which Other is.
	Data  *session.TLSessionSendDataToSession
	Other *session.SessionStreamRequest

	server string // of the request before: a stream is one gateway's
}

// data is a request to send data, in one object.
type data struct {
	request session.TLSessionSendDataToSession
	client  session.SessionClientData
}

// Fields of session.SessionStreamRequest and of TLSessionSendDataToSession.
const (
	inRequest     protowire.Number = 1
	inSendData    protowire.Number = 10
	inConstructor protowire.Number = 1
	inClientData  protowire.Number = 3
)

func (in *In) unmarshal(from mem.BufferSlice, protobuf encoding.CodecV2) error {
	in.RequestID, in.Data, in.Other = "", nil, nil
	if b := whole(from); b != nil && in.read(b) {
		return nil
	}
	m := new(session.SessionStreamRequest)
	if err := protobuf.Unmarshal(from, m); err != nil {
		return err
	}
	in.RequestID, in.Other = m.GetRequestId(), m
	return nil
}

// read reads a request to send data which has each field once, and none that is not
// known. False: it is something else, or nothing; in is as before then.
func (in *In) read(b []byte) bool {
	var id, body []byte
	for len(b) > 0 {
		field, v, rest := consumeBytes(b)
		switch {
		case field == inRequest && id == nil && ascii(v):
			id = v
		case field == inSendData && body == nil && v != nil:
			body = v
		default:
			return false
		}
		b = rest
	}
	if body == nil {
		return false
	}
	d := new(data)
	if !in.readSendData(body, d) {
		return false
	}
	in.RequestID, in.Data = string(id), &d.request
	return true
}

func (in *In) readSendData(b []byte, d *data) bool {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		switch {
		case field == inConstructor && kind == protowire.VarintType:
			v, m := protowire.ConsumeVarint(b[n:])
			if m < 0 {
				return false
			}
			d.request.Constructor = session.TLConstructor(v) //nolint:gosec // as protobuf has it
			b = b[n+m:]
		case field == inClientData && kind == protowire.BytesType && d.request.Data == nil:
			_, v, rest := consumeBytes(b)
			if v == nil || !in.readClientData(v, &d.client) {
				return false
			}
			d.request.Data = &d.client
			b = rest
		default:
			return false
		}
	}
	return true
}

// readClientData reads session.SessionClientData.
func (in *In) readClientData(b []byte, d *session.SessionClientData) bool {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		switch kind {
		case protowire.VarintType:
			v, m := protowire.ConsumeVarint(b[n:])
			if m < 0 || !setInt(d, field, v) {
				return false
			}
			b = b[n+m:]
		case protowire.BytesType:
			_, v, rest := consumeBytes(b)
			if v == nil || !in.setBytes(d, field, v) {
				return false
			}
			b = rest
		default:
			return false
		}
	}
	return true
}

func setInt(d *session.SessionClientData, field protowire.Number, v uint64) bool {
	switch field { //nolint:gosec // numbers as protobuf has them
	case 2:
		d.Constructor = session.TLConstructor(v)
	case 4:
		d.ConnType = int32(v)
	case 5:
		d.AuthKeyId = int64(v)
	case 6:
		d.KeyType = int32(v)
	case 7:
		d.PermAuthKeyId = int64(v)
	case 8:
		d.SessionId = int64(v)
	case 10:
		d.QuickAck = int32(v)
	case 11:
		d.Salt = int64(v)
	default:
		return false
	}
	return true
}

func (in *In) setBytes(d *session.SessionClientData, field protowire.Number, v []byte) bool {
	switch field {
	case 1:
		d.PredicateName = string(v)
	case 3:
		if string(v) != in.server {
			in.server = string(v)
		}
		d.ServerId = in.server
	case 9:
		d.ClientIp = string(v)
	case 12:
		d.Payload = append([]byte{}, v...)
		return true
	default:
		return false
	}
	return ascii(v)
}

// consumeBytes takes a field of the kind bytes; v is nil when it is none.
func consumeBytes(b []byte) (field protowire.Number, v, rest []byte) {
	field, kind, n := protowire.ConsumeTag(b)
	if n < 0 || kind != protowire.BytesType {
		return 0, nil, nil
	}
	v, m := protowire.ConsumeBytes(b[n:])
	if m < 0 {
		return 0, nil, nil
	}
	return field, v, b[n+m:]
}
