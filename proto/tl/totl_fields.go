package tl

import "encoding/binary"

// field writes a single object. Absent: its type's empty constructor. Not in the client's layer: an optional field is left out.
func (t *toTL) field(l *level, s *step, f *span) bool {
	start, depth, spans := len(t.out), t.depth, len(t.spans)
	if f.n == 0 {
		return t.empty(l.p, s)
	}
	from, to := bounds(f.v)
	if t.object(s.msg, l.b[from:to]) {
		return true
	}
	if s.word == 0 || !t.lacking() {
		return false
	}
	t.rewind(start, depth, spans)
	t.dropped++
	l.words[s.word] &^= s.mask
	if !s.lone {
		return t.fail(errAgain)
	}
	binary.LittleEndian.PutUint32(t.out[t.start+int(l.at[s.word]):], l.words[s.word])
	return true
}

// empty writes the constructor that says "nothing" in the place of an absent object.
func (t *toTL) empty(parent *program, s *step) bool {
	if s.msg.absent != nil {
		if p := s.msg.absent.byLayer[t.layer]; p != nil {
			t.substituted++
			return t.body(p, nil, 0)
		}
	}
	return t.fail(ErrRequired{parent.name, parent.msg.fieldByNumber(s.number())})
}

// completeGroups decides about flag bits that several fields share and of which only some are present. Scalars, strings
// and vectors that are absent will be written as zero; an absent object as its type's empty constructor, and when the
// type has none the bit cannot be on.
func (t *toTL) completeGroups(l *level) {
	for i := range l.p.shared {
		g := &l.p.shared[i]
		if l.words[g.word]&g.mask == 0 {
			continue
		}
		for _, slot := range g.objects {
			if l.spans[slot].n == 0 && !t.hasEmpty(l.p, slot) {
				l.words[g.word] &^= g.mask
				t.dropped++
				break
			}
		}
	}
}

func (t *toTL) hasEmpty(p *program, slot uint8) bool {
	for i := range p.write.steps {
		if s := &p.write.steps[i]; s.kind == kObject && s.slot == slot {
			return s.msg.absent != nil && s.msg.absent.byLayer[t.layer] != nil
		}
	}
	return false
}

// vector writes a repeated field: the elements scan counted, which usually stand next to each other.
func (t *toTL) vector(l *level, s *step, f *span) bool {
	if !s.bare {
		t.out = binary.LittleEndian.AppendUint32(t.out, vectorID)
	}
	count := len(t.out)
	t.out = binary.LittleEndian.AppendUint32(t.out, f.n)
	if f.n == 0 {
		return true
	}
	pos, end := bounds(f.v)
	for left := f.n; pos < end; {
		tag, from, to, next := fieldAt(l.b, pos)
		pos = next
		if tag>>3 != s.tag>>3 {
			continue
		}
		switch {
		case s.kind == kInts || s.kind == kLongs:
			if wire := tag & 7; wire == wireBytes || wire == wireVarint {
				t.numbers(s.kind, l.b[from:to])
			}
		case tag&7 != wireBytes:
		case s.kind == kStrings:
			if to-from > maxString {
				return t.fail(ErrLimit{"string", from})
			}
			t.out = appendString(t.out, l.b[from:to])
		case s.kind == kObjects:
			ok, dropped := t.element(s.msg, l.b[from:to])
			if !ok {
				return false
			}
			if dropped {
				left--
				binary.LittleEndian.PutUint32(t.out[count:], left)
			}
		case !t.bareObject(s.msg, l.b[from:to]):
			return false
		}
	}
	return true
}

// element writes an object of a vector, or leaves it out when the client's layer lacks it and the vector can do without.
func (t *toTL) element(m *Message, b []byte) (ok, dropped bool) {
	start, depth, spans := len(t.out), t.depth, len(t.spans)
	if t.object(m, b) {
		return true, false
	}
	if !m.drop || !t.lacking() {
		return false, false
	}
	t.rewind(start, depth, spans)
	t.dropped++
	return true, true
}

// bareObject writes the fields of the union inside the box b, without an id.
func (t *toTL) bareObject(m *Message, b []byte) bool {
	inner, ok := lastBytes(b, 1)
	if !ok {
		return t.fail(ErrMalformed{"protobuf", 0})
	}
	return t.body(m.bare, inner, 0)
}

// numbers writes one occurrence of a repeated number: a packed list or a single varint. scan has checked it.
func (t *toTL) numbers(k kind, b []byte) {
	out := t.out
	for pos := 0; pos < len(b); {
		v, next := varint(b, pos)
		pos = next
		if k == kInts {
			out = binary.LittleEndian.AppendUint32(out, uint32(v))
		} else {
			out = binary.LittleEndian.AppendUint64(out, v)
		}
	}
	t.out = out
}
