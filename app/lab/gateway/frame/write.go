package frame

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
)

// Out is one thing to send: a packet, or the token of a quick acknowledgement
// when Packet is nil.
type Out struct {
	Packet []byte
	Token  uint32
}

// WritePackets frames all of them and hands them to the connection in one
// write. The slices are only read and not kept.
func (s *Stream) WritePackets(outs ...Out) error {
	s.out = s.out[:0]
	for _, o := range outs {
		if o.Packet == nil {
			s.out = s.appendToken(s.out, o.Token)
			continue
		}
		if len(o.Packet)%4 != 0 || len(o.Packet) > s.max {
			return fmt.Errorf("%w: %d bytes", ErrLength, len(o.Packet))
		}
		s.out = s.appendPacket(s.out, o.Packet)
	}
	_, err := s.w.Write(s.out)
	if cap(s.out) > keepBuffer {
		s.out = nil
	}
	return err
}

// keepBuffer is the largest write buffer an idle connection holds on to.
const keepBuffer = 64 << 10

// TransportError is the body of a packet that carries nothing but a negative
// code: -404 unknown key or bad handshake, -429 too much, -444 wrong data
// centre (TR-8).
func TransportError(code int32) []byte {
	return binary.LittleEndian.AppendUint32(nil, uint32(code))
}

func (s *Stream) appendPacket(dst, packet []byte) []byte {
	switch s.transport {
	case Abridged:
		if n := len(packet) / 4; n < abridgedLong {
			dst = append(dst, byte(n))
		} else {
			dst = append(dst, abridgedLong, byte(n), byte(n>>8), byte(n>>16))
		}
		return append(dst, packet...)
	case Full:
		at := len(dst)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(packet)+fullOverhead))
		dst = binary.LittleEndian.AppendUint32(dst, s.writeSeq)
		s.writeSeq++
		dst = append(dst, packet...)
		return binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[at:]))
	case Padded:
		pad := padding()
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(packet)+len(pad)))
		return append(append(dst, packet...), pad...)
	default:
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(packet)))
		return append(dst, packet...)
	}
}

// appendToken answers a quick acknowledgement (TR-7). The full transport has
// none, and its clients cannot ask.
func (s *Stream) appendToken(dst []byte, token uint32) []byte {
	switch s.transport {
	case Abridged:
		return binary.LittleEndian.AppendUint32(dst, bits.ReverseBytes32(token))
	case Intermediate:
		return binary.LittleEndian.AppendUint32(dst, token)
	case Padded:
		body := binary.LittleEndian.AppendUint32(nil, ^uint32(0))
		return s.appendPacket(dst, binary.LittleEndian.AppendUint32(body, token))
	default:
		return dst
	}
}

// padding returns 0 to 3 random bytes. The transport allows 15, but clients
// exist that cut only what makes the length a multiple of four.
func padding() []byte {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return b[:b[3]&3]
}
