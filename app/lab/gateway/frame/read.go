package frame

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// Errors of ReadPacket that condemn the connection.
var (
	ErrTooLong  = errors.New("frame: packet longer than allowed")
	ErrLength   = errors.New("frame: impossible packet length")
	ErrSequence = errors.New("frame: packet out of sequence")
	ErrChecksum = errors.New("frame: wrong checksum")
)

const (
	quickAckBit  = 1 << 31 // in the length of the intermediate transports
	abridgedAck  = 0x80    // in the first byte of the abridged one
	abridgedLong = 0x7f    // three bytes of length follow
	fullOverhead = 12      // length, sequence number, checksum
	readStep     = 64 << 10
)

// Stream is a client's connection cut into packets. One goroutine may read
// while another one writes.
type Stream struct {
	r         *bufio.Reader
	w         io.Writer
	max       int
	transport Transport

	obfuscated bool
	readSeq    uint32 // full transport
	writeSeq   uint32
	out        []byte // reused by WritePackets
}

// Transport returns the transport the client chose.
func (s *Stream) Transport() Transport { return s.transport }

// Obfuscated reports whether the client hides the transport.
func (s *Stream) Obfuscated() bool { return s.obfuscated }

// ReadPacket reads the next packet into buf, which may be nil and is grown as
// data arrives, and returns it: the result shares buf's memory. quickAck tells
// that the client wants to hear at once that the packet was accepted. With the
// padded transport the random tail is still there.
func (s *Stream) ReadPacket(buf []byte) (packet []byte, quickAck bool, err error) {
	switch s.transport {
	case Abridged:
		return s.readAbridged(buf)
	case Full:
		packet, err = s.readFull(buf)
		return packet, false, err
	default:
		return s.readIntermediate(buf)
	}
}

func (s *Stream) readAbridged(buf []byte) ([]byte, bool, error) {
	first, err := s.r.ReadByte()
	if err != nil {
		return nil, false, err
	}
	quickAck := first&abridgedAck != 0
	n := int(first &^ abridgedAck)
	if n == abridgedLong {
		var b [4]byte
		if _, err := io.ReadFull(s.r, b[:3]); err != nil {
			return nil, false, unexpected(err)
		}
		n = int(binary.LittleEndian.Uint32(b[:]))
	}
	packet, err := s.readBody(buf, uint32(n)*4)
	return packet, quickAck, err
}

func (s *Stream) readIntermediate(buf []byte) ([]byte, bool, error) {
	n, err := s.readWord()
	if err != nil {
		return nil, false, err
	}
	packet, err := s.readBody(buf, n&^quickAckBit)
	return packet, n&quickAckBit != 0, err
}

func (s *Stream) readFull(buf []byte) ([]byte, error) {
	n, err := s.readWord()
	if err != nil {
		return nil, err
	}
	if n <= fullOverhead || n%4 != 0 {
		return nil, ErrLength
	}
	if n-fullOverhead > uint32(s.max) {
		return nil, ErrTooLong
	}
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], n)
	if _, err := io.ReadFull(s.r, head[4:]); err != nil {
		return nil, unexpected(err)
	}
	if binary.LittleEndian.Uint32(head[4:]) != s.readSeq {
		return nil, ErrSequence
	}
	s.readSeq++
	packet, err := s.readBody(buf, n-fullOverhead)
	if err != nil {
		return nil, err
	}
	sum, err := s.readWord()
	if err != nil {
		return nil, unexpected(err)
	}
	if sum != crc32.Update(crc32.ChecksumIEEE(head[:]), crc32.IEEETable, packet) {
		return nil, ErrChecksum
	}
	return packet, nil
}

func (s *Stream) readWord() (uint32, error) {
	var b [4]byte
	if _, err := io.ReadFull(s.r, b[:]); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}

// readBody grows the packet in steps: a peer that announces much and sends
// nothing holds one step of memory.
func (s *Stream) readBody(buf []byte, n uint32) ([]byte, error) {
	if n == 0 {
		return nil, ErrLength
	}
	if n > uint32(s.max) {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLong, n)
	}
	packet, left := buf[:0], int(n)
	for left > 0 {
		step := min(left, readStep)
		packet = slices.Grow(packet, step)
		at := len(packet)
		packet = packet[:at+step]
		if _, err := io.ReadFull(s.r, packet[at:]); err != nil {
			return nil, unexpected(err)
		}
		left -= step
	}
	return packet, nil
}

// unexpected tells an end of stream inside a packet from one between packets.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
