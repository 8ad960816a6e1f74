package frame

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/gotd/td/mtproxy/obfuscated2"
	"github.com/gotd/td/proto/codec"
)

// Transport names how packets are cut out of the byte stream.
type Transport uint8

// The transports a Stream may speak.
const (
	Abridged Transport = iota + 1
	Intermediate
	Padded
	Full
)

// String returns the transport's usual name.
func (t Transport) String() string {
	switch t {
	case Abridged:
		return "abridged"
	case Intermediate:
		return "intermediate"
	case Padded:
		return "padded intermediate"
	case Full:
		return "full"
	default:
		return fmt.Sprintf("transport(%d)", uint8(t))
	}
}

// ErrHTTP is returned by Accept for a client that speaks HTTP, with a stream of
// no packets whose Rest is the request from its first byte on.
var ErrHTTP = errors.New("frame: client speaks HTTP")

// ErrTransport is returned by Accept when the first bytes name no transport.
var ErrTransport = errors.New("frame: unknown transport")

// readBuffer holds the largest thing that is peeked at and most packets.
const readBuffer = 4096

// Accept reads a client's first bytes and returns the stream of its packets.
// It blocks until the client has sent enough of them; deadlines are the
// caller's, on the connection behind rw. maxPacket bounds a packet's length in
// bytes, both ways.
func Accept(rw io.ReadWriter, maxPacket int) (*Stream, error) {
	s := &Stream{r: bufio.NewReaderSize(rw, readBuffer), w: rw, max: maxPacket}
	t, err := s.sniff()
	switch {
	case err == nil:
		s.transport = t
		return s, nil
	case errors.Is(err, ErrHTTP):
		return s, err
	}
	return nil, err
}

// Rest reads the connection behind what was consumed.
func (s *Stream) Rest() io.Reader { return s.r }

// sniff decides by as few bytes as possible, because an abridged client may
// send a single one and wait.
func (s *Stream) sniff() (Transport, error) {
	b, err := s.r.Peek(1)
	if err != nil {
		return 0, fmt.Errorf("frame: first byte: %w", err)
	}
	if b[0] == codec.AbridgedClientStart[0] {
		_, err = s.r.Discard(1)
		return Abridged, err
	}

	if b, err = s.r.Peek(4); err != nil {
		return 0, fmt.Errorf("frame: first word: %w", err)
	}
	switch [4]byte(b) {
	case codec.IntermediateClientStart:
		_, err = s.r.Discard(4)
		return Intermediate, err
	case codec.PaddedIntermediateClientStart:
		_, err = s.r.Discard(4)
		return Padded, err
	}
	switch string(b) {
	case "GET ", "POST", "HEAD", "OPTI":
		return 0, ErrHTTP
	}

	if b, err = s.r.Peek(8); err != nil {
		return 0, fmt.Errorf("frame: second word: %w", err)
	}
	if [4]byte(b[4:]) == [4]byte{} {
		return Full, nil
	}
	return s.deobfuscate()
}

// deobfuscate consumes the 64 byte header and puts its two AES-CTR streams
// between the connection and the framing.
func (s *Stream) deobfuscate() (Transport, error) {
	rw, md, err := obfuscated2.Accept(struct {
		io.Reader
		io.Writer
	}{s.r, s.w}, nil)
	if err != nil {
		return 0, fmt.Errorf("frame: obfuscated header: %w", err)
	}
	s.obfuscated = true
	s.r, s.w = bufio.NewReaderSize(rw, readBuffer), rw
	switch md.Protocol {
	case (codec.Abridged{}).ObfuscatedTag():
		return Abridged, nil
	case codec.IntermediateClientStart:
		return Intermediate, nil
	case codec.PaddedIntermediateClientStart:
		return Padded, nil
	default:
		return 0, ErrTransport
	}
}
