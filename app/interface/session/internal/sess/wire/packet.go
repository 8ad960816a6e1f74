package wire

import (
	"encoding/binary"
	"errors"
)

// Bounds of the padding of a packet (rule ENC-4).
const (
	MinPadding = 12
	MaxPadding = 1024
)

// Sizes of what precedes a body.
const (
	MessageHeader = 8 + 4 + 4             // msg_id, seqno, bytes
	PacketHeader  = 8 + 8 + MessageHeader // salt, session_id
	Container     = 4 + 4                 // id, count
	ResultHeader  = 4 + 8                 // id, req_msg_id
)

// Errors of malformed input.
var (
	ErrPacket    = errors.New("wire: malformed packet")
	ErrContainer = errors.New("wire: malformed container")
)

// Message is a message of either side. Body aliases the packet.
type Message struct {
	ID   int64
	Seq  int32
	Body []byte
}

// ParsePacket reads what a gateway passes on of a client's packet: msg_id,
// seq_no, length, body and padding (rule ENC-6).
func ParsePacket(p []byte) (Message, error) {
	r := NewReader(p)
	m := Message{ID: r.Long(), Seq: r.Int()}
	n := int(r.Int())
	if n%4 != 0 {
		return Message{}, ErrPacket
	}
	m.Body = r.take(n)
	if padding := len(r.b); !r.OK() || padding < MinPadding || padding > MaxPadding {
		return Message{}, ErrPacket
	}
	return m, nil
}

// Members appends the members of msg_container#73f1f8dc to dst (rule CONT-1).
// body starts with the id; more than limit members are an error.
func Members(dst []Message, body []byte, limit int) ([]Message, error) {
	r := NewReader(body)
	r.expect(IDMsgContainer)
	n := int(r.Int())
	if !r.OK() || n < 0 || n > limit || n > len(r.b)/MessageHeader {
		return dst, ErrContainer
	}
	for range n {
		dst = append(dst, r.message())
	}
	if !r.Done() {
		return dst, ErrContainer
	}
	return dst, nil
}

// message reads one message with its header.
func (r *Reader) message() Message {
	m := Message{ID: r.Long(), Seq: r.Int()}
	n := int(r.Int())
	if n%4 != 0 {
		r.bad, r.b = true, nil
	}
	m.Body = r.take(n)
	return m
}

// Copy reads the message inside msg_copy#e06046b2 (rule COPY-1).
func Copy(body []byte) (Message, bool) {
	r := NewReader(body)
	r.expect(IDMsgCopy)
	m := r.message()
	return m, r.Done()
}

// AppendPacketHeader begins a packet for a gateway, whose body of n bytes follows.
func AppendPacketHeader(dst []byte, salt, session, id int64, seq int32, n int) []byte {
	dst = appendLong(dst, salt)
	dst = appendLong(dst, session)
	return AppendMessageHeader(dst, id, seq, n)
}

// AppendMessageHeader begins a message, whose body of n bytes follows.
func AppendMessageHeader(dst []byte, id int64, seq int32, n int) []byte {
	dst = appendLong(dst, id)
	dst = appendInt(dst, seq)
	return appendInt(dst, int32(n))
}

// AppendContainer begins a container, whose n members follow.
func AppendContainer(dst []byte, n int) []byte {
	dst = appendID(dst, IDMsgContainer)
	return appendInt(dst, int32(n))
}

func appendID(dst []byte, id uint32) []byte { return binary.LittleEndian.AppendUint32(dst, id) }

func appendInt(dst []byte, v int32) []byte {
	return binary.LittleEndian.AppendUint32(dst, uint32(v))
}

func appendLong(dst []byte, v int64) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(v))
}

// AppendBytes appends bytes or a string, which is at most 16 MiB - 1 long.
func AppendBytes[T string | []byte](dst []byte, s T) []byte {
	start := len(dst)
	if len(s) < 254 {
		dst = append(dst, byte(len(s)))
	} else {
		dst = append(dst, 254, byte(len(s)), byte(len(s)>>8), byte(len(s)>>16))
	}
	dst = append(dst, s...)
	for (len(dst)-start)%4 != 0 {
		dst = append(dst, 0)
	}
	return dst
}
