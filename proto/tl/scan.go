package tl

import (
	"encoding/binary"
	"errors"
)

// scan walks over the fields of a message from pos on, notes in l.spans where those of l.p lie, in l.todo which of them to
// write, and computes the flags words. Of a field that occurs several times the last occurrence counts; unknown fields
// are passed over. When l.p was chosen by the head of the message, and another predicate follows, scan fails with
// errRenamed.
func (t *toTL) scan(l *level, pos int, headed bool) bool {
	b, p := l.b, l.p
	again := false       // a field occurred twice: the flags words need another look
	renamed := uint64(0) // where the last predicate after the first lies
	for pos < len(b) {
		start := pos
		tag := uint32(b[pos])
		if pos++; tag >= 0x80 && pos < len(b) {
			// A tag of three bytes or more has the top bit of its second byte set. The number n is above maxNumber then, which
			// no field of p has, and fieldAt reads the whole tag.
			tag = tag&0x7f | uint32(b[pos])<<7
			pos++
		}
		slot := 0
		if n := int(tag >> 3); n < len(p.slots) {
			slot = int(p.slots[n])
		}
		if slot--; slot < 0 || uint32(p.fields[slot].tag) != tag {
			tag, from, to, next := fieldAt(b, start)
			switch pos = next; {
			case next < 0:
				return t.malformed(start)
			case slot >= 0 && p.fields[slot].coding == cPacked && tag&7 == wireVarint:
				l.note(slot, start, next, 1)
			case slot < 0 && headed && tag == 1<<3|wireBytes:
				renamed = at(from, to)
			}
			continue
		}
		f, s := &p.fields[slot], &l.spans[slot]
		block, bit := slot/64&(len(l.seen)-1), uint64(1)<<(slot&63)
		if f.coding <= cFixed {
			again = again || l.seen[block]&bit != 0
			l.seen[block] |= bit
			if f.coding == cVarint {
				if s.v, pos = varint(b, pos); pos < 0 {
					return t.malformed(start)
				}
				if s.v == 0 {
					continue
				}
			} else {
				if len(b)-pos < 8 {
					return t.malformed(start)
				}
				s.v = binary.LittleEndian.Uint64(b[pos:])
				pos += 8
			}
		} else {
			n, from := varint(b, pos)
			if from < 0 || n > uint64(len(b)-from) {
				return t.malformed(start)
			}
			pos = from + int(n)
			switch f.coding {
			case cRepeated:
				l.note(slot, start, pos, 1)
				continue
			case cPacked:
				k, ok := countVarints(b[from:pos])
				if !ok {
					return t.fail(MalformedError{"packed field", from}) >= 0
				}
				if k > 0 {
					l.note(slot, start, pos, k)
				}
				continue
			}
			again = again || l.seen[block]&bit != 0
			l.seen[block] |= bit
			s.v = at(from, pos)
			if from == pos && f.coding == cContent {
				continue
			}
		}
		l.words[f.word&maxWords] |= f.mask
		l.todo[block] |= bit
	}
	if from, to := bounds(renamed); from < to && string(b[from:to]) != p.name {
		t.fail(errRenamed)
		return false
	}
	if again {
		l.flags()
	}
	l.todo[0] &= p.write.all[0]
	l.todo[1] &= p.write.all[1]
	return true
}

func (t *toTL) malformed(pos int) bool {
	t.fail(MalformedError{"protobuf", pos})
	return false
}

// note adds n elements to a repeated field.
func (l *level) note(slot, start, end int, n uint32) {
	f, s := &l.p.fields[slot], &l.spans[slot]
	if l.seen.has(slot) {
		start, _ = bounds(s.v)
		n += s.n
	}
	s.v, s.n = at(start, end), n
	l.seen.put(slot)
	l.todo.put(slot)
	l.words[f.word&maxWords] |= f.mask
}

// flags computes the flags words, and what is to be written, from the spans.
func (l *level) flags() {
	l.words, l.todo = words{}, l.p.write.base
	for i := range l.p.fields {
		if !l.seen.has(i) {
			continue
		}
		f, s := &l.p.fields[i], &l.spans[i]
		from, to := bounds(s.v)
		if (f.coding == cVarint && s.v == 0) || (f.coding == cContent && from == to) {
			continue
		}
		l.words[f.word&maxWords] |= f.mask
		l.todo.put(i)
	}
}

// errRenamed asks to choose the constructor again, by the last predicate.
var errRenamed = errors.New("tl: another predicate follows")

// predicate finds which constructor the union message b[pos:] is: the last predicate counts, else the id in field 2.
func (t *toTL) predicate(m *Message, b []byte, pos int) *predicate {
	from, to := last(b, pos, 1<<3|wireBytes)
	if from < 0 {
		t.fail(MalformedError{"protobuf", pos})
		return nil
	}
	name := b[from:to]
	if len(name) == 0 {
		id, ok := lastVarint(b, pos, 2)
		if p := t.s.constructors.get(uint32(id)); ok && p != nil && p.msg == m {
			return p.pred
		}
	}
	p := m.preds.get(name)
	if p == nil {
		t.fail(UnknownPredicateError{m.name, string(name[:min(len(name), 64)])})
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
		if n, pos = varint(b, pos); pos < 0 || n > uint64(len(b)-pos) {
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

// countVarints counts the varints in b and checks them.
func countVarints(b []byte) (n uint32, ok bool) {
	for pos := 0; pos < len(b); n++ {
		if _, pos = varint(b, pos); pos < 0 {
			return 0, false
		}
	}
	return n, true
}

// last finds the value of the last field of b[pos:] with the tag: b[from:to], where from is 0 when there is none and
// negative when b is malformed.
func last(b []byte, pos int, tag uint32) (from, to int) {
	for pos < len(b) {
		t, start, end, next := fieldAt(b, pos)
		if next < 0 {
			return fail, fail
		}
		if t == tag {
			from, to = start, end
		}
		pos = next
	}
	return from, to
}

// lastVarint finds the last occurrence of the varint field n in b[pos:]; ok is false when that is malformed or has none.
func lastVarint(b []byte, pos int, n uint32) (v uint64, ok bool) {
	from, _ := last(b, pos, n<<3|wireVarint)
	if from <= 0 {
		return 0, false
	}
	v, _ = varint(b, from)
	return v, true
}

// wrappedNumber reads field 1 of the Int32Value, Int64Value or DoubleValue b[pos:].
func wrappedNumber(b []byte, pos int, k kind) (v uint64, ok bool) {
	tag := uint32(1<<3 | wireVarint)
	if k == kDoubleWrap {
		tag = 1<<3 | wireFixed
	} else if len(b)-pos > 1 && uint32(b[pos]) == tag { // and nothing else, as a rule
		if v, next := varint(b, pos+1); next == len(b) {
			return v, true
		}
	}
	from, to := last(b, pos, tag)
	switch {
	case from <= 0:
		return 0, from == 0
	case k == kDoubleWrap:
		v = binary.LittleEndian.Uint64(b[from:to])
	default:
		v, _ = varint(b, from)
	}
	return v, true
}

// wrappedString finds field 1 of the StringValue b[pos:end]: b[from:to]; from is negative when it is malformed.
func wrappedString(b []byte, pos, end int) (from, to int) {
	if end-pos > 1 && b[pos] == 1<<3|wireBytes { // and nothing else, as a rule
		if n, next := varint(b[:end], pos+1); next > 0 && n == uint64(end-next) {
			return next, end
		}
	}
	return last(b[:end], pos, 1<<3|wireBytes)
}
