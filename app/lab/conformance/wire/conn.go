package wire

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"net"
	"net/http"
	"time"

	"github.com/gotd/td/mtproxy"
	"github.com/gotd/td/mtproxy/obfuscated2"
)

// Transport is one of the framings a TCP connection starts with
// (core.telegram.org/mtproto/mtproto-transports).
type Transport int

// The framings.
const (
	Abridged Transport = iota
	Intermediate
	Padded
	Full
	HTTP // a packet each way, and nothing that was not asked for
)

// String returns the name the documentation uses.
func (t Transport) String() string {
	return [...]string{"abridged", "intermediate", "padded intermediate", "full", "HTTP"}[t]
}

// tag is what a client sends first. Full and HTTP have none.
func (t Transport) tag() []byte {
	return [...][]byte{{0xef}, {0xee, 0xee, 0xee, 0xee}, {0xdd, 0xdd, 0xdd, 0xdd}, nil, nil}[t]
}

const (
	maxPacket   = 16 << 20
	quickBit    = 1 << 31
	bodyTimeout = 30 * time.Second // for the rest of a packet that has begun
	fullFrame   = 12               // length, sequence number and checksum
	dialTimeout = 30 * time.Second
	abridgedMax = 0x7f
)

// ErrTimeout says that nothing came in time. The connection can be used further.
var ErrTimeout = errors.New("nothing came in time")

// TransportError is a packet of four bytes with a negative code. An HTTP status
// is one, too: 404 is -404.
type TransportError int32

// Error implements error.
func (e TransportError) Error() string { return fmt.Sprintf("transport error %d", int32(e)) }

// Frame is what a server sends: a packet, or the token of a quick
// acknowledgement when Packet is nil.
type Frame struct {
	Packet []byte
	Token  uint32
}

// Conn is a client's connection.
type Conn struct {
	net      net.Conn
	rw       io.ReadWriter // net, or its obfuscation
	r        *bufio.Reader
	kind     Transport
	quick    bool // a quick acknowledgement was asked for
	readSeq  uint32
	writeSeq uint32
	asked    int // HTTP requests without a response
}

// Dial connects and chooses a transport. Obfuscated connections name dc.
func Dial(ctx context.Context, addr string, t Transport, obfuscated bool, dc int) (*Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &Conn{net: nc, rw: nc, kind: t}
	if err := c.greet(obfuscated, dc); err != nil {
		_ = nc.Close()
		return nil, err
	}
	c.r = bufio.NewReader(c.rw)
	return c, nil
}

func (c *Conn) greet(obfuscated bool, dc int) error {
	tag := c.kind.tag()
	if !obfuscated {
		_, err := c.net.Write(tag)
		return err
	}
	if len(tag) == 0 {
		return fmt.Errorf("the %s transport cannot be obfuscated", c.kind)
	}
	var four [4]byte
	for i := range four {
		four[i] = tag[0]
	}
	o := obfuscated2.NewObfuscated2(rand.Reader, c.net)
	c.rw = o
	return o.Handshake(four, dc, mtproxy.Secret{})
}

// Close cuts the connection.
func (c *Conn) Close() error { return c.net.Close() }

// Write sends a packet, whose length has to be a multiple of four. quick asks
// for a quick acknowledgement, which the full transport cannot.
func (c *Conn) Write(packet []byte, quick bool) error {
	c.quick = c.quick || quick
	_ = c.net.SetWriteDeadline(time.Now().Add(bodyTimeout))
	_, err := c.rw.Write(c.frame(packet, quick))
	return err
}

func (c *Conn) frame(packet []byte, quick bool) []byte {
	var out []byte
	var ask uint32
	if quick {
		ask = quickBit
	}
	switch c.kind {
	case HTTP:
		c.asked++
		out = fmt.Appendf(out, "POST /apiw1 HTTP/1.1\r\nHost: telegram\r\nContent-Length: %d\r\n\r\n", len(packet))
		return append(out, packet...)
	case Abridged:
		n := len(packet) / 4
		first := byte(ask >> 24)
		if n < abridgedMax {
			out = append(out, first|byte(n))
		} else {
			out = append(out, first|abridgedMax, byte(n), byte(n>>8), byte(n>>16))
		}
		return append(out, packet...)
	case Full:
		out = binary.LittleEndian.AppendUint32(out, uint32(len(packet)+fullFrame))
		out = binary.LittleEndian.AppendUint32(out, c.writeSeq)
		c.writeSeq++
		out = append(out, packet...)
		return binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
	case Padded:
		var tail [16]byte
		_, _ = rand.Read(tail[:]) // never fails
		pad := tail[:tail[15]&15]
		out = binary.LittleEndian.AppendUint32(out, uint32(len(packet)+len(pad))|ask)
		return append(append(out, packet...), pad...)
	default:
		out = binary.LittleEndian.AppendUint32(out, uint32(len(packet))|ask)
		return append(out, packet...)
	}
}

