package tl

import (
	"encoding/binary"
	"math/bits"
)

// toProto turns TL into protobuf in one pass over the input. A method that takes a position returns the position after
// what it read, or fail when it has set err.
type toProto struct {
	s     *Schema
	in    []byte
	out   []byte
	start int // length of out before the call
	depth int
	err   error

	offsets []int  // start of each step's output, for shuffles; a stack
	scratch []byte // where shuffles sort
}

// fail is the position after an error.
const fail = -1

// frame is the state of one object.
type frame struct {
	todo  stepSet        // steps known to run
	marks [maxLate]int32 // positions of passed values
}

func (t *toProto) fail(err error) int {
	t.err = err
	return fail
}

func (t *toProto) truncated(pos int) int { return t.fail(ErrTruncated{pos}) }

// lookup reads the constructor id at pos and finds its program, which must belong to m.
func (t *toProto) lookup(m *Message, pos int) *program {
	if len(t.in)-pos < 4 {
		t.truncated(pos)
		return nil
	}
	id := binary.LittleEndian.Uint32(t.in[pos:])
	p := t.s.constructors.get(id)
	switch {
	case p == nil:
		t.fail(ErrUnknownConstructor{id, pos})
	case p.msg != m:
		t.fail(ErrUnexpectedConstructor{id, m.name, pos})
		return nil
	}
	return p
}

// body writes an object whose id has been read.
func (t *toProto) body(p *program, pos int) int {
	if t.depth++; t.depth > MaxDepth {
		return t.fail(ErrLimit{"depth", pos})
	}
	if len(t.out)-t.start > MaxOutput {
		return t.fail(ErrLimit{"output", pos})
	}
	if p.flat != nil {
		t.depth--
		return t.flat(p, pos)
	}
	var f frame
	f.todo = p.read.base
	t.out = append(t.out, p.head...)
	if p.shuffle == nil {
		pos = t.run(p, 0, p.main, pos, &f)
	} else {
		pos = t.shuffled(p, pos, &f)
	}
	t.depth--
	return pos
}

// boxed writes field tag, length and object for the boxed object at pos.
func (t *toProto) boxed(m *Message, tag uint32, pos int) int {
	p := t.lookup(m, pos)
	if p == nil {
		return fail
	}
	t.out = appendTag(t.out, tag)
	mark := t.reserve(p.large)
	if pos = t.body(p, pos+4); pos >= 0 {
		t.settle(mark, p.large)
	}
	return pos
}

// reserve leaves room for a length prefix; settle fills it, moving what was written when the guess was wrong.
func (t *toProto) reserve(large bool) int {
	if t.out = append(t.out, 0); large {
		t.out = append(t.out, 0)
	}
	return len(t.out)
}

func (t *toProto) settle(mark int, large bool) {
	room := 1
	if large {
		room = 2
	}
	n := len(t.out) - mark
	size := sizeVarint(uint64(n))
	if size != room {
		if size > room {
			var more [10]byte
			t.out = append(t.out, more[:size-room]...)
		}
		copy(t.out[mark+size-room:], t.out[mark:mark+n])
		t.out = t.out[:mark+size-room+n]
	}
	appendVarint(t.out[:mark-room], uint64(n))
}

