package tl

import (
	"encoding/binary"
)

// vector writes the vector at pos as a repeated field. Every element takes at least four bytes of TL, which bounds the
// count before anything is done for it.
func (t *toProto) vector(s *step, pos, o int) (int, int) {
	in := t.in
	if !s.bare {
		if len(in)-pos < 4 {
			return t.truncated(pos), o
		}
		if id := binary.LittleEndian.Uint32(in[pos:]); id != vectorID {
			return t.fail(UnexpectedConstructorError{id, "Vector", pos}), o
		}
		pos += 4
	}
	if len(in)-pos < 4 {
		return t.truncated(pos), o
	}
	n := int(binary.LittleEndian.Uint32(in[pos:]))
	pos += 4
	if n > (len(in)-pos)/4 {
		return t.fail(LimitError{"vector", pos - 4}), o
	}
	switch s.kind {
	case kObjects:
		for ; n > 0 && pos >= 0; n-- {
			pos, o = t.boxed(s, pos, o)
		}
	case kBareObjects:
		for ; n > 0 && pos >= 0; n-- {
			pos, o = t.bareObject(s, pos, o)
		}
	case kStrings:
		for ; n > 0; n-- {
			from, to, next := str(in, pos)
			if next < 0 {
				return t.truncated(pos), o
			}
			pos = next
			if s.text && t.text && !valid(in[from:to]) {
				if o = t.repaired(s, in[from:to], o); o < 0 {
					return fail, o
				}
				continue
			}
			if len(t.buf)-o < room && t.grow(o, room) == nil {
				return fail, o
			}
			w := (*window)(t.buf[o:])
			binary.LittleEndian.PutUint16(w[:], s.tagBytes)
			o += int(s.tagSize) + putVarint(w, int(s.tagSize), uint64(to-from))
			if t.content(from, to-from, o) == nil {
				return fail, o
			}
			o += to - from
		}
	case kInts:
		return t.numbers(s, 4, in[pos:pos+4*n], pos, o)
	case kLongs:
		if n > (len(in)-pos)/8 {
			return t.truncated(pos), o
		}
		return t.numbers(s, 8, in[pos:pos+8*n], pos, o)
	}
	return pos, o
}

// bareObject writes an object that has no id of its own, inside the message of its constructor.
func (t *toProto) bareObject(s *step, pos, o int) (int, int) {
	if len(t.buf)-o < room && t.grow(o, room) == nil {
		return fail, o
	}
	p := s.msg.bare
	prefix := int(p.prefix)
	binary.LittleEndian.PutUint16(t.buf[o:], s.tagBytes)
	outer := o + int(s.tagSize) + prefix
	t.buf[outer] = 1<<3 | wireBytes
	inner := outer + 1 + prefix
	if pos, o = t.body(p, pos, inner); pos >= 0 {
		o = t.settle(inner, o, prefix)
		o = t.settle(outer, o, prefix)
	}
	return pos, o
}

// numbers writes ints or longs, v, as a packed field.
func (t *toProto) numbers(s *step, width int, v []byte, pos, o int) (int, int) {
	if len(v) == 0 {
		return pos, o
	}
	at := func(i int) uint64 {
		if width == 4 {
			return signed(v[i:])
		}
		return binary.LittleEndian.Uint64(v[i:])
	}
	n := 0
	for i := 0; i < len(v); i += width {
		n += sizeVarint(at(i))
	}
	if len(t.buf)-o < n+2*room && t.grow(o, n+2*room) == nil {
		return fail, o
	}
	binary.LittleEndian.PutUint16(t.buf[o:], s.tagBytes)
	o += int(s.tagSize)
	o += putVarint((*window)(t.buf[o:]), 0, uint64(n))
	for i := 0; i < len(v); i += width {
		o += putVarint((*window)(t.buf[o:]), 0, at(i))
	}
	return pos + len(v), o
}

// shuffled runs a program whose output needs reordering: the segments of the disordered range are run one by one, their
// outputs noted, and copied through scratch when what was really written does not ascend. Each byte is copied at most
// twice per level of nesting.
func (t *toProto) shuffled(p *program, pos, o int, f *frame) (int, int) {
	sh := p.shuffle
	if pos, o = t.steps(p, f, 0, sh.first, pos, o); pos < 0 {
		return fail, o
	}
	base, next := len(t.offsets), sh.first
	for _, end := range sh.ends {
		t.offsets = append(t.offsets, o)
		if pos, o = t.steps(p, f, next, end, pos, o); pos < 0 {
			return fail, o
		}
		next = end
	}
	t.offsets = append(t.offsets, o)
	t.sort(sh.order, t.offsets[base:])
	t.offsets = t.offsets[:base]
	return t.steps(p, f, next, len(p.read.steps), pos, o)
}

// sort puts the segments between the offsets into order.
func (t *toProto) sort(order []uint8, at []int) {
	end, sorted := 0, true
	for _, i := range order {
		if at[i] == at[i+1] {
			continue
		}
		if at[i] < end {
			sorted = false
			break
		}
		end = at[i]
	}
	if sorted {
		return
	}
	buf := t.scratch[:0]
	for _, i := range order {
		buf = append(buf, t.buf[at[i]:at[i+1]]...)
	}
	copy(t.buf[at[0]:], buf)
	t.scratch = buf
}
