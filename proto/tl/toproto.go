package tl

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// toProto turns TL into protobuf in one pass over the input. A method takes a position in the input and one in the output
// and returns the positions after what it read and wrote; the former is fail when it has set err.
type toProto struct {
	s     *Schema
	in    []byte // without spare capacity
	buf   []byte // the output: all of its capacity
	start int    // where in buf the call began
	limit int    // most bytes that the call may append
	depth int
	text  bool // strings are to be UTF-8, see utf8.go
	err   error

	offsets []int  // start of each step's output, for shuffles; a stack
	scratch []byte // where shuffles sort
}

// fail is the position after an error.
const fail = -1

// frame is the state of one object.
type frame struct {
	p      *program
	todo   stepSet // steps known to run
	block  int     // which block runs, and which of its steps may
	mask   uint64
	marks  [maxLate]int32 // positions of passed values
	resume int            // where kBack goes
}

func (t *toProto) fail(err error) int {
	t.err = err
	return fail
}

func (t *toProto) truncated(pos int) int { return t.fail(TruncatedError{pos}) }

// grow makes room for n bytes at o. It returns the new t.buf, or nil when the output gets too long. The first time it
// makes room for as much as there is input, since protobuf is rarely shorter than TL, and later for as much again as there
// is output, so that copies add up to no more than the output; but never for much more than the limit, which is also where
// t.buf ends.
func (t *toProto) grow(o, n int) []byte {
	left := t.limit - (o - t.start)
	if n > left+room {
		t.fail(LimitError{"output", 0})
		return nil
	}
	if o == t.start {
		n = max(n, min(len(t.in), left))
	} else {
		n = max(n, min(o-t.start, left))
	}
	b := slices.Grow(t.buf[:o], n+room)
	most := min(cap(b), t.start+t.limit+2*room)
	t.buf = b[:most:most]
	return t.buf
}

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
		t.fail(UnknownConstructorError{id, pos})
	case p.msg != m:
		t.fail(UnexpectedConstructorError{id, m.name, pos})
		return nil
	}
	return p
}

// boxed writes field tag, length and object for the boxed object at pos.
func (t *toProto) boxed(s *step, pos, o int) (int, int) {
	in, buf := t.in, t.buf
	var p *program
	if cap(in)-pos >= 4 { // lookup, which would be a call
		p = t.s.constructors.get(binary.LittleEndian.Uint32(in[pos:cap(in)]))
	}
	if p == nil || p.msg != s.msg {
		t.lookup(s.msg, pos) // says why
		return fail, o
	}
	if t.depth == MaxDepth {
		return t.fail(LimitError{"depth", pos + 4}), o
	}
	if cap(buf)-o < p.room || cap(buf)-o < room {
		if t.grow(o, p.room+room) == nil {
			return fail, o
		}
		return t.boxed(s, pos, o)
	}
	w := (*window)(buf[o:cap(buf)])
	binary.LittleEndian.PutUint16(w[:], s.tagBytes)
	prefix := int(p.prefix & 3)
	head := int(s.tagSize&3) + prefix
	*(*[headRoom]byte)(w[head:]) = p.head
	start := o + head
	if o = start + int(p.headSize); p.headSize > headRoom {
		copy(buf[start:], p.longHead)
	}
	if p.flat != nil {
		pos, o = t.flat(p, pos+4, o)
	} else {
		pos, o = t.fields(p, pos+4, o)
	}
	if n := o - start; n < 0x80 && prefix == 1 {
		t.buf[start-1] = byte(n)
		return pos, o
	} else if n >= 0x80 && n < 1<<14 && prefix == 2 {
		binary.LittleEndian.PutUint16(t.buf[start-2:], uint16(n&0x7f|0x80|n>>7<<8))
		return pos, o
	}
	if pos < 0 {
		return fail, o
	}
	return pos, t.settle(start, o, prefix)
}

// settle fills in the length of what lies between start and o, for which prefix bytes were left; when that was the wrong
// guess it moves what was written.
func (t *toProto) settle(start, o, prefix int) int {
	n := o - start
	size := sizeVarint(uint64(n))
	if size != prefix {
		if len(t.buf)-o < room && t.grow(o, room) == nil {
			return o // the caller writes on or ends; err is set
		}
		copy(t.buf[start-prefix+size:], t.buf[start:o])
	}
	appendVarint(t.buf[:start-prefix], uint64(n))
	return o - prefix + size
}

// body writes an object whose id has been read.
func (t *toProto) body(p *program, pos, o int) (int, int) {
	if t.depth == MaxDepth {
		return t.fail(LimitError{"depth", pos}), o
	}
	if len(t.buf)-o < p.room && t.grow(o, p.room) == nil {
		return fail, o
	}
	*(*[headRoom]byte)(t.buf[o:]) = p.head
	if p.headSize > headRoom {
		copy(t.buf[o:], p.longHead)
	}
	o += int(p.headSize)
	if p.flat != nil {
		return t.flat(p, pos, o)
	}
	return t.fields(p, pos, o)
}