// Read returns what the server sends next. It gives ErrTimeout when nothing
// begins to come until the deadline, a TransportError for a packet that is
// one, and any other error when the connection has ended.
func (c *Conn) Read(deadline time.Time) (Frame, error) {
	if c.kind == HTTP && c.asked == 0 {
		return Frame{}, ErrTimeout
	}
	_ = c.net.SetReadDeadline(deadline)
	if _, err := c.r.Peek(1); err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return Frame{}, ErrTimeout
		}
		return Frame{}, err
	}
	_ = c.net.SetReadDeadline(time.Now().Add(bodyTimeout))
	f, err := c.read()
	if err == nil && len(f.Packet) == 4 {
		return Frame{}, TransportError(int32(binary.LittleEndian.Uint32(f.Packet)))
	}
	return f, err
}

func (c *Conn) read() (Frame, error) {
	switch c.kind {
	case Abridged:
		return c.readAbridged()
	case HTTP:
		return c.readHTTP()
	}
	n, err := c.word()
	if err != nil {
		return Frame{}, err
	}
	switch {
	case c.kind == Full:
		return c.readFull(n)
	case c.quick && c.kind == Intermediate && n&quickBit != 0:
		return Frame{Token: n}, nil
	}
	packet, err := c.body(n)
	if err != nil || c.kind == Intermediate {
		return Frame{Packet: packet}, err
	}
	if c.quick && len(packet) >= 8 && binary.LittleEndian.Uint32(packet) == ^uint32(0) {
		return Frame{Token: binary.LittleEndian.Uint32(packet[4:])}, nil
	}
	return Frame{Packet: unpad(packet)}, nil
}

// unpad cuts the transport's random tail: a sealed packet is 24 bytes and
// blocks of 16, a transport error four bytes, a plain message says its length.
func unpad(packet []byte) []byte {
	switch {
	case len(packet) < 20:
		return packet[:min(len(packet), 4)]
	case binary.LittleEndian.Uint64(packet) == 0:
		return packet[:min(uint64(len(packet)), 20+uint64(binary.LittleEndian.Uint32(packet[16:])))]
	case len(packet) > envelope:
		return packet[:len(packet)-(len(packet)-envelope)%16]
	}
	return packet
}

func (c *Conn) readAbridged() (Frame, error) {
	first, err := c.r.ReadByte()
	if err != nil {
		return Frame{}, err
	}
	var rest [4]byte
	switch {
	case c.quick && first&0x80 != 0:
		rest[0] = first
		_, err := io.ReadFull(c.r, rest[1:])
		return Frame{Token: bits.ReverseBytes32(binary.LittleEndian.Uint32(rest[:]))}, err
	case first < abridgedMax:
		packet, err := c.body(uint32(first) * 4)
		return Frame{Packet: packet}, err
	case first == abridgedMax:
		if _, err := io.ReadFull(c.r, rest[:3]); err != nil {
			return Frame{}, err
		}
		packet, err := c.body(binary.LittleEndian.Uint32(rest[:]) * 4)
		return Frame{Packet: packet}, err
	}
	return Frame{}, fmt.Errorf("abridged length %#x", first)
}

// readHTTP reads a response; an empty one is no packet.
func (c *Conn) readHTTP() (Frame, error) {
	c.asked--
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return Frame{}, err
	}
	defer func() { _ = r.Body.Close() }()
	packet, err := io.ReadAll(io.LimitReader(r.Body, maxPacket))
	switch {
	case err != nil:
		return Frame{}, err
	case r.StatusCode != http.StatusOK:
		return Frame{}, TransportError(-int32(r.StatusCode))
	case len(packet) == 0:
		return Frame{}, nil
	}
	return Frame{Packet: packet}, nil
}

func (c *Conn) readFull(n uint32) (Frame, error) {
	if n <= fullFrame {
		return Frame{}, fmt.Errorf("full packet of %d bytes", n)
	}
	rest, err := c.body(n - 4)
	if err != nil {
		return Frame{}, err
	}
	whole := append(binary.LittleEndian.AppendUint32(nil, n), rest...)
	end := len(whole) - 4
	if seq := binary.LittleEndian.Uint32(whole[4:]); seq != c.readSeq {
		return Frame{}, fmt.Errorf("full packet number %d in place of %d", seq, c.readSeq)
	}
	c.readSeq++
	if binary.LittleEndian.Uint32(whole[end:]) != crc32.ChecksumIEEE(whole[:end]) {
		return Frame{}, errors.New("full packet with a wrong checksum")
	}
	return Frame{Packet: whole[8:end]}, nil
}

func (c *Conn) word() (uint32, error) {
	var b [4]byte
	_, err := io.ReadFull(c.r, b[:])
	return binary.LittleEndian.Uint32(b[:]), err
}

func (c *Conn) body(n uint32) ([]byte, error) {
	if n < 4 || n > maxPacket {
		return nil, fmt.Errorf("packet of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(c.r, b)
	return b, err
}
