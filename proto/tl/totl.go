package tl

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
)

// toTL turns protobuf into TL. Methods that write take a message as b[pos:], where b is the input up to the message's end, and
// the position in the output; they return the one after what they wrote, or fail when they have set err. The capacity of b is
// the whole input: what reads by the word may look behind the end, but takes nothing from there.
type toTL struct {
	s     *Schema
	buf   []byte // the output: all of its capacity
	start int    // where in buf the call began
	layer int    // index: the layer - Schema.minLayer
	depth int
	err   error

	spans []span // one stack for all levels
	plain bool   // stream is not to be tried any more

	substituted, dropped uint64
}

// span is what scan found of one field.
type span struct {
	v uint64 // the value of a varint or double; else start<<32 | end in the input
	n uint32 // elements of a repeated field; else meaningless
}

func at(start, end int) uint64         { return uint64(start)<<32 | uint64(end) }
func bounds(v uint64) (start, end int) { return int(v >> 32), int(v & 0xffffffff) }

// level is the state of one message while it is written.
type level struct {
	p     *program
	b     []byte              // the input up to where the message ends
	spans []span              // by slot; only those of seen mean anything
	seen  stepSet             // slots that scan found
	todo  stepSet             // steps to run
	words words               // computed by scan
	at    [maxWords + 1]int32 // where the words stand in the output

	// Of stream alone:
	gaps  uint64 // steps that have yet to run: at first all of base, later also those of held fields
	last  uint64 // the bit of the step that ran last
	count int    // where the count of the vector stands that is being written
	n     uint32 // its elements so far
}

func (t *toTL) fail(err error) int {
	t.err = err
	return fail
}

// grow makes room for n bytes at o. It returns the new t.buf, or nil when the output gets too long.
func (t *toTL) grow(o, n int) []byte {
	if o-t.start+n > MaxOutput {
		t.fail(LimitError{"output", 0})
		return nil
	}
	b := slices.Grow(t.buf[:o], n+room)
	t.buf = b[:cap(b)]
	return t.buf
}

// window is the output from o on; nil when it gets too long.
func (t *toTL) window(o int) *window {
	buf := t.buf
	if cap(buf)-o >= room {
		return (*window)(buf[o:cap(buf)])
	}
	return t.farther(o)
}

func (t *toTL) farther(o int) *window {
	if t.grow(o, room) == nil {
		return nil
	}
	return (*window)(t.buf[o:])
}

// object writes the union message b[pos:] as a boxed object. What the client's layer lacks becomes the closest thing it has.
//
// Most messages begin with the head of a constructor, as Go's protobuf writes it. Then the id is taken out of the place
// where it must be, behind a predicate as long as the message says; comparing the whole head makes sure.
func (t *toTL) object(m *Message, b []byte, pos, o int) int {
	var p *program
	if len(b)-pos >= 2 {
		if at := pos + 2 + int(b[pos+1]) + 1; cap(b)-at >= 8 {
			v := binary.LittleEndian.Uint64(b[at:cap(b)])
			id := v&0x7f | v>>1&0x3f80 | v>>2&0x1fc000 | v>>3&0xfe00000 | v>>4&0xf0000000
			p = t.s.constructors.get(uint32(id))
		}
	}
	if p == nil || p.msg != m || !p.heads(b, pos) {
		return t.named(m, b, pos, o)
	}
	start := pos
	pos += int(p.headSize)
	var end int
	if layer := int16(t.layer); layer < p.first || layer > p.last {
		end = t.version(p.pred, b, start, pos, o)
	} else if p.flat != nil && t.depth < MaxDepth {
		end = t.flat(p, b, pos, o, true)
	} else {
		end = t.body(p, b, start, pos, o)
	}
	if end >= 0 {
		return end
	}
	if t.err == errRenamed { //nolint:errorlint // private, never wrapped
		t.err = nil
		return t.named(m, b, start, o)
	}
	return t.instead(m, p.pred, b, start, o)
}

