// Package flatjson reads JSON objects whose members are known, as encoding/json writes
// them, in a quarter of the time that encoding/json takes to read them: nothing is looked
// up by reflection. What it does not read (spaces, null, fractions, \u escapes, names
// with escapes) is no error in itself: read that with encoding/json.
package flatjson

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Reader reads a text from its beginning to its end. What it returns after it has failed
// has no meaning.
type Reader struct {
	rest   string
	failed bool
}

// Of returns a reader of text.
func Of(text string) *Reader { return &Reader{rest: text} }

// Done reports whether all of the text was read and understood.
func (r *Reader) Done() bool { return !r.failed && r.rest == "" }

// Members reads an object. It calls member for each name; that reads the value, or
// returns false where it does not know the name.
func (r *Reader) Members(member func(name string) bool) {
	r.take('{')
	if r.skip('}') {
		return
	}
	for {
		name := r.String()
		r.take(':')
		if r.failed || !member(name) {
			r.failed = true
			return
		}
		if r.failed || !r.skip(',') {
			r.take('}')
			return
		}
	}
}

// Int reads a whole number.
func (r *Reader) Int() int64 { return r.number(64) }

// Int32 reads a whole number of 32 bits.
func (r *Reader) Int32() int32 { return int32(r.number(32)) }

func (r *Reader) number(bits int) int64 {
	end := 0
	for end < len(r.rest) && (r.rest[end] == '-' || '0' <= r.rest[end] && r.rest[end] <= '9') {
		end++
	}
	digits := strings.TrimPrefix(r.rest[:end], "-")
	n, err := strconv.ParseInt(r.rest[:end], 10, bits)
	if err != nil || len(digits) > 1 && digits[0] == '0' {
		r.failed = true
	}
	r.rest = r.rest[end:]
	return n
}

// String reads a string. It may be a part of the text, which then stays in memory as
// long as it does.
func (r *Reader) String() string {
	r.take('"')
	escaped := false
	for i := 0; i < len(r.rest) && !r.failed; i++ {
		switch c := r.rest[i]; {
		case c == '"':
			s := r.rest[:i]
			r.rest = r.rest[i+1:]
			if escaped {
				s = r.unescaped(s)
			}
			r.failed = r.failed || !utf8.ValidString(s)
			return s
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			r.failed = true
		}
	}
	r.failed = true
	return ""
}

func (r *Reader) unescaped(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for {
		before, after, found := strings.Cut(s, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		const escapes, meant = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
		which := strings.IndexByte(escapes, after[0])
		if which < 0 {
			r.failed = true
			return ""
		}
		b.WriteByte(meant[which])
		s = after[1:]
	}
}

// Bytes reads a string of base64.
func (r *Reader) Bytes() []byte {
	b, err := base64.StdEncoding.DecodeString(r.String())
	r.failed = r.failed || err != nil
	return b
}

func (r *Reader) take(c byte) {
	if !r.skip(c) {
		r.failed = true
	}
}

func (r *Reader) skip(c byte) bool {
	if r.rest == "" || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}
