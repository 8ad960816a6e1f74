package unary

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"runtime"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	prefixSize = 5 // of a message: whether it is packed, and its length

	frameHeader  = 9
	streamWindow = 128 << 10 // of a reply, until more is asked for
	connWindow   = 16 << 20  // of all replies likewise
	firstWindow  = 1<<16 - 1
	mostHeaders  = 64 << 10 // bytes of a block of headers
	readBuffer   = 32 << 10
	keptOutput   = 64 << 10
	mostOutput   = 1 << 20 // bytes that wait to be written; beyond, gRPC makes calls
	lastStream   = math.MaxInt32 - 1
)

// errNotMade says that the peer has seen nothing of a call.
var errNotMade = errors.New("unary: the call was not made")

// conn is a connection to a peer.
type conn struct {
	net  net.Conn
	addr string
	wake chan struct{} // capacity 1: there is something to write
	done chan struct{} // closed when serve ends

	shares *shares

	// The reader's.
	frames *http2.Framer
	hpack  *hpack.Decoder
	block  headerBlock
	taken  int // bytes of replies since the window was opened last

	mu       sync.Mutex
	calls    map[uint32]*call
	next     uint32 // the stream of the next call
	written  uint32 // the calls before this one may have come to the peer
	window   int64  // bytes that may be sent
	first    int64  // the window of a call
	most     uint32 // calls at a time
	out      []byte // to be written
	spare    []byte // the room of out, when that is taken
	headers  *hpack.Encoder
	encoded  bytes.Buffer // by headers
	draining bool         // no call is taken any more
	closed   bool
}

// dial connects to a peer.
func dial(ctx context.Context, addr string, of *shares) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := net.Dialer{Control: noticeLoss}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{
		net: nc, addr: addr, shares: of, wake: make(chan struct{}, 1), done: make(chan struct{}),
		calls: map[uint32]*call{}, next: 1, window: firstWindow, first: firstWindow, most: math.MaxUint32,
	}
	c.headers = hpack.NewEncoder(&c.encoded)
	c.hpack = hpack.NewDecoder(4096, c.block.take)
	c.hpack.SetMaxStringLength(mostHeaders)
	c.frames = http2.NewFramer(nil, bufio.NewReaderSize(nc, readBuffer))
	c.frames.SetMaxReadFrameSize(16 << 10)
	c.frames.SetReuseFrames()
	c.out = append(c.out, http2.ClientPreface...)
	c.out = appendFrame(c.out, http2.FrameSettings, 0, 0, 12)
	c.out = appendSetting(c.out, http2.SettingEnablePush, 0)
	c.out = appendSetting(c.out, http2.SettingInitialWindowSize, streamWindow)
	c.out = appendWindow(c.out, 0, connWindow-firstWindow)
	c.signal()
	return c, nil
}

func appendFrame(b []byte, t http2.FrameType, flags http2.Flags, stream uint32, length int) []byte {
	b = append(b, byte(length>>16), byte(length>>8), byte(length), byte(t), byte(flags))
	return binary.BigEndian.AppendUint32(b, stream)
}

func appendSetting(b []byte, id http2.SettingID, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, uint16(id)), value)
}

func appendWindow(b []byte, stream, more uint32) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(b, http2.FrameWindowUpdate, 0, stream, 4), more)
}

func appendReset(b []byte, stream uint32, code http2.ErrCode) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(b, http2.FrameRSTStream, 0, stream, 4), uint32(code))
}

// begin sends a call; false: it cannot now. message has its prefix.
func (c *conn) begin(k *call, h *requestHeaders, message []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := int64(len(message))
	if c.draining || c.closed || uint64(len(c.calls)) >= uint64(c.most) || size > c.first || size > c.window || len(c.out) > mostOutput {
		return false
	}
	k.id = c.next
	if c.next += 2; c.next > lastStream {
		c.draining = true
	}
	c.calls[k.id] = k
	c.window -= size
	c.encoded.Reset()
	h.encode(c.headers, &c.encoded, c.addr)
	c.out = appendFrame(c.out, http2.FrameHeaders, http2.FlagHeadersEndHeaders, k.id, c.encoded.Len())
	c.out = append(c.out, c.encoded.Bytes()...)
	c.out = appendFrame(c.out, http2.FrameData, http2.FlagDataEndStream, k.id, len(message))
	c.out = append(c.out, message...)
	c.signal()
	return true
}

// cancel forgets a call that nobody waits for any more. It reports whether it had not
// ended.
func (c *conn) cancel(k *call, code http2.ErrCode) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls[k.id] != k {
		return false
	}
	c.forget(k)
	c.out = appendReset(c.out, k.id, code)
	c.signal()
	return true
}

// forget takes a call off the list; c.mu is held.
func (c *conn) forget(k *call) {
	delete(c.calls, k.id)
	if c.draining && len(c.calls) == 0 {
		c.closed = true
		c.signal()
	}
}

func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// reply has something written that the reader says.
func (c *conn) reply(f func(out []byte) []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = f(c.out)
	c.signal()
}

// allow lets the peer send so many bytes more of a reply, if the call has not ended.
func (c *conn) allow(stream uint32, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls[stream] != nil {
		c.out = appendWindow(c.out, stream, uint32(bytes))
		c.signal()
	}
}

// drain takes no calls from here on, and closes the connection when it has none.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if len(c.calls) == 0 {
		c.closed = true
		c.signal()
	}
}

// close ends the connection, and all calls with it.
func (c *conn) close() { _ = c.net.Close() }

// write writes what there is, until the connection ends. What comes at about the same time
// goes out together.
func (c *conn) write() {
	defer c.close()
	for {
		select {
		case <-c.done:
			return
		case <-c.wake:
		}
		runtime.Gosched()
		c.mu.Lock()
		b, closed := c.out, c.closed
		c.out, c.spare, c.written = c.spare[:0], nil, c.next
		c.mu.Unlock()
		if len(b) > 0 {
			if _, err := c.net.Write(b); err != nil {
				return
			}
		}
		if closed {
			return
		}
		if cap(b) <= keptOutput {
			c.mu.Lock()
			c.spare = b[:0]
			c.mu.Unlock()
		}
	}
}

// serve reads until the connection ends. ready is called when the peer has said that it
// speaks HTTP/2, over when no call is to come any more. again says that the connection
// has only run out of streams.
func (c *conn) serve(ready, over func()) (again bool) {
	var writer sync.WaitGroup
	writer.Go(c.write)
	_ = c.net.SetReadDeadline(time.Now().Add(dialTimeout)) // for the first frame
	err := c.read(func() {
		_ = c.net.SetReadDeadline(time.Time{})
		ready()
	})
	over()
	close(c.done)
	c.close()
	writer.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, k := range c.calls {
		if k.id >= c.written {
			k.end(errNotMade)
		} else {
			k.end(c.lost(err))
		}
	}
	clear(c.calls)
	return c.next > lastStream
}
