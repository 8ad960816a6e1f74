package unary

import (
	"errors"
	"fmt"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// read takes frames until the connection ends. ready is called at the first one, which is
// the peer's settings.
func (c *conn) read(ready func()) error {
	for first := true; ; first = false {
		f, err := c.frames.ReadFrame()
		var one http2.StreamError
		switch {
		case errors.As(err, &one):
			c.abort(one.StreamID, one.Code, status.Errorf(codes.Internal, "unary: %v", err))
			continue
		case err != nil:
			return err
		}
		if _, is := f.(*http2.SettingsFrame); first && !is {
			return fmt.Errorf("the first frame is %v", f.Header().Type)
		}
		if err := c.take(f); err != nil {
			return err
		}
		if first {
			ready()
		}
	}
}

// take takes one frame. An error ends the connection.
func (c *conn) take(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.DataFrame:
		c.data(f)
	case *http2.HeadersFrame:
		c.block.begin(f.StreamID, f.StreamEnded())
		return c.fragment(f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.ContinuationFrame:
		return c.fragment(f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.RSTStreamFrame:
		c.reset(f.StreamID, f.ErrCode)
	case *http2.SettingsFrame:
		return c.settings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			data := f.Data
			c.reply(func(out []byte) []byte {
				return append(appendFrame(out, http2.FramePing, http2.FlagPingAck, 0, len(data)), data[:]...)
			})
		}
	case *http2.GoAwayFrame:
		c.goAway(f)
	case *http2.WindowUpdateFrame:
		return c.open(f)
	case *http2.PushPromiseFrame:
		return errors.New("a push, which was switched off")
	}
	return nil
}

// find returns a call under way; nil: there is none.
func (c *conn) find(stream uint32) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[stream]
}

// finish ends a call, unless nobody waits for it any more.
func (c *conn) finish(k *call, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls[k.id] == k {
		c.forget(k)
		k.end(err)
	}
}

// abort ends a call of which no more is to come.
func (c *conn) abort(stream uint32, code http2.ErrCode, err error) {
	c.reply(func(out []byte) []byte { return appendReset(out, stream, code) })
	if k := c.find(stream); k != nil {
		c.finish(k, err)
	}
}

// data takes a part of a reply.
func (c *conn) data(f *http2.DataFrame) {
	size := int(f.Length)
	if c.taken += size; c.taken >= connWindow/2 {
		more := uint32(c.taken)
		c.taken = 0
		c.reply(func(out []byte) []byte { return appendWindow(out, 0, more) })
	}
	k := c.find(f.StreamID)
	if k == nil {
		return
	}
	if !k.head {
		c.abort(k.id, http2.ErrCodeProtocol, status.Error(codes.Internal, "unary: a reply without headers"))
		return
	}
	if err := k.receive(f.Data()); err != nil {
		c.abort(k.id, http2.ErrCodeCancel, err)
		return
	}
	if f.StreamEnded() {
		c.finish(k, status.Error(codes.Internal, "unary: a reply without trailers"))
		return
	}
	if padding := size - len(f.Data()); padding > 0 && !k.whole() {
		c.allow(k.id, padding)
	}
}

// fragment takes a part of a block of headers.
func (c *conn) fragment(b []byte, last bool) error {
	if c.block.size += len(b); c.block.size > mostHeaders {
		return errors.New("too many headers")
	}
	if _, err := c.hpack.Write(b); err != nil {
		return err
	}
	if !last {
		return nil
	}
	if err := c.hpack.Close(); err != nil {
		return err
	}
	k := c.find(c.block.stream)
	switch {
	case k == nil:
	case c.block.ends:
		c.finish(k, c.block.outcome(k))
	case !k.head:
		if err := c.block.refused(); err != nil {
			c.abort(k.id, http2.ErrCodeCancel, err)
			return nil
		}
		k.head = !c.block.interim()
	default:
		c.abort(k.id, http2.ErrCodeProtocol, status.Error(codes.Internal, "unary: trailers that end nothing"))
	}
	return nil
}

// reset takes the peer's end of a call.
func (c *conn) reset(stream uint32, code http2.ErrCode) {
	k := c.find(stream)
	if k == nil {
		return
	}
	switch code {
	case http2.ErrCodeRefusedStream:
		c.finish(k, errNotMade)
	case http2.ErrCodeCancel:
		c.finish(k, status.Error(codes.Canceled, "unary: the peer has cancelled the call"))
	case http2.ErrCodeEnhanceYourCalm:
		c.finish(k, status.Error(codes.ResourceExhausted, "unary: the peer has too many calls"))
	default:
		c.finish(k, status.Errorf(codes.Internal, "unary: the peer has ended the call: %v", code))
	}
}

// settings takes the peer's.
func (c *conn) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := f.ForeachSetting(func(s http2.Setting) error {
		if err := s.Valid(); err != nil {
			return err
		}
		switch s.ID {
		case http2.SettingInitialWindowSize:
			c.first = int64(s.Val)
		case http2.SettingMaxConcurrentStreams:
			c.most = s.Val
		case http2.SettingHeaderTableSize:
			c.headers.SetMaxDynamicTableSizeLimit(s.Val)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.out = appendFrame(c.out, http2.FrameSettings, http2.FlagSettingsAck, 0, 0)
	c.signal()
	return nil
}

// open takes more room to send. That of a single call needs none: it has been sent whole.
func (c *conn) open(f *http2.WindowUpdateFrame) error {
	if f.StreamID != 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.window += int64(f.Increment); c.window > 1<<31-1 {
		return errors.New("a window that is too large")
	}
	return nil
}

// goAway takes word that the peer wants no more calls, and of those which it has not
// seen.
func (c *conn) goAway(f *http2.GoAwayFrame) {
	c.mu.Lock()
	var unseen []*call
	for id, k := range c.calls {
		if id > f.LastStreamID {
			unseen = append(unseen, k)
		}
	}
	c.mu.Unlock()
	for _, k := range unseen {
		c.finish(k, errNotMade)
	}
	c.drain()
}