// heads reports whether b[pos:] begins with the head of p.
func (p *program) heads(b []byte, pos int) bool {
	n := int(p.headSize)
	if len(b)-pos < n {
		return false
	}
	if cap(b)-pos >= 32 && n >= 16 && n <= 32 { // most: two words overlap, which takes no call
		head := b[pos:cap(b)]
		return *(*[16]byte)(head) == *(*[16]byte)(p.head[:]) && *(*[16]byte)(head[n-16:]) == *(*[16]byte)(p.head[n-16:])
	}
	if n <= headRoom {
		return string(b[pos:pos+n]) == string(p.head[:n])
	}
	return string(b[pos:pos+n]) == string(p.longHead)
}

// named is object for a message that does not begin with the head of a constructor.
func (t *toTL) named(m *Message, b []byte, pos, o int) int {
	pred := t.predicate(m, b, pos)
	if pred == nil {
		return fail
	}
	if end := t.version(pred, b, pos, pos, o); end >= 0 {
		return end
	}
	return t.instead(m, pred, b, pos, o)
}

// instead writes another constructor in the place of pred when the layer is what pred failed for.
func (t *toTL) instead(m *Message, pred *predicate, b []byte, pos, o int) int {
	for _, other := range m.lacking {
		if other == pred || other.at(t.layer) == nil || !t.lacking() {
			continue
		}
		first := t.err
		t.err = nil
		if end := t.version(other, b, pos, pos, o); end >= 0 {
			t.substituted++
			return end
		}
		t.err = first
	}
	return fail
}

// version writes b[start:], whose fields begin at pos, as the layer's version of a constructor.
func (t *toTL) version(pred *predicate, b []byte, start, pos, o int) int {
	p := pred.at(t.layer)
	if p == nil {
		return t.fail(NotInLayerError{pred.name, t.s.minLayer + t.layer})
	}
	return t.body(p, b, start, pos, o)
}

// lacking reports whether the error is one that a substitute can mend.
func (t *toTL) lacking() bool {
	var e NotInLayerError
	return errors.As(t.err, &e)
}

// push makes room for the spans of one more level.
func (t *toTL) push(n int) []span {
	base := len(t.spans)
	if cap(t.spans)-base < n {
		t.spans = slices.Grow(t.spans, n)
	}
	t.spans = t.spans[:base+n]
	return t.spans[base:]
}

// body writes id and fields of a constructor or method from the message b[start:]. When p was chosen by the head of the
// message, pos is where that ends; else it is start. Whether it succeeds or not, it leaves depth and spans as they were.
func (t *toTL) body(p *program, b []byte, start, pos, o int) int {
	if t.depth == MaxDepth {
		return t.fail(LimitError{"depth", 0})
	}
	if p.flat != nil {
		return t.flat(p, b, pos, o, pos > start)
	}
	t.depth++
	spans := len(t.spans)
	end, ok := fail, false
	if p.numbers != nil && !t.plain {
		substituted, dropped := t.substituted, t.dropped
		if end, ok = t.stream(p, b, pos, o, pos > start); !ok {
			t.err = nil
			t.spans = t.spans[:spans]
			t.plain, t.substituted, t.dropped = true, substituted, dropped
		}
	}
	if !ok {
		end = t.scanned(p, b, pos, o, pos > start)
	}
	t.spans = t.spans[:spans]
	t.depth--
	return end
}

// scanned is body in two passes: scan, then write.
func (t *toTL) scanned(p *program, b []byte, pos, o int, headed bool) int {
	var l level // field by field: a literal is built aside and copied in wider words than it was written in, which stalls
	l.p, l.b, l.spans = p, b, t.push(len(p.fields))
	spans := len(t.spans)
	l.todo[0], l.todo[1] = p.write.base[0], p.write.base[1]
	if !t.scan(&l, pos, headed) {
		return fail
	}
	if len(p.shared) != 0 {
		t.completeGroups(&l)
	}
	if o = t.head(p, o); o < 0 {
		return fail
	}
	end := t.write(&l, o)
	for end < 0 && t.err == errAgain { //nolint:errorlint // private, never wrapped
		// A bit had to be cleared after fields that depend on it were out. Each round clears one more bit.
		t.err = nil
		t.spans = t.spans[:spans]
		end = t.write(&l, o)
	}
	return end
}

// head writes the constructor id.
func (t *toTL) head(p *program, o int) int {
	if p.noCrc {
		return o
	}
	if len(t.buf)-o < room && t.grow(o, room) == nil {
		return fail
	}
	binary.LittleEndian.PutUint32(t.buf[o:], p.id)
	return o + 4
}