// fields writes the fields of an object that is not flat.
func (t *toProto) fields(p *program, pos, o int) (int, int) {
	t.depth++
	var f frame
	f.p, f.mask = p, every
	f.todo[0], f.todo[1] = p.read.base[0], p.read.base[1]
	if p.flagged { // most begin with a flags word: one step less for run
		if len(t.in)-pos < 4 {
			return t.truncated(pos), o
		}
		f.todo[0]--
		f.todo.add(&p.read.words[1], binary.LittleEndian.Uint32(t.in[pos:]))
		pos += 4
	}
	if p.shuffle == nil {
		pos, o = t.run(&f, p.read.blocks[0], f.todo[0], pos, o)
		if f.todo[1] != 0 && pos >= 0 {
			f.block = 1
			pos, o = t.run(&f, p.read.blocks[1], f.todo[1], pos, o)
		}
	} else {
		pos, o = t.shuffled(p, pos, o, &f)
	}
	t.depth--
	return pos, o
}

// every is the mask of all steps of a block.
const every = ^uint64(0)

// run executes the steps of a block that are in todo. This is the hot loop. It looks at capacities instead of lengths, which
// are the same: then the compiler sees that there is room behind o, or so many bytes at pos, and does not check again.
func (t *toProto) run(f *frame, steps *block, todo uint64, pos, o int) (int, int) { //nolint:gocyclo // one case for each kind of step
	in, buf := t.in, t.buf
	for todo != 0 {
		if cap(buf)-o < room {
			if buf = t.grow(o, room); buf == nil {
				return fail, o
			}
			continue
		}
		w := (*window)(buf[o:cap(buf)])
		s := &steps[bits.TrailingZeros64(todo)&63]
		todo &= todo - 1
		tag := int(s.tagSize & 3)
		switch s.kind {
		case kTrue:
			binary.LittleEndian.PutUint16(w[:], s.tagBytes)
			w[tag] = 1
			o += tag + 1

		case kFlags:
			if cap(in)-pos < 4 {
				return t.truncated(pos), o
			}
			todo |= f.flags(int(s.late), binary.LittleEndian.Uint32(in[pos:cap(in)]))
			pos += 4

		case kInt:
			if cap(in)-pos < 4 {
				return t.truncated(pos), o
			}
			if v := signed(in[pos:cap(in)]); v != 0 {
				binary.LittleEndian.PutUint16(w[:], s.tagBytes)
				o += tag + putVarint(w, tag, v)
			}
			pos += 4

		case kLong:
			if cap(in)-pos < 8 {
				return t.truncated(pos), o
			}
			if v := binary.LittleEndian.Uint64(in[pos:cap(in)]); v != 0 {
				binary.LittleEndian.PutUint16(w[:], s.tagBytes)
				o += tag + putVarint(w, tag, v)
			}
			pos += 8

		case kDouble:
			if cap(in)-pos < 8 {
				return t.truncated(pos), o
			}
			if v := binary.LittleEndian.Uint64(in[pos:cap(in)]); v != 0 {
				binary.LittleEndian.PutUint16(w[:], s.tagBytes)
				binary.LittleEndian.PutUint64(w[tag:], v)
				o += tag + 8
			}
			pos += 8

		case kString:
			from, to, next := str(in, pos)
			if next < 0 {
				return t.truncated(pos), o
			}
			if s.text && t.text && !valid(in[from:to]) {
				if o = t.repaired(s, in[from:to], o); o < 0 {
					return fail, o
				}
				buf = t.buf
			} else if n := to - from; n != 0 {
				binary.LittleEndian.PutUint16(w[:], s.tagBytes)
				o += tag + putVarint(w, tag, uint64(n))
				if buf = t.content(from, n, o); buf == nil {
					return fail, o
				}
				o += n
			}
			pos = next

		case kRaw:
			n := int(s.size)
			if cap(in)-pos < n {
				return t.truncated(pos), o
			}
			binary.LittleEndian.PutUint16(w[:], s.tagBytes)
			w[tag] = s.size
			o += tag + 1
			o += copy(w[tag+1:], in[pos:pos+n])
			pos += n

		case kObject, kBoxed:
			if pos, o = t.boxed(s, pos, o); pos < 0 {
				return fail, o
			}
			buf = t.buf

		case kObjects, kInts, kLongs, kStrings, kBareObjects:
			if pos, o = t.vector(s, pos, o); pos < 0 {
				return fail, o
			}
			buf = t.buf

		case kIntWrap:
			if cap(in)-pos < 4 {
				return t.truncated(pos), o
			}
			binary.LittleEndian.PutUint16(w[:], s.tagBytes)
			o += tag + putNumber(w, tag, signed(in[pos:cap(in)]))
			pos += 4

		case kLongWrap:
			if cap(in)-pos < 8 {
				return t.truncated(pos), o
			}
			binary.LittleEndian.PutUint16(w[:], s.tagBytes)
			o += tag + putNumber(w, tag, binary.LittleEndian.Uint64(in[pos:cap(in)]))
			pos += 8

		case kDoubleWrap:
			if cap(in)-pos < 8 {
				return t.truncated(pos), o
			}
			binary.LittleEndian.PutUint16(w[:], s.tagBytes)
			w[tag] = 0
			if v := binary.LittleEndian.Uint64(in[pos:cap(in)]); v != 0 {
				w[tag], w[tag+1] = 9, 1<<3|wireFixed
				binary.LittleEndian.PutUint64(w[tag+2:], v)
			}
			o += tag + 1 + int(w[tag])
			pos += 8

		case kStringWrap:
			from, to, next := str(in, pos)
			if next < 0 {
				return t.truncated(pos), o
			}
			if pos = next; s.text && t.text && !valid(in[from:to]) {
				if o = t.repaired(s, in[from:to], o); o < 0 {
					return fail, o
				}
				buf = t.buf
				continue
			}
			binary.LittleEndian.PutUint16(w[:], s.tagBytes)
			w[tag] = 0
			o += tag + 1
			if n := to - from; n != 0 {
				size := sizeVarint(uint64(n))
				size = putVarint(w, tag, uint64(1+size+n))
				o += size - 1
				w[tag+size] = 1<<3 | wireBytes
				o += 1 + putVarint(w, tag+size+1, uint64(n))
				if buf = t.content(from, n, o); buf == nil {
					return fail, o
				}
				o += n
			}

		case kQuery:
			if n := len(in) - pos; n != 0 {
				binary.LittleEndian.PutUint16(w[:], s.tagBytes)
				o += tag + putVarint(w, tag, uint64(n))
				if buf = t.content(pos, n, o); buf == nil {
					return fail, o
				}
				o += n
			}
			pos = len(in)

		case kMark:
			f.marks[s.late&(maxLate-1)] = int32(pos)
			if pos = t.pass(s, pos); pos < 0 {
				return fail, o
			}

		case kSeek:
			f.resume, pos = pos, int(f.marks[s.late&(maxLate-1)])

		case kBack:
			pos = f.resume
		}
	}
	return pos, o
}

