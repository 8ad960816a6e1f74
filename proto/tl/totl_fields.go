package tl

import "encoding/binary"

// field writes a single object. Absent: its type's empty constructor. Not in the client's layer: an optional field is left out.
func (t *toTL) field(l *level, s *step, f *span, o int) int {
	if f == &absent {
		return t.empty(l.p, s, o)
	}
	from, to := bounds(f.v)
	end := t.object(s.msg, l.b[:to], from, o)
	if end >= 0 || s.word == 0 || !t.lacking() {
		return end
	}
	t.err = nil
	t.dropped++
	if l.clear(s.word, s.mask) {
		return t.fail(errAgain)
	}
	binary.LittleEndian.PutUint32(t.buf[l.at[s.word&maxWords]:], l.words[s.word&maxWords])
	return o
}

// clear switches a flag off, and reports whether other fields hang on it, too, which are then not to be written.
func (l *level) clear(word uint8, mask uint32) (shared bool) {
	l.words[word&maxWords] &^= mask
	g := l.p.sharing(word, mask)
	if g == nil {
		return false
	}
	l.todo[0] &^= g.steps[0]
	l.todo[1] &^= g.steps[1]
	return true
}

// empty writes the constructor that says "nothing" in the place of an absent object.
func (t *toTL) empty(parent *program, s *step, o int) int {
	if s.msg.absent != nil {
		if p := s.msg.absent.at(t.layer); p != nil {
			t.substituted++
			return t.body(p, nil, 0, 0, o)
		}
	}
	return t.fail(RequiredError{parent.name, parent.msg.fieldByNumber(s.number())})
}

// completeGroups decides about flag bits that several fields share and of which only some are present. Scalars, strings
// and vectors that are absent will be written as zero; an absent object as its type's empty constructor, and when the
// type has none the bit cannot be on.
func (t *toTL) completeGroups(l *level) {
	for i := range l.p.shared {
		g := &l.p.shared[i]
		if l.words[g.word&maxWords]&g.mask == 0 {
			continue
		}
		l.todo[0] |= g.steps[0]
		l.todo[1] |= g.steps[1]
		for _, slot := range g.objects {
			m := l.p.write.steps[slot].msg
			if !l.seen.has(int(slot)) && (m.absent == nil || m.absent.at(t.layer) == nil) {
				l.clear(g.word, g.mask)
				t.dropped++
				break
			}
		}
	}
}

// vector writes a repeated field: the elements scan counted, which usually stand next to each other. An optional vector that
// loses all its elements is left out.
func (t *toTL) vector(l *level, s *step, f *span, o int) int {
	start, left := o, f.n
	o = t.openVector(s, o, left)
	count := o - 4
	if n := 8*int(left) + room; len(t.buf)-o < n && (s.kind == kInts || s.kind == kLongs) && t.grow(o, n) == nil {
		return fail
	}
	pos, end := bounds(f.v)
	for pos < end {
		tag, from, to, next := fieldAt(l.b, pos)
		pos = next
		if tag>>3 != uint32(s.tag>>3) {
			continue
		}
		switch {
		case s.kind == kInts || s.kind == kLongs:
			if wire := tag & 7; wire == wireBytes || wire == wireVarint {
				o = t.numbers(s.kind, l.b[from:to], o)
			}
		case tag&7 != wireBytes:
		case s.kind == kStrings:
			o = t.string(l.b, from, to, o)
		case s.kind == kObjects:
			at := o
			if o = t.element(s.msg, l.b[:to], from, o); o == at {
				left--
				binary.LittleEndian.PutUint32(t.buf[count:], left)
			}
		default:
			o = t.bareObject(s.msg, l.b[:to], from, o)
		}
		if o < 0 {
			return fail
		}
	}
	if left == 0 && f.n != 0 && s.word != 0 && l.p.sharing(s.word, s.mask) == nil {
		l.words[s.word&maxWords] &^= s.mask
		binary.LittleEndian.PutUint32(t.buf[l.at[s.word&maxWords]:], l.words[s.word&maxWords])
		return start
	}
	return o
}

// openVector writes what stands before n elements; there is room.
func (t *toTL) openVector(s *step, o int, n uint32) int {
	if !s.bare {
		binary.LittleEndian.PutUint32(t.buf[o:], vectorID)
		o += 4
	}
	binary.LittleEndian.PutUint32(t.buf[o:], n)
	return o + 4
}

// element writes an object of a vector, or leaves it out when the client's layer lacks it and the vector can do without.
func (t *toTL) element(m *Message, b []byte, pos, o int) int {
	end := t.object(m, b, pos, o)
	if end >= 0 || !m.drop || !t.lacking() {
		return end
	}
	t.err = nil
	t.dropped++
	return o
}

// bareObject writes the fields of the union inside the box b[pos:], without an id.
func (t *toTL) bareObject(m *Message, b []byte, pos, o int) int {
	from, to := last(b, pos, 1<<3|wireBytes)
	if from < 0 {
		return t.fail(MalformedError{"protobuf", pos})
	}
	return t.body(m.bare, b[:to], from, from, o)
}

// numbers writes one occurrence of a repeated number: a packed list or a single varint. scan has checked it,
// and vector has made room.
func (t *toTL) numbers(k kind, b []byte, o int) int {
	for pos := 0; pos < len(b); {
		v, next := varint(b, pos)
		pos = next
		binary.LittleEndian.PutUint64(t.buf[o:], v)
		if o += 8; k == kInts {
			o -= 4
		}
	}
	return o
}