var errAgain = errors.New("tl: write again")

// write executes the steps. This is the hot loop.
func (t *toTL) write(l *level, o int) int {
	steps := l.p.write.steps
	block, todo := 0, l.todo[0]
	for {
		if todo == 0 {
			if block++; block == len(l.todo) {
				return o
			}
			todo = l.todo[block]
			continue
		}
		w := t.window(o)
		if w == nil {
			return fail
		}
		bit := bits.TrailingZeros64(todo)
		s := &steps[block*64+bit]
		f := &absent
		if l.seen[block]>>bit&1 != 0 {
			f = &l.spans[block*64+bit]
		}
		todo &= todo - 1
		switch s.kind {
		case kFlags:
			l.at[s.late&maxWords] = int32(o)
			binary.LittleEndian.PutUint32(w[:], l.words[s.late&maxWords])
			o += 4

		case kInt:
			binary.LittleEndian.PutUint32(w[:], uint32(f.v))
			o += 4

		case kLong, kDouble:
			binary.LittleEndian.PutUint64(w[:], f.v)
			o += 8

		case kString:
			from, to := bounds(f.v)
			if o = t.string(l.b, from, to, o); o < 0 {
				return fail
			}

		case kObject:
			if o = t.field(l, s, f, o); o < 0 {
				return fail
			}

		case kObjects, kInts, kLongs, kStrings, kBareObjects:
			if o = t.vector(l, s, f, o); o < 0 {
				return fail
			}

		case kIntWrap, kLongWrap, kDoubleWrap:
			from, to := bounds(f.v)
			v, ok := wrappedNumber(l.b[:to], from, s.kind)
			if !ok {
				return t.fail(MalformedError{"wrapper", from})
			}
			binary.LittleEndian.PutUint64(w[:], v)
			if o += 8; s.kind == kIntWrap {
				o -= 4
			}

		case kStringWrap:
			start, end := bounds(f.v)
			from, to := wrappedString(l.b, start, end)
			if from < 0 {
				return t.fail(MalformedError{"wrapper", start})
			}
			if o = t.string(l.b, from, to, o); o < 0 {
				return fail
			}

		case kRaw:
			from, to := bounds(f.v)
			if to-from != int(s.size) && to != from {
				return t.fail(MalformedError{"int128 or int256", from})
			}
			clear(w[:s.size&63])
			copy(w[:], l.b[from:to])
			o += int(s.size)

		case kQuery:
			from, to := bounds(f.v)
			if len(t.buf)-o < to-from && t.grow(o, to-from) == nil {
				return fail
			}
			o += copy(t.buf[o:], l.b[from:to])

		case kBoxed:
			from, to := bounds(f.v)
			if o = t.object(s.msg, l.b[:to], from, o); o < 0 {
				return fail
			}
		}
	}
}

// absent stands for fields that were not found.
var absent span

// string writes the TL string b[from:to]. Short ones that have something behind them, as most have, are copied by the
// word, which takes no call.
func (t *toTL) string(b []byte, from, to, o int) int {
	buf, n := t.buf, uint(to-from)
	if n < room && cap(b)-from >= room && cap(buf)-o >= 2*room {
		w := (*[2 * room]byte)(buf[o:cap(buf)])
		w[0] = byte(n)
		*(*window)(w[1:]) = *(*window)(b[from:cap(b)])
		binary.LittleEndian.PutUint32(w[n+1:], 0)
		return o + int(n+4)&^3
	}
	return t.longString(b[from:to], from, o)
}

// longString is string for all content; it stands at from.
func (t *toTL) longString(src []byte, from, o int) int {
	if len(src) > maxString {
		return t.fail(LimitError{"string", from})
	}
	if len(t.buf)-o < len(src)+room && t.grow(o, len(src)+room) == nil {
		return fail
	}
	dst, n, head := t.buf[o:], len(src), 1
	if n < 254 {
		dst[0] = byte(n)
	} else {
		binary.LittleEndian.PutUint32(dst, 254|uint32(n)<<8)
		head = 4
	}
	n = head + copy(dst[head:], src)
	binary.LittleEndian.PutUint32(dst[n:], 0)
	return o + (n+3)&^3
}
