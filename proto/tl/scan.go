package tl

import (
	"encoding/binary"
	"slices"
)

// scan walks over the fields of a message, notes in l.spans where those of l.p lie, and computes the flags words. Of a
// field that occurs several times the last occurrence counts; unknown fields are passed over.
func (t *toTL) scan(l *level) bool {
	b, p := l.b, l.p
	again := false // a field occurred twice: the flags words need another look
	for pos := 0; pos < len(b); {
		tag, from, to, next := fieldAt(b, pos)
		if next < 0 {
			return t.fail(ErrMalformed{"protobuf", pos})
		}
		start := pos
		pos = next
		n := int(tag >> 3)
		if n >= len(p.slots) || p.slots[n] == 0 {
			continue
		}
		slot := p.slots[n] - 1
		info, s := &p.fields[slot], &l.spans[slot]
		present := true
		wire := tag & 7
		switch info.coding {
		case cVarint:
			if wire != wireVarint {
				continue
			}
			again = again || s.n != 0
			s.v, _ = varint(b, from)
			s.n, present = 1, s.v != 0
		case cFixed:
			if wire != wireFixed {
				continue
			}
			again = again || s.n != 0
			s.v, s.n = binary.LittleEndian.Uint64(b[from:]), 1
		case cBytes, cContent:
			if wire != wireBytes {
				continue
			}
			again = again || s.n != 0
			s.v, s.n = at(from, to), 1
			present = info.coding == cBytes || from < to
		case cRepeated:
			if wire != wireBytes {
				continue
			}
			if s.n == 0 {
				s.v = at(start, next)
			} else {
				s.v = s.v&^0xffffffff | uint64(next) //nolint:gosec // within MaxInput
			}
			s.n++
		case cPacked:
			if wire != wireBytes && wire != wireVarint {
				continue
			}
			k, ok := countVarints(b[from:to])
			if !ok {
				return t.fail(ErrMalformed{"packed field", from})
			}
			if k == 0 {
				continue
			}
			if s.n == 0 {
				s.v = at(start, next)
			} else {
				s.v = s.v&^0xffffffff | uint64(next) //nolint:gosec // within MaxInput
			}
			s.n += k
		}
		if info.word != 0 && present {
			l.words[info.word-1] |= info.mask
		}
	}
	if again {
		l.flags()
	}
	return true
}

// flags computes the flags words from the spans.
func (l *level) flags() {
	l.words = [maxWords]uint32{}
	for i := range l.p.fields {
		info, s := &l.p.fields[i], &l.spans[i]
		if info.word == 0 || s.n == 0 {
			continue
		}
		from, to := s.bounds()
		if (info.coding == cVarint && s.v == 0) || (info.coding == cContent && from == to) {
			continue
		}
		l.words[info.word-1] |= info.mask
	}
}

// predicate finds which constructor the union message b is: field 1 by name, else field 2 by id.
func (t *toTL) predicate(m *Message, b []byte) *predicate {
	var name []byte
	if n := len(b); n > 2 && b[0] == 1<<3|wireBytes && int(b[1]) <= n-2 && b[1] < 0x80 {
		name = b[2 : 2+int(b[1])]
		if rest := b[2+len(name):]; hasField(rest, 1) {
			name = nil
		}
	}
	if len(name) == 0 {
		var ok bool
		if name, ok = lastBytes(b, 1); !ok {
			t.fail(ErrMalformed{"protobuf", 0})
			return nil
		}
	}
	if len(name) == 0 {
		id, ok := lastVarint(b, 2)
		if p := t.s.constructors.get(uint32(id)); ok && p != nil && p.msg == m { //nolint:gosec // the enum is the signed id
			name = []byte(p.name)
		}
	}
	p := m.preds.get(name)
	if p == nil {
		t.fail(ErrUnknownPredicate{m.name, string(name[:min(len(name), 64)])})
	}
	return p
}

