package tl

import (
	"encoding/binary"
	"slices"
)

// Half of all objects in real traffic are small and of fixed size: peers, entities, constructors without fields. They
// skip the machinery of steps: each of their fields lies at a known offset of the TL.

// flatField is a field of such an object.
type flatField struct {
	kind     kind // kInt, kLong, kDouble or kRaw
	size     uint8
	tagSize  uint8  // as in step
	offset   uint16 // after the id
	tag      uint16
	tagBytes uint16
}

// flatten lists the fields ascending by number; nil when the size is not fixed.
func flatten(order []step) []flatField {
	flat := make([]flatField, 0, len(order))
	offset := 0
	for _, s := range order {
		size := s.kind.fixed(s.size)
		if size == 0 || s.word != 0 || offset+size > room {
			return nil
		}
		flat = append(flat, flatField{s.kind, uint8(size), s.tagSize, uint16(offset), s.tag, s.tagBytes})
		offset += size
	}
	slices.SortFunc(flat, func(a, b flatField) int { return int(a.tag) - int(b.tag) })
	return flat
}

// maxFlatField is the most a field takes in protobuf: an int256 with tag and length.
const maxFlatField = 2 + 1 + 32

// flat writes the fields of a flat object; body has made room.
func (t *toProto) flat(p *program, pos, o int) (int, int) {
	if len(t.in)-pos < p.fixed {
		return t.truncated(pos), o
	}
	in, buf := t.in[pos:pos+p.fixed], t.buf
	for i := range p.flat {
		f := &p.flat[i]
		at := in[f.offset:]
		w := (*window)(buf[o:])
		binary.LittleEndian.PutUint16(w[:], f.tagBytes)
		tag := int(f.tagSize & 3)
		switch f.kind {
		case kInt:
			if v := signed(at); v != 0 {
				o += tag + putVarint(w, tag, v)
			}
		case kLong:
			if v := binary.LittleEndian.Uint64(at); v != 0 {
				o += tag + putVarint(w, tag, v)
			}
		case kDouble:
			if v := binary.LittleEndian.Uint64(at); v != 0 {
				binary.LittleEndian.PutUint64(w[tag:], v)
				o += tag + 8
			}
		case kRaw:
			w[tag] = f.size
			o += tag + 1 + copy(w[tag+1:], at[:f.size])
		}
	}
	return pos + p.fixed, o
}

// flat writes the fields of a flat object from the message b, where they begin at pos: first all zero, then each in its place.
func (t *toTL) flat(p *program, b []byte, pos, o int, headed bool) int {
	if len(t.buf)-o < 3*room && t.grow(o, 3*room) == nil {
		return fail
	}
	if !p.noCrc {
		binary.LittleEndian.PutUint32(t.buf[o:], p.id)
		o += 4
	}
	out := (*[2 * room]byte)(t.buf[o:])
	*(*window)(out[:]) = window{}
	for i := range p.flat { // in ascending order, as most writers write
		f := &p.flat[i]
		if pos >= len(b) {
			break
		}
		if b[pos] != byte(f.tag) || f.tagSize != 1 || f.tag&7 != wireVarint {
			continue
		}
		v, next := varint(b, pos+1)
		if next < 0 {
			break
		}
		pos = next
		if f.kind == kInt {
			binary.LittleEndian.PutUint32(out[f.offset%room:], uint32(v))
		} else {
			binary.LittleEndian.PutUint64(out[f.offset%room:], v)
		}
	}
	for pos < len(b) { // the rest in any order
		tag, from, to, next := fieldAt(b, pos)
		if next < 0 {
			t.fail(MalformedError{"protobuf", pos})
			return fail
		}
		pos = next
		n := int(tag >> 3)
		if n >= len(p.slots) || p.slots[n] == 0 {
			if headed && tag == 1<<3|wireBytes && string(b[from:to]) != p.name {
				t.fail(errRenamed)
				return fail
			}
			continue
		}
		f := &p.flat[p.slots[n]-1]
		if tag != uint32(f.tag) {
			continue
		}
		at := out[f.offset%room:]
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
				t.fail(MalformedError{"int128 or int256", from})
				return fail
			}
			copy(at, b[from:to])
		}
	}
	return o + p.fixed
}
