package unary

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// headerBlock is what one block of headers says. It is used again.
type headerBlock struct {
	stream uint32
	ends   bool // it is the last of its stream
	size   int  // bytes, packed

	http    string // :status; empty: trailers
	content string // content-type
	code    string // grpc-status; empty: none
	text    string // grpc-message, as it was sent
	details string // grpc-status-details-bin likewise
}

func (h *headerBlock) begin(stream uint32, ends bool) { *h = headerBlock{stream: stream, ends: ends} }

// take takes one header.
func (h *headerBlock) take(f hpack.HeaderField) {
	switch f.Name {
	case ":status":
		h.http = f.Value
	case "content-type":
		h.content = f.Value
	case "grpc-status":
		h.code = f.Value
	case "grpc-message":
		h.text = f.Value
	case "grpc-status-details-bin":
		h.details = f.Value
	}
}

// interim reports whether the headers of the reply are still to come.
func (h *headerBlock) interim() bool { return len(h.http) == 3 && h.http[0] == '1' }

// refused is the error of a reply that does not come from gRPC; nil: it does.
func (h *headerBlock) refused() error {
	if h.interim() || h.code != "" || h.http == "200" && strings.HasPrefix(h.content, "application/grpc") {
		return nil
	}
	return status.Errorf(codeOf(h.http), "unary: no reply of gRPC: status %q, content-type %q", h.http, h.content)
}

// codeOf is the code of an HTTP status, by gRPC's table.
func codeOf(text string) codes.Code {
	n, _ := strconv.Atoi(text)
	switch n {
	case http.StatusBadRequest:
		return codes.Internal
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.Unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return codes.Unavailable
	}
	return codes.Unknown
}

// outcome is what a call ends with whose last headers these are.
func (h *headerBlock) outcome(k *call) error {
	if h.code == "" {
		if !k.head {
			if err := h.refused(); err != nil {
				return err
			}
		}
		return status.Error(codes.Internal, "unary: a reply without a status")
	}
	if h.code == "0" {
		if !k.whole() {
			return status.Error(codes.Internal, "unary: a reply without a message")
		}
		return nil
	}
	code, err := strconv.ParseInt(h.code, 10, 32)
	if err != nil {
		return status.Errorf(codes.Unknown, "unary: a status of %q", h.code)
	}
	if h.details != "" {
		if s := details(h.details); s != nil && s.GetCode() == int32(code) {
			return status.ErrorProto(s)
		}
	}
	return status.Error(codes.Code(uint32(code)), unescape(h.text))
}

// details reads a status with its details; nil: it cannot be read.
func details(text string) *spb.Status {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	s := new(spb.Status)
	if err != nil || proto.Unmarshal(b, s) != nil {
		return nil
	}
	return s
}

// unescape reads a message of a status, in which some bytes stand as %XX.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(n))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
