package unary

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/passthrough"
)

// fake is a peer that does as it is told.
type fake struct {
	*http2.Framer
	net     net.Conn
	encoder *hpack.Encoder
	encoded bytes.Buffer
	acks    chan [8]byte // of pings
}

// startFake connects to a peer that has answer say something to each call.
func startFake(t *testing.T, answer func(f *fake, stream uint32), settings ...http2.Setting) *conn {
	t.Helper()
	l := listen(t)
	defer l.Close()
	peer := make(chan *fake, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(nc, preface); err != nil || string(preface) != http2.ClientPreface {
			t.Errorf("preface %q: %v", preface, err)
		}
		f := &fake{Framer: http2.NewFramer(nc, nc), net: nc, acks: make(chan [8]byte, 1)}
		f.encoder = hpack.NewEncoder(&f.encoded)
		peer <- f
		_ = f.WriteSettings(settings...)
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.DataFrame:
				answer(f, frame.StreamID)
			case *http2.PingFrame:
				f.acks <- frame.Data
			}
		}
	}()
	ctx, stop := context.WithCancel(t.Context())
	c, err := dial(ctx, l.Addr().String(), &shares{})
	require.NoError(t, err)
	ready, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		c.serve(func() { close(ready) }, func() {})
	}()
	<-ready
	f := <-peer
	t.Cleanup(func() {
		stop()
		c.close()
		<-over
		_ = f.net.Close()
	})
	return c
}

func (f *fake) headers(stream uint32, end bool, pairs ...string) {
	f.encoded.Reset()
	for i := 0; i < len(pairs); i += 2 {
		_ = f.encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.encoded.Bytes(), EndStream: end, EndHeaders: true})
}

func (f *fake) begin(stream uint32) {
	f.headers(stream, false, ":status", "200", "content-type", "application/grpc")
}

func message(s string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(s))), s...)
}

func (f *fake) answer(stream uint32, reply, code, text string) {
	f.begin(stream)
	_ = f.WriteData(stream, false, message(reply))
	f.headers(stream, true, "grpc-status", code, "grpc-message", text)
}

func ask(ctx context.Context, c *conn) (string, error) {
	var reply passthrough.Frame
	err := c.invoke(ctx, method, passthrough.Frame("request"), &reply, options{passthrough.Codec, 1 << 20})
	return string(reply), err
}

