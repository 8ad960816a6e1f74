package conformance

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// server is what the servers of these tests have in common.
type server struct {
	mu   sync.Mutex
	last int64
}

// message is one of the server's with the next id. The caller holds mu.
func (s *server) message(in *crypto.EncryptedMessageData, seq int32, body []byte) crypto.EncryptedMessageData {
	s.last = max(time.Now().Unix()<<32, s.last) + 4 | 1
	return crypto.EncryptedMessageData{
		Salt: in.Salt, SessionID: in.SessionID, MessageID: s.last, SeqNo: seq, MessageDataLen: int32(len(body)), MessageDataWithPadding: body,
	}
}

// each takes a packet of the suite apart.
func each(in *crypto.EncryptedMessageData, f func(id int64, body []byte)) {
	body := in.Data()
	if (wire.Message{Body: body}).Type() != mt.MsgContainerTypeID {
		f(in.MessageID, body)
		return
	}
	for at := 8; at < len(body); {
		id := int64(binary.LittleEndian.Uint64(body[at:]))
		end := at + 16 + int(binary.LittleEndian.Uint32(body[at+12:]))
		f(id, body[at+16:end])
		at = end
	}
}

func result(id int64, body []byte) []byte {
	var b bin.Buffer
	b.PutID(mt.RPCResultTypeID)
	b.PutLong(id)
	b.Put(body)
	return b.Buf
}

// inner is the call that the suite has put into initialised.
func inner(body []byte) []byte {
	if (wire.Message{Body: body}).Type() != tg.InvokeWithLayerRequestTypeID {
		return body
	}
	b := bin.Buffer{Buf: body[4+4+4+4+4:]} // both constructors, layer, flags, api_id
	for range 6 {
		_, _ = b.String()
	}
	return b.Buf
}

// scripted answers pings, and calls with what answers says of their
// constructor: an object, or one that is encoded already. It gets the whole
// message. Other calls are unknown.
type scripted struct {
	server
	answers map[uint32]func(body []byte) any
}

func (s *scripted) take(in *crypto.EncryptedMessageData, push func(...crypto.EncryptedMessageData)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	each(in, func(id int64, body []byte) {
		call := wire.Message{Body: inner(body)}
		if call.Type() == mt.PingRequestTypeID {
			push(s.message(in, 0, encode(&mt.Pong{MsgID: id, PingID: call.Long(0)})))
			return
		}
		answer := any(&mt.RPCError{ErrorCode: 400, ErrorMessage: "INPUT_METHOD_INVALID"})
		if f := s.answers[call.Type()]; f != nil {
			answer = f(body)
		}
		out, ok := answer.([]byte)
		if !ok {
			out = encode(answer.(bin.Encoder)) // there is nothing else
		}
		push(s.message(in, 1, result(id, out)))
	})
	return true
}
