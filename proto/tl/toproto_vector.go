package tl

import (
	"encoding/binary"
)

// vector writes the vector at pos as a repeated field. Every element takes at least four bytes of TL, which bounds the
// count before anything is done for it.
func (t *toProto) vector(s *step, pos int) int {
	in := t.in
	if !s.bare {
		if len(in)-pos < 4 {
			return t.truncated(pos)
		}
		if id := binary.LittleEndian.Uint32(in[pos:]); id != vectorID {
			return t.fail(ErrUnexpectedConstructor{id, "Vector", pos})
		}
		pos += 4
	}
	if len(in)-pos < 4 {
		return t.truncated(pos)
	}
	n := int(binary.LittleEndian.Uint32(in[pos:]))
	pos += 4
	if n > (len(in)-pos)/4 {
		return t.fail(ErrLimit{"vector", pos - 4})
	}
	switch s.kind {
	case kObjects:
		for ; n > 0 && pos >= 0; n-- {
			pos = t.boxed(s.msg, s.tag, pos)
		}
	case kBareObjects:
		for ; n > 0 && pos >= 0; n-- {
			pos = t.bareObject(s, pos)
		}
	case kStrings:
		for ; n > 0; n-- {
			from, to, next := str(in, pos)
			if next < 0 {
				return t.truncated(pos)
			}
			t.out = appendUint(appendTag(t.out, s.tag), uint64(to-from))
			t.out = append(t.out, in[from:to]...)
			pos = next
		}
	case kInts:
		pos = t.ints(s.tag, in[pos:pos+4*n], pos)
	case kLongs:
		if n > (len(in)-pos)/8 {
			return t.truncated(pos)
		}
		pos = t.longs(s.tag, in[pos:pos+8*n], pos)
	}
	return pos
}

// bareObject writes an object that has no id of its own, inside the message of its constructor.
func (t *toProto) bareObject(s *step, pos int) int {
	p := s.msg.bare
	t.out = appendTag(t.out, s.tag)
	outer := t.reserve(p.large)
	t.out = append(t.out, 1<<3|wireBytes)
	inner := t.reserve(p.large)
	if pos = t.body(p, pos); pos >= 0 {
		t.settle(inner, p.large)
		t.settle(outer, p.large)
	}
	return pos
}

// ints writes a packed field.
func (t *toProto) ints(tag uint32, v []byte, pos int) int {
	if len(v) == 0 {
		return pos
	}
	n := 0
	for i := 0; i < len(v); i += 4 {
		n += sizeVarint(signed(v[i:]))
	}
	out := appendUint(appendTag(t.out, tag), uint64(n))
	for i := 0; i < len(v); i += 4 {
		out = appendUint(out, signed(v[i:]))
	}
	t.out = out
	return pos + len(v)
}

// longs writes a packed field.
func (t *toProto) longs(tag uint32, v []byte, pos int) int {
	if len(v) == 0 {
		return pos
	}
	n := 0
	for i := 0; i < len(v); i += 8 {
		n += sizeVarint(binary.LittleEndian.Uint64(v[i:]))
	}
	out := appendUint(appendTag(t.out, tag), uint64(n))
	for i := 0; i < len(v); i += 8 {
		out = appendUint(out, binary.LittleEndian.Uint64(v[i:]))
	}
	t.out = out
	return pos + len(v)
}

// signed is the int at the start of b as protobuf encodes it: sign-extended.
func signed(b []byte) uint64 {
	return uint64(int64(int32(binary.LittleEndian.Uint32(b))))
}

// shuffled runs a program whose output needs reordering: the segments of the disordered range are run one by one, their
// outputs noted, and copied through scratch when what was really written does not ascend. Each byte is copied at most
// twice per level of nesting.
func (t *toProto) shuffled(p *program, pos int, f *frame) int {
	sh := p.shuffle
	if pos = t.run(p, 0, sh.first, pos, f); pos < 0 {
		return fail
	}
	base, next := len(t.offsets), sh.first
	for _, end := range sh.ends {
		t.offsets = append(t.offsets, len(t.out))
		if pos = t.run(p, next, end, pos, f); pos < 0 {
			return fail
		}
		next = end
	}
	t.offsets = append(t.offsets, len(t.out))
	t.sort(sh.order, t.offsets[base:])
	t.offsets = t.offsets[:base]
	return t.run(p, next, p.main, pos, f)
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
		buf = append(buf, t.out[at[i]:at[i+1]]...)
	}
	copy(t.out[at[0]:], buf)
	t.scratch = buf
}