// What a peer may say to a call, and what it becomes.
func TestAnswersOfPeers(t *testing.T) {
	for name, is := range map[string]struct {
		answer func(f *fake, stream uint32)
		code   codes.Code
		made   bool // the peer may have seen the call
	}{
		"a reply": {func(f *fake, s uint32) { f.answer(s, "reply", "0", "") }, codes.OK, true},
		"in small parts": {func(f *fake, s uint32) {
			f.begin(s)
			for _, b := range message("reply") {
				_ = f.WriteData(s, false, []byte{b})
			}
			f.headers(s, true, "grpc-status", "0")
		}, codes.OK, true},
		"padded": {func(f *fake, s uint32) {
			f.begin(s)
			_ = f.WriteDataPadded(s, false, message("reply"), make([]byte, 100))
			f.headers(s, true, "grpc-status", "0")
		}, codes.OK, true},
		"after an interim answer": {func(f *fake, s uint32) {
			f.headers(s, false, ":status", "103")
			f.answer(s, "reply", "0", "")
		}, codes.OK, true},
		"headers in two frames": {func(f *fake, s uint32) {
			f.begin(s)
			_ = f.WriteData(s, false, message("reply"))
			f.encoded.Reset()
			_ = f.encoder.WriteField(hpack.HeaderField{Name: "grpc-status", Value: "0"})
			b := f.encoded.Bytes()
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: s, BlockFragment: b[:3], EndStream: true})
			_ = f.WriteContinuation(s, true, b[3:])
		}, codes.OK, true},
		"a status alone":    {func(f *fake, s uint32) { f.headers(s, true, ":status", "200", "grpc-status", "5") }, codes.NotFound, true},
		"a reply and error": {func(f *fake, s uint32) { f.answer(s, "reply", "5", "") }, codes.NotFound, true},
		"odd status":        {func(f *fake, s uint32) { f.answer(s, "reply", "x", "") }, codes.Unknown, true},
		"no message":        {func(f *fake, s uint32) { f.begin(s); f.headers(s, true, "grpc-status", "0") }, codes.Internal, true},
		"no status":         {func(f *fake, s uint32) { f.begin(s); f.headers(s, true, "x", "0") }, codes.Internal, true},
		"no trailers":       {func(f *fake, s uint32) { f.begin(s); _ = f.WriteData(s, true, message("reply")) }, codes.Internal, true},
		"no headers":        {func(f *fake, s uint32) { _ = f.WriteData(s, false, message("reply")) }, codes.Internal, true},
		"trailers go on":    {func(f *fake, s uint32) { f.begin(s); f.headers(s, false, "grpc-status", "0") }, codes.Internal, true},
		"a proxy's error":   {func(f *fake, s uint32) { f.headers(s, false, ":status", "502") }, codes.Unavailable, true},
		"a web page":        {func(f *fake, s uint32) { f.headers(s, true, ":status", "200", "content-type", "text/html") }, codes.Unknown, true},
		"half a message": {func(f *fake, s uint32) {
			f.begin(s)
			_ = f.WriteData(s, false, message("reply")[:7])
			f.headers(s, true, "grpc-status", "0")
		}, codes.Internal, true},
		"two messages": {func(f *fake, s uint32) { f.begin(s); _ = f.WriteData(s, false, append(message("a"), message("b")...)) }, codes.Internal, true},
		"packed": {func(f *fake, s uint32) {
			f.begin(s)
			_ = f.WriteData(s, false, append([]byte{1}, message("reply")[1:]...))
		}, codes.Internal, true},
		"too long":           {func(f *fake, s uint32) { f.begin(s); _ = f.WriteData(s, false, []byte{0, 0xff, 0xff, 0xff, 0xff}) }, codes.ResourceExhausted, true},
		"refused":            {func(f *fake, s uint32) { _ = f.WriteRSTStream(s, http2.ErrCodeRefusedStream) }, codes.OK, false},
		"cancelled":          {func(f *fake, s uint32) { _ = f.WriteRSTStream(s, http2.ErrCodeCancel) }, codes.Canceled, true},
		"too many calls":     {func(f *fake, s uint32) { _ = f.WriteRSTStream(s, http2.ErrCodeEnhanceYourCalm) }, codes.ResourceExhausted, true},
		"broken off":         {func(f *fake, s uint32) { _ = f.WriteRSTStream(s, http2.ErrCodeInternal) }, codes.Internal, true},
		"goes, unseen":       {func(f *fake, _ uint32) { _ = f.WriteGoAway(0, http2.ErrCodeNo, nil) }, codes.OK, false},
		"goes, answers":      {func(f *fake, s uint32) { _ = f.WriteGoAway(s, http2.ErrCodeNo, nil); f.answer(s, "reply", "0", "") }, codes.OK, true},
		"gone":               {func(f *fake, _ uint32) { _ = f.net.Close() }, codes.Unavailable, true},
		"no HTTP/2":          {func(f *fake, _ uint32) { _, _ = f.net.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, codes.Unavailable, true},
		"a window too large": {func(f *fake, _ uint32) { _ = f.WriteWindowUpdate(0, 1<<31-1) }, codes.Unavailable, true},
		"a push": {func(f *fake, s uint32) {
			f.encoded.Reset()
			_ = f.WritePushPromise(http2.PushPromiseParam{StreamID: s, PromiseID: 2, EndHeaders: true})
		}, codes.Unavailable, true},
		"endless headers": {func(f *fake, s uint32) {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: s, BlockFragment: nil})
			for range 10 {
				_ = f.WriteContinuation(s, false, bytes.Repeat([]byte{0x82}, 16<<10))
			}
		}, codes.Unavailable, true},
		"a header of 20 KiB": {func(f *fake, s uint32) {
			f.headers(s, true, ":status", "200", "grpc-status", "5", "grpc-message", strings.Repeat("x", 8<<10))
		}, codes.NotFound, true},
		"bad headers": {func(f *fake, s uint32) {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: s, BlockFragment: []byte{0xff, 0xff, 0xff}, EndHeaders: true})
		}, codes.Unavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := startFake(t, is.answer)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			reply, err := ask(ctx, c)
			if !is.made {
				require.ErrorIs(t, err, errNotMade)
				return
			}
			require.NotErrorIs(t, err, errNotMade)
			require.Equal(t, is.code, status.Code(err), "%v", err)
			if is.code == codes.OK {
				require.Equal(t, "reply", reply)
			}
		})
	}
}

