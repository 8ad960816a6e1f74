package tl

import (
	"encoding/binary"
	"errors"
	"slices"
)

// scan walks over the fields of a message from pos on, notes in l.spans where those of l.p lie, and computes the flags
// words. Of a field that occurs several times the last occurrence counts; unknown fields are passed over. When l.p was
// chosen by the head of the message, which ends at pos, and another predicate follows, scan fails with errRenamed.
func (t *toTL) scan(l *level, pos int) bool {
	b, p, headed := l.b, l.p, pos > 0
	again := false       // a field occurred twice: the flags words need another look
	renamed := uint64(0) // where the last predicate after the first lies
	for pos < len(b) {
		start := pos
		tag := uint32(b[pos])
		if pos++; tag >= 0x80 {
			v, next := varint(b, start)
			if next < 0 || v > maxTag {
				return t.fail(ErrMalformed{"protobuf", start})
			}
			tag, pos = uint32(v), next
		}
		var v uint64 // a number, or the end of a length-delimited value
		from := pos
		switch tag & 7 {
		case wireVarint, wireBytes:
			if pos < len(b) && b[pos] < 0x80 {
				v = uint64(b[pos])
				pos++
			} else if v, pos = varint(b, pos); pos < 0 {
				return t.fail(ErrMalformed{"protobuf", start})
			}
			if tag&7 == wireBytes {
				if v > uint64(len(b)-pos) {
					return t.fail(ErrMalformed{"protobuf", start})
				}
				from = pos
				pos += int(v)
			}
		case wireFixed:
			pos += 8
		case wireFixed4:
			pos += 4
		default: // groups are not part of proto3
			return t.fail(ErrMalformed{"protobuf", start})
		}
		n := int(tag >> 3)
		if pos > len(b) || n == 0 {
			return t.fail(ErrMalformed{"protobuf", start})
		}
		if n >= len(p.slots) || p.slots[n] == 0 {
			if headed && tag == 1<<3|wireBytes {
				renamed = at(from, pos)
			}
			continue
		}
		slot := p.slots[n] - 1
		info, s := &p.fields[slot], &l.spans[slot]
		if uint32(info.wire) != tag&7 && (info.coding != cPacked || tag&7 != wireVarint) {
			continue
		}
		present := true
		switch info.coding {
		case cVarint:
			again = again || s.n != 0
			s.v, s.n, present = v, 1, v != 0
		case cFixed:
			again = again || s.n != 0
			s.v, s.n = binary.LittleEndian.Uint64(b[from:]), 1
		case cBytes, cContent:
			again = again || s.n != 0
			s.v, s.n = at(from, pos), 1
			present = info.coding == cBytes || from < pos
		case cRepeated:
			s.extend(start, pos, 1)
		case cPacked:
			k, ok := countVarints(b[from:pos])
			if !ok {
				return t.fail(ErrMalformed{"packed field", from})
			}
			s.extend(start, pos, k)
			present = k > 0
		}
		if present {
			l.words[info.word&maxWords] |= info.mask
		}
	}
	if from, to := bounds(renamed); from < to && string(b[from:to]) != p.name {
		return t.fail(errRenamed)
	}
	if again {
		l.flags()
	}
	return true
}

// errRenamed asks to choose the constructor again, by the last predicate.
var errRenamed = errors.New("tl: another predicate follows")

// extend adds n elements to a repeated field.
func (s *span) extend(start, end int, n uint32) {
	if s.n == 0 {
		s.v = at(start, end)
	} else {
		from, _ := bounds(s.v)
		s.v = at(from, end)
	}
	s.n += n
}

// flags computes the flags words from the spans.
func (l *level) flags() {
	l.words = words{}
	for i := range l.p.fields {
		info, s := &l.p.fields[i], &l.spans[i]
		if s.n == 0 {
			continue
		}
		from, to := bounds(s.v)
		if (info.coding == cVarint && s.v == 0) || (info.coding == cContent && from == to) {
			continue
		}
		l.words[info.word] |= info.mask
	}
}

// predicate finds which constructor the union message b is: the last predicate counts, else the id in field 2.
func (t *toTL) predicate(m *Message, b []byte) *predicate {
	name, ok := lastBytes(b, 1)
	if !ok {
		t.fail(ErrMalformed{"protobuf", 0})
		return nil
	}
	if len(name) == 0 {
		id, ok := lastVarint(b, 2)
		if p := t.s.constructors.get(uint32(id)); ok && p != nil && p.msg == m {
			return p.pred
		}
	}
	p := m.preds.get(name)
	if p == nil {
		t.fail(ErrUnknownPredicate{m.name, string(name[:min(len(name), 64)])})
	}
	return p
}

// headed finds the constructor version whose head is the start of b, as it is in what Go's protobuf writes; nil when
// there is none. The id is taken out of the place where it must be; comparing the whole head makes sure.
func (t *toTL) headed(m *Message, b []byte) *program {
	if len(b) < 2 || b[1] >= 0x80 {
		return nil
	}
	at := 2 + int(b[1]) + 1
	if len(b)-at < 8 {
		return nil
	}
	v := binary.LittleEndian.Uint64(b[at:])
	id := v&0x7f | v>>1&0x3f80 | v>>2&0x1fc000 | v>>3&0xfe00000 | v>>4&0xf0000000
	p := t.s.constructors.get(uint32(id))
	if p == nil || p.msg != m || len(b) < len(p.head) || string(b[:len(p.head)]) != string(p.head) {
		return nil
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
		if p < 0 || v > maxTag {
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
		to = pos + int(n)
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
