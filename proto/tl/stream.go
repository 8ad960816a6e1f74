package tl

import "encoding/binary"

// Most writers of protobuf put fields in ascending order, and most constructors have their fields in TL order then. Such a
// message is written as it is read, without noting first where its fields lie. A field that comes before what precedes it in
// TL is held: stream notes where it lies, and writes it when its turn has come. What turns out otherwise on the way is
// written again by scan and write; then, and for the rest of the call, stream is not tried any more, so that the detour is
// made once, however deep messages nest.

// stream writes id and fields of the message whose fields are b[pos:]. ok is false when the message needs the other way.
// This is the hot loop. Its state lies in l as far as it can: what is a variable is saved around each call.
func (t *toTL) stream(p *program, b []byte, pos, o int, headed bool) (end int, ok bool) { //nolint:gocyclo // one case for each kind of step
	w := t.window(o)
	if w == nil {
		return fail, true
	}
	var l level
	l.p, l.b, l.gaps = p, b, p.write.base[0]
	if p.holds {
		l.spans = t.push(len(p.fields))
	}
	if !p.noCrc {
		binary.LittleEndian.PutUint32(w[:], p.id)
		o += 4
	}
	if p.flagged { // as write does
		l.at[1] = int32(o)
		l.gaps--
		o += 4
	}
	for pos < len(b) {
		// The tag, and what the program knows of it.
		start, x := pos, word(b, pos)
		tag := uint32(x & 0xff)
		x >>= 8
		if pos++; tag >= 0x80 {
			// A tag of three bytes or more has the top bit of its second byte set. The number k is above maxNumber then, which
			// no field of p has, and fieldAt reads the whole tag.
			tag = tag&0x7f | uint32(x&0xff)<<7
			x >>= 8
			pos++
		}
		f := &foreign
		if k := int(tag >> 3); k < len(p.numbers) {
			f = &p.numbers[k]
		}
		if uint32(f.wire) != tag&7 {
			tag, _, _, next := fieldAt(b, start)
			if f.kind != kFlags || next < 0 || (headed && tag == 1<<3|wireBytes) {
				return o, false
			}
			pos = next
			continue
		}

		// The value: the number v, or the bytes b[from:pos].
		v := x & 0x7f
		if tag&7 == wireFixed {
			if len(b)-pos < 8 {
				return o, false
			}
			v = binary.LittleEndian.Uint64(b[pos:])
			pos += 8
		} else if x&0x80 == 0 {
			pos++
		} else if v, pos = longVarint(b, pos); pos < 0 {
			return o, false
		}
		from := pos
		if pos > len(b) {
			return o, false
		}
		if tag&7 == wireBytes {
			if v > uint64(len(b)-pos) {
				return o, false
			}
			pos += int(v)
		}
		if v == 0 && f.kind <= kRaw {
			// Zero and the empty string mean that the field is absent. A writer leaves such a field out, unless an earlier
			// value of the field stands in the message: the last one counts. scan sorts that out.
			return o, false
		}
		l.words[f.word&maxWords] |= 1 << (f.flag & 31)
		if f.kind == kTrue {
			continue
		}

		// Its place: after everything before, or one more element of the vector that came last.
		bit := uint64(1) << (f.slot & 63)
		if l.last < bit {
			if f.held {
				if !l.hold(f, v, start, from, pos) {
					return o, false
				}
				continue
			}
			l.last = bit
			l.seen[0] |= bit
			if todo := l.gaps & (bit - 1); todo != 0 {
				if o = t.fill(&l, todo, o); o < 0 {
					return o, false
				}
			}
			l.gaps &^= bit
			if f.kind >= kStrings && f.kind <= kBareObjects {
				o = t.openVector(&p.write.steps[f.slot], o, 0)
				l.count, l.n = o-4, 0
			}
		} else if l.last > bit || f.kind < kStrings || f.kind > kBareObjects {
			return o, false
		}
		if w = t.window(o); w == nil {
			return fail, true
		}
		switch f.kind {
		case kInt:
			binary.LittleEndian.PutUint32(w[:], uint32(v))
			o += 4

		case kLong, kDouble:
			binary.LittleEndian.PutUint64(w[:], v)
			o += 8

		case kIntWrap, kLongWrap, kDoubleWrap:
			v, ok := wrappedNumber(b[:pos], from, f.kind)
			if !ok {
				return t.fail(MalformedError{"wrapper", from}), true
			}
			binary.LittleEndian.PutUint64(w[:], v)
			if o += 8; f.kind == kIntWrap {
				o -= 4
			}

		case kString:
			o = t.string(b, from, pos, o)

		case kStringWrap:
			from, to := wrappedString(b, from, pos)
			if from < 0 {
				return t.fail(MalformedError{"wrapper", from}), true
			}
			o = t.string(b, from, to, o)

		case kObject:
			s := &p.write.steps[f.slot]
			end := t.object(s.msg, b[:pos], from, o)
			if end < 0 && s.word != 0 && t.lacking() {
				if p.sharing(s.word, s.mask) != nil {
					return o, false
				}
				t.err = nil
				t.dropped++
				l.words[s.word&maxWords] &^= s.mask
				end = o
			}
			o = end

		case kObjects, kStrings, kBareObjects:
			before := o
			switch f.kind {
			case kObjects:
				o = t.element(p.write.steps[f.slot].msg, b[:pos], from, o)
			case kStrings:
				o = t.string(b, from, pos, o)
			default:
				o = t.bareObject(p.write.steps[f.slot].msg, b[:pos], from, o)
			}
			if o > before {
				l.n++
				binary.LittleEndian.PutUint32(t.buf[l.count:], l.n)
			} else if o == before && f.word != 0 {
				return o, false // all elements may go, and the flag with them
			}

		case kInts, kLongs:
			k, ok := countVarints(b[from:pos])
			if !ok || k == 0 {
				return o, false
			}
			if len(t.buf)-o < 8*int(k)+room && t.grow(o, 8*int(k)+room) == nil {
				return fail, true
			}
			o = t.numbers(f.kind, b[from:pos], t.openVector(&p.write.steps[f.slot], o, k))
		}
		if o < 0 {
			return fail, true
		}
	}
	if l.gaps != 0 {
		if o = t.fill(&l, l.gaps, o); o < 0 {
			return o, false
		}
	}
	for i := range p.shared {
		if g := &p.shared[i]; l.words[g.word&maxWords]&g.mask != 0 && l.seen[0]&g.steps[0] != g.steps[0] {
			return o, false
		}
	}
	for i := 1; i < len(p.write.words); i++ {
		binary.LittleEndian.PutUint32(t.buf[l.at[i&maxWords]:], l.words[i&maxWords])
	}
	return o, true
}

// hold notes a field that came too early: the number v, or b[from:end]. It reports whether it is the first, or one more of
// a vector.
func (l *level) hold(f *numbered, v uint64, start, from, end int) bool {
	slot := int(f.slot)
	bit := uint64(1) << (f.slot & 63)
	l.gaps |= bit
	switch f.kind {
	case kObjects, kStrings, kBareObjects:
		l.note(slot, start, end, 1)
		return true
	case kInts, kLongs:
		n, ok := countVarints(l.b[from:end])
		l.note(slot, start, end, n)
		return ok && n > 0
	case kInt, kLong, kDouble:
	default:
		v = at(from, end)
	}
	first := l.seen[0]&bit == 0
	l.seen[0] |= bit
	l.spans[slot].v = v
	return first
}

// fill writes steps that were held, and those that are written also without a field. It returns fail when one needs more.
func (t *toTL) fill(l *level, todo uint64, o int) int {
	l.todo[0] = todo
	l.gaps &^= todo
	return t.write(l, o)
}
