package packets

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/internal/buffers"
	"github.com/tgsession/tgsession/proto/session"
)

// In is a session.SessionStreamRequest. RecvMsg may fill the same one again; what it
// points to is its receiver's own.
type In struct {
	RequestID string
	// Data is a request to send data, Push one to push updates; nil: it is another one,
	// which Other is.
	Data  *session.TLSessionSendDataToSession
	Push  *session.TLSessionPushUpdatesData
	Other *session.SessionStreamRequest

	server string // of the request before: a stream is one gateway's
}

// data is a request to send data, in one object.
type data struct {
	request session.TLSessionSendDataToSession
	client  session.SessionClientData
}

// Fields of session.SessionStreamRequest, TLSessionSendDataToSession and
// TLSessionPushUpdatesData.
const (
	inRequest      protowire.Number = 1
	inSendData     protowire.Number = 10
	inPushUpdates  protowire.Number = 15
	inConstructor  protowire.Number = 1
	inClientData   protowire.Number = 3
	inPermAuthKey  protowire.Number = 3
	inNotification protowire.Number = 4
	inUpdates      protowire.Number = 5
)

func (in *In) unmarshal(from mem.BufferSlice, protobuf encoding.CodecV2) error {
	in.RequestID, in.Data, in.Push, in.Other = "", nil, nil, nil
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

// read reads a request to send data or to push updates which has each field once, and
// none that is not known. False: it is something else, or nothing; in is as before then.
func (in *In) read(b []byte) bool {
	var id, body []byte
	var kind protowire.Number
	for len(b) > 0 {
		field, v, rest := consumeBytes(b)
		switch {
		case field == inRequest && id == nil && ascii(v):
			id = v
		case (field == inSendData || field == inPushUpdates) && body == nil && v != nil:
			kind, body = field, v
		default:
			return false
		}
		b = rest
	}
	switch kind {
	case inSendData:
		d := new(data)
		if !in.readSendData(body, &d.request, &d.client) {
			return false
		}
		in.Data = &d.request
	case inPushUpdates:
		push := new(session.TLSessionPushUpdatesData)
		if !readPush(body, push) {
			return false
		}
		in.Push = push
	default:
		return false
	}
	in.RequestID = string(id)
	return true
}

// unmarshalSendData reads a request that is a call of its own. A short one costs protobuf
// little; the payload of a long one lies in a buffer of package buffers, as that of a stream.
func unmarshalSendData(from mem.BufferSlice, request *session.TLSessionSendDataToSession, protobuf encoding.CodecV2) error {
	if from.Len() >= buffers.Smallest {
		b := from.MaterializeToBuffer(buffers.Pool)
		defer b.Free()
		if new(In).readSendData(b.ReadOnlyData(), request, new(session.SessionClientData)) {
			return nil
		}
	}
	return protobuf.Unmarshal(from, request)
}

// readPush reads session.TLSessionPushUpdatesData.
func readPush(b []byte, push *session.TLSessionPushUpdatesData) bool {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		if kind == protowire.BytesType {
			_, v, rest := consumeBytes(b)
			if field != inUpdates || v == nil {
				return false
			}
			push.Updates, b = append([]byte{}, v...), rest
			continue
		}
		if kind != protowire.VarintType {
			return false
		}
		v, m := protowire.ConsumeVarint(b[n:])
		if m < 0 {
			return false
		}
		switch field {
		case inConstructor:
			push.Constructor = session.TLConstructor(v)
		case inPermAuthKey:
			push.PermAuthKeyId = int64(v)
		case inNotification:
			push.Notification = protowire.DecodeBool(v)
		default:
			return false
		}
		b = b[n+m:]
	}
	return true
}

func (in *In) readSendData(b []byte, request *session.TLSessionSendDataToSession, client *session.SessionClientData) bool {
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
			request.Constructor = session.TLConstructor(v)
			b = b[n+m:]
		case field == inClientData && kind == protowire.BytesType && request.Data == nil:
			_, v, rest := consumeBytes(b)
			if v == nil || !in.readClientData(v, client) {
				return false
			}
			request.Data = client
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
	switch field {
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
		if len(v) >= buffers.Smallest {
			d.Payload = buffers.Copy(v)
		} else {
			d.Payload = append([]byte{}, v...) // Copy would make an object more
		}
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
