package tl

import (
	"sync"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// Every call appends to dst and returns the longer slice; on an error it returns dst as it was. What lies between the length
// and the capacity of dst may be overwritten also behind the result. Input is only read, and nothing of it is kept.

var (
	toProtos = sync.Pool{New: func() any { return new(toProto) }}
	toTLs    = sync.Pool{New: func() any { return new(toTL) }}
)

// keep bounds the scratch memory a pooled transcoder may hold on to, in elements.
const keep = 1 << 16

// DecodeRequest turns the method call at the start of in into its request message of at most limit bytes, and at most
// MaxOutput. It repairs strings that are not UTF-8. n is how much of in it took; a wrapper takes everything, since its query
// lies verbatim in the message. m is nil only when the method is unknown.
//
// A message that would be longer than limit is a LimitError, found where the limit is reached: the room that is made on the
// way adds up to no more than four times limit, however long the message would get. One that is shorter than limit by less
// than the longest fixed part of an object, some hundred bytes, may be refused, too.
func (s *Schema) DecodeRequest(dst, in []byte, limit int) (out []byte, m *Method, n int, err error) {
	if len(in) > MaxInput {
		return dst, nil, 0, LimitError{"input", MaxInput}
	}
	t := s.begin(dst, in)
	t.bound(dst, limit)
	o := len(dst)
	t.text = true
	if p := t.method(); p != nil {
		n, o = t.body(p, 4, o)
		m = p.method
	}
	out, n, err = t.end(dst, n, o)
	return out, m, n, err
}

// Decode turns the TL at the start of in into message m: for a union an object of that type, for a request a call of that
// method, for Vector_X a vector. n is how much of in it took. The result of a method is its Reply; a nil m, as the Reply of a
// wrapper or what Message returns for a name that the release does not have, is an UnknownMessageError.
func (s *Schema) Decode(dst []byte, m *Message, in []byte) (out []byte, n int, err error) {
	if m == nil {
		return dst, 0, UnknownMessageError{}
	}
	if len(in) > MaxInput {
		return dst, 0, LimitError{"input", MaxInput}
	}
	t := s.begin(dst, in)
	o := len(dst)
	switch m.shape {
	case tlset.Union:
		if p := t.lookup(m, 0); p != nil {
			n, o = t.body(p, 4, o)
		}
	case tlset.Request:
		t.text = true
		if p := t.method(); p != nil && p.msg != m {
			t.fail(UnexpectedConstructorError{p.id, m.name, 0})
		} else if p != nil {
			n, o = t.body(p, 4, o)
		}
	default:
		n, o = t.body(m.whole, 0, o)
	}
	return t.end(dst, n, o)
}

// begin takes a transcoder from the pool; end returns it.
func (s *Schema) begin(dst, in []byte) *toProto {
	t := toProtos.Get().(*toProto)
	t.s, t.in, t.start = s, in[:len(in):len(in)], len(dst)
	t.bound(dst, MaxOutput)
	return t
}

// bound sets how much the call may append to dst.
func (t *toProto) bound(dst []byte, limit int) {
	t.limit = min(limit, MaxOutput)
	t.buf = spare(dst, t.limit)
}

// spare is dst with its capacity, as far as a call may use it that appends at most limit bytes.
func spare(dst []byte, limit int) []byte {
	n := min(cap(dst), len(dst)+limit+room)
	return dst[:n:n]
}

func (t *toProto) end(dst []byte, n, o int) ([]byte, int, error) {
	if t.err == nil && o-t.start > t.limit { // by less than room, which is written to without a look
		t.fail(LimitError{"output", 0})
	}
	err := t.err
	out := t.buf
	if err != nil {
		out, n, o = dst, 0, len(dst)
	}
	if cap(t.scratch) > keep {
		t.scratch = nil
	}
	*t = toProto{offsets: t.offsets[:0], scratch: t.scratch[:0]}
	toProtos.Put(t)
	return out[:o], n, err
}

// method finds the program of the call that in holds.
func (t *toProto) method() *program {
	if len(t.in) < 4 {
		t.truncated(0)
		return nil
	}
	id := load32(t.in, 0)
	p := t.s.requests.get(id)
	if p == nil {
		t.fail(UnknownConstructorError{id, 0})
	}
	return p
}

// Encode turns message m in pb into the TL a client of the layer reads: the constructor versions are the layer's, a layer
// outside MinLayer..MaxLayer is taken for the nearest, and what the layer lacks becomes the closest thing it has or, at last,
// a NotInLayerError. A request is written in the version its constructor field names, whatever the layer. A nil m is an
// UnknownMessageError, as in Decode.
func (s *Schema) Encode(dst []byte, m *Message, pb []byte, layer int) ([]byte, error) {
	if m == nil {
		return dst, UnknownMessageError{}
	}
	if len(pb) > MaxInput {
		return dst, LimitError{"input", MaxInput}
	}
	if c := min(max(layer, s.minLayer), s.maxLayer); c != layer {
		s.clamped.Add(1)
		layer = c
	}
	t := toTLs.Get().(*toTL)
	t.s, t.buf, t.start, t.layer = s, spare(dst, MaxOutput), len(dst), layer-s.minLayer
	pb = pb[:len(pb):len(pb)]
	o := fail
	switch m.shape {
	case tlset.Union:
		o = t.object(m, pb, 0, len(dst))
	case tlset.Request:
		if p := t.request(m, pb); p != nil {
			o = t.body(p, pb, 0, 0, len(dst))
		}
	default:
		o = t.body(m.whole, pb, 0, 0, len(dst))
	}
	out, err := t.buf, t.err
	if err != nil {
		out, o = dst, len(dst)
	}
	if t.substituted != 0 {
		s.substituted.Add(t.substituted)
	}
	if t.dropped != 0 {
		s.dropped.Add(t.dropped)
	}
	if cap(t.spans) > keep {
		t.spans = nil
	}
	*t = toTL{spans: t.spans[:0]}
	toTLs.Put(t)
	return out[:o], err
}

// request finds the method version that the request message b names.
func (t *toTL) request(m *Message, b []byte) *program {
	id, ok := lastVarint(b, 0, 1)
	p := t.s.requests.get(uint32(id))
	switch {
	case ok && p != nil && p.msg == m:
		return p
	case !ok && m.only != nil:
		return m.only
	}
	t.fail(UnknownMethodError{m.name, uint32(id)})
	return nil
}

// Predicate returns the constructor name of an encoded union message without decoding it: field 1, else what field 2
// maps to; empty when it names none.
func (s *Schema) Predicate(message string, pb []byte) string {
	m := s.messages[message]
	if m == nil || m.shape != tlset.Union {
		return ""
	}
	t := toTL{s: s}
	if p := t.predicate(m, pb, 0); p != nil {
		return p.name
	}
	return ""
}
