package tl

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// toTL turns protobuf into TL. Protobuf fields may come in any order, so each message is first scanned, which notes where
// every field of the chosen constructor lies, and then written in TL order. Methods return false when they have set err.
type toTL struct {
	s     *Schema
	out   []byte
	start int // length of out before the call
	layer int // index into predicate.byLayer
	depth int
	err   error

	spans []span // one stack for all levels

	substituted, dropped uint64
}

// span is what scan found of one field.
type span struct {
	v uint64 // the value of a varint or double; else start<<32 | end in the message
	n uint32 // occurrences: elements of a repeated field; 0: absent
}

func at(start, end int) uint64         { return uint64(start)<<32 | uint64(end) }
func bounds(v uint64) (start, end int) { return int(v >> 32), int(v & 0xffffffff) }

// level is the state of one message while it is written.
type level struct {
	p     *program
	b     []byte
	spans []span
	words words               // computed by scan
	at    [maxWords + 1]int32 // where the words stand in out, counted from start
}

func (t *toTL) fail(err error) bool {
	t.err = err
	return false
}

// object writes the union message b as a boxed object. What the client's layer lacks becomes the closest thing it has.
func (t *toTL) object(m *Message, b []byte) bool {
	start, depth, spans := len(t.out), t.depth, len(t.spans)
	var pred *predicate
	if p := t.headed(m, b); p != nil {
		pred = p.pred
		if t.version(pred, b, len(p.head)) {
			return true
		}
	}
	if pred == nil || t.err == errRenamed { //nolint:errorlint // private, never wrapped
		t.rewind(start, depth, spans)
		if pred = t.predicate(m, b); pred == nil {
			return false
		}
		if t.version(pred, b, 0) {
			return true
		}
	}
	for _, other := range m.lacking {
		if other == pred || other.byLayer[t.layer] == nil || !t.lacking() {
			continue
		}
		first := t.err
		t.rewind(start, depth, spans)
		if t.version(other, b, 0) {
			t.substituted++
			return true
		}
		t.err = first
	}
	return false
}

// version writes b, whose fields begin at pos, as the layer's version of a constructor.
func (t *toTL) version(pred *predicate, b []byte, pos int) bool {
	p := pred.byLayer[t.layer]
	if p == nil {
		return t.fail(ErrNotInLayer{pred.name, t.s.minLayer + t.layer})
	}
	return t.body(p, b, pos)
}

// lacking reports whether the error is one that a substitute can mend.
func (t *toTL) lacking() bool {
	var e ErrNotInLayer
	return errors.As(t.err, &e)
}

// rewind forgets a failed attempt.
func (t *toTL) rewind(out, depth, spans int) {
	t.out, t.depth, t.spans, t.err = t.out[:out], depth, t.spans[:spans], nil
}

// body writes id and fields of a constructor or method from the message b. See scan for pos.
func (t *toTL) body(p *program, b []byte, pos int) bool {
	if t.depth++; t.depth > MaxDepth {
		return t.fail(ErrLimit{"depth", 0})
	}
	if len(t.out)-t.start > MaxOutput {
		return t.fail(ErrLimit{"output", 0})
	}
	if p.flat != nil {
		t.depth--
		return t.flat(p, b, pos)
	}
	base := len(t.spans)
	t.spans = growSpans(t.spans, len(p.fields))
	var l level
	l.p, l.b, l.spans = p, b, t.spans[base:]
	if !t.scan(&l, pos) {
		return false
	}
	t.completeGroups(&l)
	start := len(t.out)
	for !t.write(&l) {
		if t.err != errAgain { //nolint:errorlint // private, never wrapped
			return false
		}
		// A bit had to be cleared after fields that depend on it were out. Each round clears one more bit.
		t.rewind(start, t.depth, base+len(p.fields))
	}
	t.spans = t.spans[:base]
	t.depth--
	return true
}

var errAgain = errors.New("tl: write again")

// write executes the steps. This is the hot loop: out is a local copy of t.out, put back before anything else appends.
func (t *toTL) write(l *level) bool {
	out := t.out
	if !l.p.noCrc {
		out = binary.LittleEndian.AppendUint32(out, l.p.id)
	}
	plan := &l.p.write
	set := plan.base
	for i := 1; i < len(plan.words); i++ {
		set.add(&plan.words[i], l.words[i&maxWords])
	}
	block, todo := 0, set[0]
	for {
		if todo == 0 {
			if block++; block == len(set) {
				break
			}
			todo = set[block]
			continue
		}
		s := &plan.steps[block*64+bits.TrailingZeros64(todo)]
		todo &= todo - 1
		if s.kind == kFlags {
			l.at[s.late&maxWords] = int32(len(out) - t.start)
			out = binary.LittleEndian.AppendUint32(out, l.words[s.late&maxWords])
			continue
		}
		f := &l.spans[s.slot]
		switch s.kind {
		case kInt:
			out = binary.LittleEndian.AppendUint32(out, uint32(f.v))

		case kLong, kDouble:
			out = binary.LittleEndian.AppendUint64(out, f.v)

		case kString:
			from, to := bounds(f.v)
			if to-from > maxString {
				return t.fail(ErrLimit{"string", from})
			}
			out = appendString(out, l.b[from:to])

		case kObject:
			t.out = out
			if !t.field(l, s, f) {
				return false
			}
			out = t.out

		case kObjects, kInts, kLongs, kStrings, kBareObjects:
			t.out = out
			if !t.vector(l, s, f) {
				return false
			}
			out = t.out

		case kIntWrap, kLongWrap, kDoubleWrap:
			from, to := bounds(f.v)
			v, ok := wrappedNumber(l.b[from:to], s.kind)
			if !ok {
				return t.fail(ErrMalformed{"wrapper", from})
			}
			if s.kind == kIntWrap {
				out = binary.LittleEndian.AppendUint32(out, uint32(v))
			} else {
				out = binary.LittleEndian.AppendUint64(out, v)
			}

		case kStringWrap:
			from, to := bounds(f.v)
			v, ok := wrappedString(l.b[from:to])
			if !ok {
				return t.fail(ErrMalformed{"wrapper", from})
			}
			if len(v) > maxString {
				return t.fail(ErrLimit{"string", from})
			}
			out = appendString(out, v)

		case kRaw:
			from, to := bounds(f.v)
			switch to - from {
			case int(s.size):
				out = append(out, l.b[from:to]...)
			case 0:
				var zero [32]byte
				out = append(out, zero[:s.size]...)
			default:
				return t.fail(ErrMalformed{"int128 or int256", from})
			}

		case kQuery:
			from, to := bounds(f.v)
			out = append(out, l.b[from:to]...)

		case kBoxed:
			from, to := bounds(f.v)
			t.out = out
			if !t.object(s.msg, l.b[from:to]) {
				return false
			}
			out = t.out
		}
	}
	t.out = out
	return true
}

// appendString appends a TL string; the caller has checked its length.
func appendString(out, v []byte) []byte {
	n := len(v)
	if n < 254 {
		out = append(out, byte(n))
		n++
	} else {
		out = append(out, 254, byte(n), byte(n>>8), byte(n>>16))
	}
	out = append(out, v...)
	for ; n&3 != 0; n++ {
		out = append(out, 0)
	}
	return out
}
