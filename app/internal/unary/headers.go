package unary

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/tgsession/tgsession/app/internal/rpcclient"
)

// longestHeaders bounds what the headers of a call say that a Client makes itself: a
// block fits into one frame, and into what peers take.
const longestHeaders = 8 << 10

var userAgent = "grpc-go/" + grpc.Version

// requestHeaders are those of a call.
type requestHeaders struct {
	path    string
	timeout []byte // grpc-timeout; empty: none
	name    string // of a header of the call's own; empty: it has none
	value   string
	room    [12]byte // of timeout
}

// of fills in the headers of a call; false: it has others than one short one.
func (h *requestHeaders) of(ctx context.Context, method string) bool {
	h.path, h.name, h.value, h.timeout = method, "", "", nil
	if deadline, ok := ctx.Deadline(); ok {
		h.timeout = appendTimeout(h.room[:0], time.Until(deadline))
	}
	name, value, ours := rpcclient.Header(ctx)
	if !ours {
		md, _ := metadata.FromOutgoingContext(ctx)
		if len(md) > 0 {
			return false
		}
	}
	h.name, h.value = name, value
	return len(method)+len(value) <= longestHeaders && !strings.HasSuffix(name, "-bin") && printable(value)
}

// printable reports whether a header may have a value as it is.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// appendTimeout writes a time as grpc-timeout has it: at most eight digits, and a unit.
func appendTimeout(b []byte, d time.Duration) []byte {
	const most = 1e8
	switch {
	case d <= 0:
		return append(b, "0n"...)
	case d/time.Microsecond < most:
		return append(strconv.AppendInt(b, int64((d+time.Microsecond-1)/time.Microsecond), 10), 'u')
	case d/time.Millisecond < most:
		return append(strconv.AppendInt(b, int64((d+time.Millisecond-1)/time.Millisecond), 10), 'm')
	}
	return append(strconv.AppendInt(b, int64(min(d/time.Second, most-1)), 10), 'S')
}

// encode writes the headers into to, which is e's. What each call has of its own enters
// no table, where it would push out what they have in common.
func (h *requestHeaders) encode(e *hpack.Encoder, to *bytes.Buffer, authority string) {
	for _, f := range [...]hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: h.path},
		{Name: ":authority", Value: authority},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "user-agent", Value: userAgent},
		{Name: "te", Value: "trailers"},
	} {
		_ = e.WriteField(f) // a Buffer takes everything
	}
	if len(h.timeout) > 0 {
		literal(to, "grpc-timeout", h.timeout)
	}
	if h.name != "" {
		literal(to, h.name, h.value)
	}
}

// literal writes a header that is in no table, and is not to enter one (RFC 7541, 6.2.2).
func literal[T string | []byte](to *bytes.Buffer, name string, value T) {
	to.WriteByte(0)
	length(to, len(name))
	to.WriteString(name)
	length(to, len(value))
	switch v := any(value).(type) {
	case string:
		to.WriteString(v)
	case []byte:
		to.Write(v)
	}
}

// length writes the length of a string that is written as it is: an integer with a
// prefix of seven bits (RFC 7541, 5.1).
func length(to *bytes.Buffer, n int) {
	const prefix = 1<<7 - 1
	if n < prefix {
		to.WriteByte(byte(n))
		return
	}
	to.WriteByte(prefix)
	for n -= prefix; n >= 1<<7; n >>= 7 {
		to.WriteByte(byte(n) | 1<<7)
	}
	to.WriteByte(byte(n))
}