// An answer that comes when nobody waits any more disturbs no other.
func TestALateAnswerIsNobodys(t *testing.T) {
	held := make(chan uint32, 1)
	c := startFake(t, func(f *fake, s uint32) {
		select {
		case late := <-held:
			f.answer(late, "late", "0", "")
			f.answer(s, "reply", "0", "")
		default:
			held <- s
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		held <- <-held
		cancel()
	}()
	_, err := ask(ctx, c)
	require.Equal(t, codes.Canceled, status.Code(err))
	reply, err := ask(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "reply", reply)
}

// A peer that takes no more has gRPC make the call, or wait.
func TestWhatAPeerTakes(t *testing.T) {
	for name, setting := range map[string]http2.Setting{
		"no calls":       {ID: http2.SettingMaxConcurrentStreams, Val: 0},
		"short messages": {ID: http2.SettingInitialWindowSize, Val: 5},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t.Context(), startFake(t, func(*fake, uint32) {}, setting))
			require.ErrorIs(t, err, errNotMade)
		})
	}
	t.Run("no more bytes", func(t *testing.T) {
		c := startFake(t, func(f *fake, s uint32) { f.answer(s, "reply", "0", "") })
		n := 0
		for ; n < firstWindow; n++ {
			if _, err := ask(t.Context(), c); err != nil {
				require.ErrorIs(t, err, errNotMade)
				break
			}
		}
		require.Equal(t, firstWindow/(prefixSize+len("request")), n)
	})
	t.Run("a table without room", func(t *testing.T) {
		c := startFake(t, func(f *fake, s uint32) { f.answer(s, "reply", "0", "") }, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
		for range 2 {
			_, err := ask(t.Context(), c)
			require.NoError(t, err)
		}
	})
}

func TestPingsAreAnswered(t *testing.T) {
	acks := make(chan [8]byte, 1)
	c := startFake(t, func(f *fake, s uint32) {
		_ = f.WritePing(false, [8]byte{1, 2, 3})
		f.answer(s, "reply", "0", "")
		go func() { acks <- <-f.acks }()
	})
	_, err := ask(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, [8]byte{1, 2, 3}, <-acks)
}

// A connection has two thousand million calls in it.
func TestAConnectionRunsOut(t *testing.T) {
	c := startFake(t, func(f *fake, s uint32) { f.answer(s, "reply", "0", "") })
	c.mu.Lock()
	c.next = lastStream - 1
	c.mu.Unlock()
	_, err := ask(t.Context(), c)
	require.NoError(t, err)
	_, err = ask(t.Context(), c)
	require.ErrorIs(t, err, errNotMade)
	<-c.done
}

// over is a context whose time is over and whose timer has not noticed.
type over struct{ context.Context }

func (over) Deadline() (time.Time, bool) { return time.Now().Add(-time.Millisecond), true }

// A peer may end a call whose time is over before the caller's timer does: the caller was
// told that it had cancelled the call.
func TestAPeerThatEndsALateCall(t *testing.T) {
	c := startFake(t, func(f *fake, stream uint32) { _ = f.WriteRSTStream(stream, http2.ErrCodeCancel) })
	_, err := ask(over{t.Context()}, c)
	require.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)
	_, err = ask(t.Context(), c)
	require.Equal(t, codes.Canceled, status.Code(err), "%v", err)
}
