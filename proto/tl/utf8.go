package tl

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// A protobuf string must be UTF-8: a server in Go refuses a request with any other byte in it, and with an error that its
// caller takes for the server being ill. TL asks for UTF-8, too, but its readers do not look. So in what clients send, that is
// in requests, strings are repaired on the way: each run of invalid bytes becomes one U+FFFD, as strings.ToValidUTF8 does. What
// TL calls bytes is never touched, nor are the numbers of the key exchange, which TL calls strings. Results and other objects
// stay as they are.

// numbersAsStrings are requests whose strings hold numbers and ciphertext.
var numbersAsStrings = []string{"TL_req_DH_params", "TL_set_client_DH_params"}

// valid reports whether b is UTF-8. Most strings are short and ASCII.
func valid(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&more != 0 {
			return utf8.Valid(b)
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return utf8.Valid(b)
		}
	}
	return true
}

// repair appends b, as UTF-8, to dst, until that is longer than limit.
func repair(dst, b []byte, limit int) []byte {
	dst = slices.Grow(dst, min(len(b)+len(b)/2, limit)+utf8.UTFMax)
	broken := false
	for len(b) > 0 && len(dst) <= limit {
		r, n := utf8.DecodeRune(b)
		if r != utf8.RuneError || n > 1 {
			dst, broken = append(dst, b[:n]...), false
		} else if !broken {
			dst, broken = utf8.AppendRune(dst, utf8.RuneError), true
		}
		b = b[n:]
	}
	return dst
}

// repaired writes the string or StringValue of step s with content b, which is not UTF-8.
func (t *toProto) repaired(s *step, b []byte, o int) int {
	left := t.limit - (o - t.start)
	t.scratch = repair(t.scratch[:0], b, max(left, 0))
	n := len(t.scratch)
	if n > left {
		return t.fail(LimitError{"output", 0})
	}
	if len(t.buf)-o < n+room && t.grow(o, n+room) == nil {
		return fail
	}
	w := (*window)(t.buf[o:])
	binary.LittleEndian.PutUint16(w[:], s.tagBytes)
	at := int(s.tagSize & 3)
	if s.kind == kStringWrap {
		at += putVarint(w, at, uint64(1+sizeVarint(uint64(n))+n))
		w[at] = 1<<3 | wireBytes
		at++
	}
	o += at + putVarint((*window)(t.buf[o+at:]), 0, uint64(n))
	return o + copy(t.buf[o:], t.scratch)
}
