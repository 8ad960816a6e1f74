package wire

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
)

const (
	maxMembers  = 1024     // of a container (CONT-2)
	maxInflated = 10 << 20 // of a gzip_packed answer (GZIP-3)
)

// Message is one message of the server, out of its container.
type Message struct {
	ID        int64
	Seq       int32
	Body      []byte // of a gzip_packed one: what was packed
	Salt      int64  // in the header of the packet that brought it
	Container int64  // id of the container that brought it, or 0
	Packed    bool   // it came as gzip_packed
}

// Type returns the constructor, or 0 of a body that has none.
func (m Message) Type() uint32 {
	if len(m.Body) < 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(m.Body)
}

// Long returns the n-th long behind the constructor, or 0.
func (m Message) Long(n int) int64 {
	if at := 4 + 8*n; len(m.Body) >= at+8 {
		return int64(binary.LittleEndian.Uint64(m.Body[at:]))
	}
	return 0
}

// decode reads a container's member.
func (m *Message) decode(b *bin.Buffer) error {
	const before = 8 + 4 + 4
	if b.Len() < before {
		return errors.New("cut short")
	}
	le := binary.LittleEndian
	m.ID = int64(le.Uint64(b.Buf))
	m.Seq = int32(le.Uint32(b.Buf[8:]))
	n := le.Uint32(b.Buf[12:])
	b.Skip(before)
	if uint64(n) > uint64(b.Len()) || n%4 != 0 {
		return fmt.Errorf("%d bytes of %d", n, b.Len())
	}
	m.Body = b.Buf[:n]
	b.Skip(int(n))
	return nil
}

// Member is a message inside a container or a copy.
type Member struct {
	ID   int64
	Seq  int32
	Body []byte
}

// AppendTo appends the message as containers hold it.
func (m Member) AppendTo(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, uint64(m.ID))
	b = le.AppendUint32(b, uint32(m.Seq))
	b = le.AppendUint32(b, uint32(len(m.Body)))
	return append(b, m.Body...)
}

// Container lays members out as a msg_container (CONT-1).
func Container(members ...Member) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, mt.MsgContainerTypeID)
	b = le.AppendUint32(b, uint32(len(members)))
	for _, m := range members {
		b = m.AppendTo(b)
	}
	return b
}

// Gzip packs a body into gzip_packed (GZIP-1).
func Gzip(body []byte) []byte {
	return packed(body, func(z io.Writer) io.WriteCloser { return gzip.NewWriter(z) })
}

// Zlib packs a body as some clients do: gzip_packed that holds a zlib stream.
func Zlib(body []byte) []byte {
	return packed(body, func(z io.Writer) io.WriteCloser { return zlib.NewWriter(z) })
}

func packed(body []byte, stream func(io.Writer) io.WriteCloser) []byte {
	var z bytes.Buffer
	w := stream(&z)
	_, _ = w.Write(body) // a Buffer takes all
	_ = w.Close()
	var b bin.Buffer
	b.PutID(mt.GzipPackedTypeID)
	b.PutBytes(z.Bytes())
	return b.Buf
}

// Inflate unpacks a gzip_packed body and returns any other one as it is.
func Inflate(body []byte) (out []byte, packed bool, err error) {
	b := bin.Buffer{Buf: body}
	if (Message{Body: body}).Type() != mt.GzipPackedTypeID {
		return body, false, nil
	}
	var z mt.GzipPacked
	if err := z.Decode(&b); err != nil {
		return nil, true, fmt.Errorf("gzip_packed: %w", err)
	}
	r, err := gzip.NewReader(bytes.NewReader(z.PackedData))
	if err != nil {
		return nil, true, fmt.Errorf("gzip_packed: %w", err)
	}
	out, err = io.ReadAll(io.LimitReader(r, maxInflated))
	return out, true, err
}

// noAck tells the constructors that need no acknowledgement (ACK-5).
func noAck(id uint32) bool {
	return slices.Contains([]uint32{
		mt.MsgsAckTypeID, mt.MsgContainerTypeID, mt.PongTypeID, mt.FutureSaltsTypeID, mt.BadMsgNotificationTypeID,
		mt.BadServerSaltTypeID, mt.MsgsStateInfoTypeID, mt.MsgsAllInfoTypeID, mt.MsgDetailedInfoTypeID, mt.MsgNewDetailedInfoTypeID,
	}, id)
}

// content tells the constructors that do need one, of those the documentation
// names.
func content(id uint32) bool {
	return id == mt.RPCResultTypeID || id == mt.NewSessionCreatedTypeID
}