// fieldAt reads the field at pos: its tag, and its value in b[from:to]. next is negative when there is none.
func fieldAt(b []byte, pos int) (tag uint32, from, to, next int) {
	if pos >= len(b) {
		return 0, 0, 0, fail
	}
	tag = uint32(b[pos])
	pos++
	if tag >= 0x80 {
		v, p := varint(b, pos-1)
		if p < 0 || v > 0xffffffff {
			return 0, 0, 0, fail
		}
		tag, pos = uint32(v), p
	}
	if tag < 1<<3 {
		return 0, 0, 0, fail
	}
	switch tag & 7 {
	case wireBytes:
		var n uint64
		if pos < len(b) && b[pos] < 0x80 {
			n = uint64(b[pos])
			pos++
		} else if n, pos = varint(b, pos); pos < 0 {
			return 0, 0, 0, fail
		}
		if n > uint64(len(b)-pos) {
			return 0, 0, 0, fail
		}
		to = pos + int(n) //nolint:gosec // compared above
	case wireVarint:
		if _, to = varint(b, pos); to < 0 {
			return 0, 0, 0, fail
		}
	case wireFixed:
		to = pos + 8
	case wireFixed4:
		to = pos + 4
	default: // groups are not part of proto3
		return 0, 0, 0, fail
	}
	if to > len(b) {
		return 0, 0, 0, fail
	}
	return tag, pos, to, to
}

// varint reads a varint; next is negative when it is malformed.
func varint(b []byte, pos int) (v uint64, next int) {
	for shift := 0; pos < len(b) && shift < 64; shift += 7 {
		c := b[pos]
		pos++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if shift == 63 && c > 1 {
				return 0, fail
			}
			return v, pos
		}
	}
	return 0, fail
}

// countVarints counts the varints in b and checks them.
func countVarints(b []byte) (n uint32, ok bool) {
	for pos := 0; pos < len(b); n++ {
		if _, pos = varint(b, pos); pos < 0 {
			return 0, false
		}
	}
	return n, true
}

// hasField reports whether field n occurs in b; malformed input counts as no.
func hasField(b []byte, n uint32) bool {
	for pos := 0; pos < len(b); {
		tag, _, _, next := fieldAt(b, pos)
		if next < 0 {
			return false
		}
		if tag>>3 == n {
			return true
		}
		pos = next
	}
	return false
}

// lastBytes finds the last occurrence of the length-delimited field n; ok is false when b is malformed.
func lastBytes(b []byte, n uint32) (v []byte, ok bool) {
	for pos := 0; pos < len(b); {
		tag, from, to, next := fieldAt(b, pos)
		if next < 0 {
			return nil, false
		}
		if tag == n<<3|wireBytes {
			v = b[from:to]
		}
		pos = next
	}
	return v, true
}

// lastVarint finds the last occurrence of the varint field n; ok is false when b is malformed or has none.
func lastVarint(b []byte, n uint32) (v uint64, ok bool) {
	for pos := 0; pos < len(b); {
		tag, from, _, next := fieldAt(b, pos)
		if next < 0 {
			return 0, false
		}
		if tag == n<<3|wireVarint {
			v, _ = varint(b, from)
			ok = true
		}
		pos = next
	}
	return v, ok
}

// wrappedNumber reads field 1 of an Int32Value, Int64Value or DoubleValue.
func wrappedNumber(b []byte, k kind) (v uint64, ok bool) {
	want := uint32(1<<3 | wireVarint)
	if k == kDoubleWrap {
		want = 1<<3 | wireFixed
	}
	for pos := 0; pos < len(b); {
		tag, from, _, next := fieldAt(b, pos)
		if next < 0 {
			return 0, false
		}
		if tag == want {
			if k == kDoubleWrap {
				v = binary.LittleEndian.Uint64(b[from:])
			} else {
				v, _ = varint(b, from)
			}
		}
		pos = next
	}
	return v, true
}

// wrappedString reads field 1 of a StringValue.
func wrappedString(b []byte) ([]byte, bool) { return lastBytes(b, 1) }

// growSpans makes room for n cleared spans on top of the stack.
func growSpans(s []span, n int) []span {
	base := len(s)
	s = slices.Grow(s, n)[:base+n]
	clear(s[base:])
	return s
}