// flags adds the steps that hang on the flags that are on in the nth flags word v to those known to run, and returns those
// of the block that runs.
func (f *frame) flags(n int, v uint32) uint64 {
	var more stepSet
	more.add(&f.p.read.words[n], v)
	f.todo[0] |= more[0]
	f.todo[1] |= more[1]
	return more[f.block&1] & f.mask
}

// steps runs from..to-1.
func (t *toProto) steps(p *program, f *frame, from, to, pos, o int) (int, int) {
	for from < to && pos >= 0 {
		f.block = from / 64
		end := min(to, f.block*64+64)
		f.mask = every << (from % 64) & (every >> (64*f.block + 64 - end))
		pos, o = t.run(f, p.read.blocks[f.block&1], f.todo[f.block&1]&f.mask, pos, o)
		from = end
	}
	return pos, o
}

// content copies n bytes of the input from position from to o, and returns t.buf, nil on an error. Short content that has
// something behind it, as most has, is copied by the word, which takes no call.
func (t *toProto) content(from, n, o int) []byte {
	in, buf := t.in, t.buf
	if cap(buf)-o < n+room {
		if buf = t.grow(o, n+room); buf == nil {
			return nil
		}
	}
	if n <= room && cap(in)-from >= room {
		*(*window)(buf[o:cap(buf)]) = *(*window)(in[from:cap(in)])
	} else {
		copy(buf[o:], in[from:from+n])
	}
	return buf
}

// pass returns the position after a value that is written later.
func (t *toProto) pass(s *step, pos int) int {
	size := int(s.size)
	if s.msg != nil {
		p := t.lookup(s.msg, pos)
		if p == nil {
			return fail
		}
		size = 4 + p.fixed
	} else if size == 0 {
		_, _, next := str(t.in, pos)
		if next < 0 {
			t.truncated(pos)
		}
		return next
	}
	if len(t.in)-pos < size {
		return t.truncated(pos)
	}
	return pos + size
}

// putNumber writes length and content of an Int32Value or Int64Value and returns their size.
func putNumber(w *window, at int, v uint64) int {
	at &= 3
	if v == 0 {
		w[at] = 0
		return 1
	}
	n := putVarint(w, at+2, v)
	w[at], w[at+1] = byte(1+n), 1<<3|wireVarint
	return 2 + n
}
