package frame_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mtproxy"
	"github.com/gotd/td/mtproxy/obfuscator"
	"github.com/gotd/td/proto/codec"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/gateway/frame"
)

const maxPacket = 1 << 20

// client is the codec of gotd/td: what we frame, it must read, and the other
// way round.
type client struct {
	name       string
	codec      func() codec.Codec
	tag        [4]byte
	obfuscated bool
	transport  frame.Transport
}

func clients() []client {
	abridged := func() codec.Codec { return codec.Abridged{} }
	intermediate := func() codec.Codec { return codec.Intermediate{} }
	padded := func() codec.Codec { return codec.PaddedIntermediate{} }
	full := func() codec.Codec { return &codec.Full{} }
	return []client{
		{"abridged", abridged, [4]byte{}, false, frame.Abridged},
		{"intermediate", intermediate, [4]byte{}, false, frame.Intermediate},
		{"padded intermediate", padded, [4]byte{}, false, frame.Padded},
		{"full", full, [4]byte{}, false, frame.Full},
		{"obfuscated abridged", abridged, [4]byte{0xef, 0xef, 0xef, 0xef}, true, frame.Abridged},
		{"obfuscated intermediate", intermediate, codec.IntermediateClientStart, true, frame.Intermediate},
		{"obfuscated padded intermediate", padded, codec.PaddedIntermediateClientStart, true, frame.Padded},
	}
}

// connect runs the client's side of the opening.
func (c client) connect(t *testing.T, conn net.Conn) (io.ReadWriter, codec.Codec) {
	t.Helper()
	cdc := c.codec()
	if !c.obfuscated {
		require.NoError(t, cdc.WriteHeader(conn))
		return conn, cdc
	}
	obfs := obfuscator.Obfuscated2(rand.Reader, conn)
	require.NoError(t, obfs.Handshake(c.tag, 2, mtproxy.Secret{}))
	return obfs, cdc
}

// packets of the sizes at which length fields change their form.
func packets() [][]byte {
	var out [][]byte
	for _, n := range []int{8, 126 * 4, 127 * 4, 128 * 4, 70_000, maxPacket} {
		p := make([]byte, n)
		_, _ = rand.Read(p)
		out = append(out, p)
	}
	return out
}

func TestTransportsBothWays(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := net.Pipe()
			defer ours.Close()
			defer theirs.Close()

			sent := packets()
			failed := make(chan error, 1)
			got := make(chan [][]byte, 1)
			go func() {
				rw, cdc := c.connect(t, theirs)
				for _, p := range sent {
					if err := cdc.Write(rw, &bin.Buffer{Buf: bytes.Clone(p)}); err != nil {
						failed <- err
						return
					}
				}
				var back [][]byte
				for range sent {
					var b bin.Buffer
					if err := cdc.Read(rw, &b); err != nil {
						failed <- err
						return
					}
					back = append(back, b.Raw())
				}
				got <- back
			}()

			s, err := frame.Accept(ours, maxPacket+16)
			require.NoError(t, err)
			require.Equal(t, c.transport, s.Transport())
			require.Equal(t, c.obfuscated, s.Obfuscated())
			var outs []frame.Out
			for _, want := range sent {
				p, quickAck, err := s.ReadPacket(nil)
				require.NoError(t, err)
				require.False(t, quickAck)
				require.True(t, bytes.HasPrefix(p, want))
				require.Less(t, len(p)-len(want), 16)
				outs = append(outs, frame.Out{Packet: want})
			}
			require.NoError(t, s.WritePackets(outs...))
			select {
			case err := <-failed:
				t.Fatal(err)
			case back := <-got:
				require.Equal(t, sent, back)
			}
		})
	}
}

// duplex is a connection whose input is given and whose output is kept.
type duplex struct {
	io.Reader
	bytes.Buffer
}

func (d *duplex) Read(p []byte) (int, error) { return d.Reader.Read(p) }

func open(t *testing.T, in []byte) (*frame.Stream, *duplex) {
	t.Helper()
	d := &duplex{Reader: bytes.NewReader(in)}
	s, err := frame.Accept(d, maxPacket)
	require.NoError(t, err)
	return s, d
}

func TestQuickAck(t *testing.T) {
	const token = 0x8badf00d
	body := make([]byte, 8)
	word := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	long := make([]byte, 127*4)
	for _, c := range []struct {
		name string
		in   []byte
		body []byte
		out  []byte // prefix of the answer
		size [2]int // its least and greatest length
	}{
		{"abridged", append([]byte{0xef, 0x82}, body...), body, []byte{0x8b, 0xad, 0xf0, 0x0d}, [2]int{4, 4}},
		{"abridged, long", append([]byte{0xef, 0xff, 127, 0, 0}, long...), long, []byte{0x8b, 0xad, 0xf0, 0x0d}, [2]int{4, 4}},
		{"intermediate", append(append([]byte{0xee, 0xee, 0xee, 0xee}, word(8|1<<31)...), body...), body, []byte{0x0d, 0xf0, 0xad, 0x8b}, [2]int{4, 4}},
		{"padded", append(append([]byte{0xdd, 0xdd, 0xdd, 0xdd}, word(8|1<<31)...), body...), body, nil, [2]int{12, 15}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, d := open(t, c.in)
			p, quickAck, err := s.ReadPacket(nil)
			require.NoError(t, err)
			require.True(t, quickAck)
			require.Equal(t, c.body, p)
			require.NoError(t, s.WritePackets(frame.Out{Token: token}))
			out := d.Bytes()
			require.True(t, bytes.HasPrefix(out, c.out), "%x", out)
			require.GreaterOrEqual(t, len(out), c.size[0])
			require.LessOrEqual(t, len(out), c.size[1])
			if c.out == nil {
				require.Equal(t, []byte{0xff, 0xff, 0xff, 0xff, 0x0d, 0xf0, 0xad, 0x8b}, out[4:12])
			}
		})
	}
}