// run executes those of the steps from..to-1 that are to run. This is the hot loop: out is a local copy of t.out, put back
// before anything else appends to it.
func (t *toProto) run(p *program, from, to, pos int, f *frame) int {
	in, out := t.in, t.out
	block := from / 64
	todo := f.todo.span(block, from, to)
	for {
		if todo == 0 {
			if block++; block*64 >= to {
				break
			}
			todo = f.todo.span(block, from, to)
			continue
		}
		i := block*64 + bits.TrailingZeros64(todo)
		todo &= todo - 1
		s := &p.read.steps[i]
		switch s.kind {
		case kTrue:
			out = append(appendTag(out, s.tag), 1)

		case kFlags:
			if len(in)-pos < 4 {
				return t.truncated(pos)
			}
			f.todo.add(&p.read.words[s.late], binary.LittleEndian.Uint32(in[pos:]))
			todo = f.todo.span(block, i+1, to)
			pos += 4

		case kInt:
			if len(in)-pos < 4 {
				return t.truncated(pos)
			}
			if v := int32(binary.LittleEndian.Uint32(in[pos:])); v != 0 {
				out = appendUint(appendTag(out, s.tag), uint64(int64(v)))
			}
			pos += 4

		case kLong:
			if len(in)-pos < 8 {
				return t.truncated(pos)
			}
			if v := binary.LittleEndian.Uint64(in[pos:]); v != 0 {
				out = appendUint(appendTag(out, s.tag), v)
			}
			pos += 8

		case kDouble:
			if len(in)-pos < 8 {
				return t.truncated(pos)
			}
			if v := in[pos : pos+8]; binary.LittleEndian.Uint64(v) != 0 {
				out = append(appendTag(out, s.tag), v...)
			}
			pos += 8

		case kString:
			from, to, next := str(in, pos)
			if next < 0 {
				return t.truncated(pos)
			}
			if from < to {
				out = appendUint(appendTag(out, s.tag), uint64(to-from))
				out = append(out, in[from:to]...)
			}
			pos = next

		case kRaw:
			if len(in)-pos < int(s.size) {
				return t.truncated(pos)
			}
			out = append(appendTag(out, s.tag), s.size)
			out = append(out, in[pos:pos+int(s.size)]...)
			pos += int(s.size)

		case kObject, kBoxed:
			t.out = out
			if pos = t.boxed(s.msg, s.tag, pos); pos < 0 {
				return fail
			}
			out = t.out

		case kObjects, kInts, kLongs, kStrings, kBareObjects:
			t.out = out
			if pos = t.vector(s, pos); pos < 0 {
				return fail
			}
			out = t.out

		case kIntWrap:
			if len(in)-pos < 4 {
				return t.truncated(pos)
			}
			v := int32(binary.LittleEndian.Uint32(in[pos:]))
			out = appendVarintWrapper(appendTag(out, s.tag), uint64(int64(v)))
			pos += 4

		case kLongWrap:
			if len(in)-pos < 8 {
				return t.truncated(pos)
			}
			out = appendVarintWrapper(appendTag(out, s.tag), binary.LittleEndian.Uint64(in[pos:]))
			pos += 8

		case kDoubleWrap:
			if len(in)-pos < 8 {
				return t.truncated(pos)
			}
			if v := in[pos : pos+8]; binary.LittleEndian.Uint64(v) != 0 {
				out = append(appendTag(out, s.tag), 9, 1<<3|wireFixed)
				out = append(out, v...)
			} else {
				out = append(appendTag(out, s.tag), 0)
			}
			pos += 8

		case kStringWrap:
			from, to, next := str(in, pos)
			if next < 0 {
				return t.truncated(pos)
			}
			out = appendTag(out, s.tag)
			if n := uint64(to - from); n == 0 {
				out = append(out, 0)
			} else {
				out = appendUint(out, 1+uint64(sizeVarint(n))+n)
				out = appendUint(append(out, 1<<3|wireBytes), n)
				out = append(out, in[from:to]...)
			}
			pos = next

		case kQuery:
			if pos < len(in) {
				out = appendUint(appendTag(out, s.tag), uint64(len(in)-pos))
				out = append(out, in[pos:]...)
			}
			pos = len(in)

		case kMark:
			f.marks[s.late&(maxLate-1)] = int32(pos)
			size := int(s.size)
			if s.msg != nil {
				o := t.lookup(s.msg, pos)
				if o == nil {
					return fail
				}
				size = 4 + o.fixed
			}
			if size != 0 {
				if len(in)-pos < size {
					return t.truncated(pos)
				}
				pos += size
			} else if _, _, next := str(in, pos); next >= 0 {
				pos = next
			} else {
				return t.truncated(pos)
			}

		case kLate:
			t.out = out
			at := p.main + int(s.late)
			if t.run(p, at, at+1, int(f.marks[s.late&(maxLate-1)]), f) < 0 {
				return fail // a flat object may be too deep
			}
			out = t.out
		}
	}
	t.out = out
	return pos
}

// str finds the content of the TL string at pos: in[from:to], and where the next value starts. next is negative when
// the input ends before.
func str(in []byte, pos int) (from, to, next int) {
	if pos >= len(in) {
		return 0, 0, fail
	}
	n := int(in[pos])
	switch {
	case n < 254:
		from = pos + 1
		next = pos + (1+n+3)&^3
	case n == 254 && len(in)-pos >= 4:
		n = int(in[pos+1]) | int(in[pos+2])<<8 | int(in[pos+3])<<16
		from = pos + 4
		next = pos + (4+n+3)&^3
	default:
		return 0, 0, fail
	}
	if next > len(in) {
		return 0, 0, fail
	}
	return from, from + n, next
}

// appendTag appends a field tag, which takes one or two bytes.
func appendTag(b []byte, tag uint32) []byte {
	if tag < 0x80 {
		return append(b, byte(tag))
	}
	return append(b, byte(tag)|0x80, byte(tag>>7))
}

// appendUint is appendVarint with the short cases inlined.
func appendUint(b []byte, v uint64) []byte {
	if v < 0x80 {
		return append(b, byte(v))
	}
	if v < 1<<14 {
		return append(b, byte(v)|0x80, byte(v>>7))
	}
	return appendVarint(b, v)
}

// appendVarintWrapper appends length and content of an Int32Value or Int64Value.
func appendVarintWrapper(b []byte, v uint64) []byte {
	if v == 0 {
		return append(b, 0)
	}
	return appendVarint(append(b, byte(1+sizeVarint(v)), 1<<3|wireVarint), v)
}
