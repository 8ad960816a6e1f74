package tl

import (
	"encoding/binary"
	"slices"
)

// Half of all objects in real traffic are small and of fixed size: peers, entities, constructors without fields. They
// skip the machinery of steps: each of their fields lies at a known offset of the TL.

// flatField is a field of such an object.
type flatField struct {
	kind   kind // kInt, kLong, kDouble or kRaw
	size   uint8
	offset uint16 // after the id
	tag    uint32
}

// flatten lists the fields ascending by number; nil when the size is not fixed.
func flatten(order []step) []flatField {
	flat := make([]flatField, 0, len(order))
	offset := 0
	for _, s := range order {
		size := s.kind.fixed(s.size)
		if size == 0 || s.word != 0 {
			return nil
		}
		flat = append(flat, flatField{s.kind, uint8(size), uint16(offset), s.tag})
		offset += size
	}
	slices.SortFunc(flat, func(a, b flatField) int { return int(a.tag) - int(b.tag) })
	return flat
}

// flat writes a flat object whose id has been read.
func (t *toProto) flat(p *program, pos int) int {
	if len(t.in)-pos < p.fixed {
		return t.truncated(pos)
	}
	in, out := t.in[pos:pos+p.fixed], t.out
	out = append(out, p.head...)
	for i := range p.flat {
		f := &p.flat[i]
		at := in[f.offset:]
		switch f.kind {
		case kInt:
			if v := signed(at); v != 0 {
				out = appendUint(appendTag(out, f.tag), v)
			}
		case kLong:
			if v := binary.LittleEndian.Uint64(at); v != 0 {
				out = appendUint(appendTag(out, f.tag), v)
			}
		case kDouble:
			if v := binary.LittleEndian.Uint64(at); v != 0 {
				out = append(appendTag(out, f.tag), at[:8]...)
			}
		case kRaw:
			out = append(append(appendTag(out, f.tag), f.size), at[:f.size]...)
		}
	}
	t.out = out
	return pos + p.fixed
}

// flat writes a flat object from the message b, whose fields begin at pos: first all zero, then each field in its place.
func (t *toTL) flat(p *program, b []byte, pos int) bool {
	var zeros [64]byte
	headed := pos > 0
	out := t.out
	if !p.noCrc {
		out = binary.LittleEndian.AppendUint32(out, p.id)
	}
	body := len(out)
	for n := p.fixed; n > 0; n -= len(zeros) {
		out = append(out, zeros[:min(n, len(zeros))]...)
	}
	t.out = out
	out = out[body:]
	for pos < len(b) {
		tag, from, to, next := fieldAt(b, pos)
		if next < 0 {
			return t.fail(ErrMalformed{"protobuf", pos})
		}
		pos = next
		n := int(tag >> 3)
		if n >= len(p.slots) || p.slots[n] == 0 {
			if headed && tag == 1<<3|wireBytes && string(b[from:to]) != p.name {
				return t.fail(errRenamed)
			}
			continue
		}
		f := &p.flat[p.slots[n]-1]
		if tag != f.tag {
			continue
		}
		at := out[f.offset:]
		switch f.kind {
		case kInt:
			v, _ := varint(b, from)
			binary.LittleEndian.PutUint32(at, uint32(v))
		case kLong:
			v, _ := varint(b, from)
			binary.LittleEndian.PutUint64(at, v)
		case kDouble:
			copy(at, b[from:to])
		case kRaw:
			if to-from != int(f.size) && from != to {
				return t.fail(ErrMalformed{"int128 or int256", from})
			}
			copy(at, b[from:to])
		}
	}
	return true
}