func TestTransportErrorIsFourBytes(t *testing.T) {
	s, d := open(t, []byte{0xee, 0xee, 0xee, 0xee, 0})
	require.NoError(t, s.WritePackets(frame.Out{Packet: frame.TransportError(-404)}))
	var b bin.Buffer
	err := codec.Intermediate{}.Read(&d.Buffer, &b)
	var pe *codec.ProtocolErr
	require.ErrorAs(t, err, &pe)
	require.EqualValues(t, codec.CodeAuthKeyNotFound, pe.Code)
}

func TestMalformed(t *testing.T) {
	for _, c := range []struct {
		name   string
		in     []byte
		accept error // of Accept
		read   error // of ReadPacket
	}{
		{"nothing", nil, io.EOF, nil},
		{"half a tag", []byte{0xee, 0xee}, io.EOF, nil},
		{"http", []byte("POST /api HTTP/1.1\r\n\r\n"), frame.ErrHTTP, nil},
		{"http get", []byte("GET / HTTP/1.1\r\n\r\n"), frame.ErrHTTP, nil},
		{"short obfuscated header", bytes.Repeat([]byte{7}, 63), io.ErrUnexpectedEOF, nil},
		{"obfuscated header without a tag", bytes.Repeat([]byte{7}, 64), frame.ErrTransport, nil},
		{"empty abridged", []byte{0xef, 0}, nil, frame.ErrLength},
		{"too long abridged", []byte{0xef, 0x7f, 0xff, 0xff, 0xff}, nil, frame.ErrTooLong},
		{"cut abridged", []byte{0xef, 0x02, 1, 2, 3}, nil, io.ErrUnexpectedEOF},
		{"empty intermediate", []byte{0xee, 0xee, 0xee, 0xee, 0, 0, 0, 0}, nil, frame.ErrLength},
		{"too long intermediate", []byte{0xee, 0xee, 0xee, 0xee, 0xff, 0xff, 0xff, 0x7f}, nil, frame.ErrTooLong},
		{"full shorter than itself", []byte{8, 0, 0, 0, 0, 0, 0, 0}, nil, frame.ErrLength},
		{"full without a body", []byte{12, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, nil, frame.ErrLength},
		{"full, wrong checksum", []byte{16, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, nil, frame.ErrChecksum},
		{"full, too long", []byte{0xf0, 0xff, 0xff, 0xff, 0, 0, 0, 0}, nil, frame.ErrTooLong},
		{"end of stream", []byte{0xee, 0xee, 0xee, 0xee}, nil, io.EOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := frame.Accept(&duplex{Reader: bytes.NewReader(c.in)}, maxPacket)
			require.ErrorIs(t, err, c.accept)
			if err != nil {
				return
			}
			_, _, err = s.ReadPacket(nil)
			require.ErrorIs(t, err, c.read)
		})
	}
}

func TestFullSequence(t *testing.T) {
	var in bytes.Buffer
	cdc := &codec.Full{}
	require.NoError(t, cdc.Write(&in, &bin.Buffer{Buf: make([]byte, 8)}))
	again := bytes.Clone(in.Bytes())
	s, _ := open(t, append(in.Bytes(), again...))
	_, _, err := s.ReadPacket(nil)
	require.NoError(t, err)
	_, _, err = s.ReadPacket(nil)
	require.ErrorIs(t, err, frame.ErrSequence)
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{0xef, 0x02, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{0xef, 0x7f, 1, 0, 0, 1, 2, 3, 4})
	f.Add([]byte{0xee, 0xee, 0xee, 0xee, 4, 0, 0, 0x80, 1, 2, 3, 4})
	f.Add([]byte{0xdd, 0xdd, 0xdd, 0xdd, 5, 0, 0, 0, 1, 2, 3, 4, 5})
	f.Add([]byte{16, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(bytes.Repeat([]byte{7}, 80))
	f.Add([]byte("POST /api HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := frame.Accept(&duplex{Reader: bytes.NewReader(in)}, maxPacket)
		if err != nil {
			return
		}
		total := 0
		for {
			p, _, err := s.ReadPacket(nil)
			if err != nil {
				return
			}
			if len(p) == 0 || len(p) > maxPacket {
				t.Fatalf("packet of %d bytes", len(p))
			}
			if total += len(p); total > len(in) {
				t.Fatalf("%d bytes of packets from %d bytes of input", total, len(in))
			}
		}
	})
}
