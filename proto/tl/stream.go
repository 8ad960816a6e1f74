package tl

import (
	"encoding/binary"
	"math/bits"
)

// Most constructors have their protobuf fields in TL order, and most writers of protobuf put fields in ascending order. Such
// a message is written as it is read, without noting first where its fields lie. What turns out otherwise on the way is
// written again by scan and write; then, and for the rest of the call, stream is not tried any more, so that the detour is
// made once, however deep messages nest.

// stream writes id and fields of the message b, whose fields begin at pos. ok is false when the message needs the other way.
func (t *toTL) stream(p *program, b []byte, pos, o int) (end int, ok bool) {
	if len(t.buf)-o < room && t.grow(o, room) == nil {
		return fail, true
	}
	var (
		buf    = t.buf
		steps  = p.write.steps
		headed = pos > 0
		words  words
		places [maxWords + 1]int
		seen   uint64            // steps so far
		gaps   = p.write.base[0] // steps that run also without a field, not yet run
		count  int               // where the count of the vector stands that is being written
		n      uint32            // its elements so far
	)
	if !p.noCrc {
		binary.LittleEndian.PutUint32(buf[o:], p.id)
		o += 4
	}
	if len(steps) > 0 && steps[0].kind == kFlags { // as fill does
		places[1] = o
		gaps--
		o += 4
	}
	for pos < len(b) {
		if len(buf)-o < room {
			if buf = t.grow(o, room); buf == nil {
				return fail, true
			}
		}
		start := pos
		tag := uint32(b[pos])
		if pos++; tag >= 0x80 && pos < len(b) {
			tag = tag&0x7f | uint32(b[pos])<<7 // when this is not the end of the tag, it is none of p's
			pos++
		}
		slot := 0
		if k := int(tag >> 3); k < len(p.slots) {
			slot = int(p.slots[k])
		}
		if slot == 0 {
			tag, _, _, next := fieldAt(b, start)
			if next < 0 || (headed && tag == 1<<3|wireBytes) {
				return o, false
			}
			pos = next
			continue
		}
		s := &steps[slot-1]
		if uint32(s.tag) != tag {
			return o, false
		}

		// The value: a number, or b[from:pos]. Nobody writes zero or nothing, but it might take back an earlier value.
		var v uint64
		if tag&7 == wireFixed {
			if len(b)-pos < 8 {
				return o, false
			}
			v = binary.LittleEndian.Uint64(b[pos:])
			pos += 8
		} else if pos < len(b) && b[pos] < 0x80 {
			v = uint64(b[pos])
			pos++
		} else if v, pos = longVarint(b, pos); pos < 0 {
			return o, false
		}
		from := pos
		if tag&7 == wireBytes {
			if v > uint64(len(b)-pos) {
				return o, false
			}
			pos += int(v)
		}
		if v == 0 && s.kind <= kRaw {
			return o, false
		}
		words[s.word&maxWords] |= s.mask
		if s.kind == kTrue {
			continue
		}

		// Its place: after everything before, or one more element of the vector that came last.
		repeated := s.kind >= kStrings && s.kind <= kBareObjects
		if bit := uint64(1) << ((slot - 1) & 63); seen < bit {
			seen |= bit
			if todo := gaps & (bit - 1); todo != 0 {
				if o = t.fill(p, todo, &places, o); o < 0 {
					return o, false
				}
				buf = t.buf
			}
			gaps &^= 2*bit - 1
			if repeated {
				o = t.openVector(s, o, 0)
				count, n = o-4, 0
			}
		} else if !repeated || seen >= 2*bit {
			return o, false
		}
		switch s.kind {
		case kInt:
			binary.LittleEndian.PutUint32(buf[o:], uint32(v))
			o += 4
			continue

		case kLong, kDouble:
			binary.LittleEndian.PutUint64(buf[o:], v)
			o += 8
			continue

		case kIntWrap, kLongWrap, kDoubleWrap:
			v, ok := wrappedNumber(b[from:pos], s.kind)
			if !ok {
				return t.fail(ErrMalformed{"wrapper", from}), true
			}
			binary.LittleEndian.PutUint64(buf[o:], v)
			if o += 8; s.kind == kIntWrap {
				o -= 4
			}
			continue

		case kString:
			o = t.string(b, from, pos, o)

		case kStringWrap:
			from, to := wrappedString(b, from, pos)
			if from < 0 {
				return t.fail(ErrMalformed{"wrapper", from}), true
			}
			o = t.string(b, from, to, o)

		case kObject:
			depth, spans := t.depth, len(t.spans)
			end := t.object(s.msg, b[from:pos], o)
			if end < 0 && s.word != 0 && t.lacking() {
				t.rewind(depth, spans)
				if p.sharing(s.word, s.mask) != nil {
					return o, false
				}
				t.dropped++
				words[s.word&maxWords] &^= s.mask
				end = o
			}
			o = end

		case kObjects, kStrings, kBareObjects:
			before := o
			switch s.kind {
			case kObjects:
				o = t.element(s.msg, b[from:pos], o)
			case kStrings:
				o = t.string(b, from, pos, o)
			default:
				o = t.bareObject(s.msg, b[from:pos], o)
			}
			if o > before {
				n++
			}
			if o >= 0 {
				binary.LittleEndian.PutUint32(t.buf[count:], n)
			}

		case kInts, kLongs:
			k, ok := countVarints(b[from:pos])
			if !ok || k == 0 {
				return o, false
			}
			if len(buf)-o < 8*int(k)+room && t.grow(o, 8*int(k)+room) == nil {
				return fail, true
			}
			o = t.numbers(s.kind, b[from:pos], t.openVector(s, o, k))
		}
		if o < 0 {
			return fail, true
		}
		buf = t.buf
	}
	if gaps != 0 {
		if o = t.fill(p, gaps, &places, o); o < 0 {
			return o, false
		}
	}
	for i := range p.shared {
		if g := &p.shared[i]; words[g.word&maxWords]&g.mask != 0 && seen&g.steps[0] != g.steps[0] {
			return o, false
		}
	}
	for i := 1; i < len(p.write.words); i++ {
		binary.LittleEndian.PutUint32(t.buf[places[i&maxWords]:], words[i&maxWords])
	}
	return o, true
}

// fill writes the steps of a set as they are without a field: numbers as zero, vectors and strings as empty, and a place for
// flags words. It returns fail when one needs more than that.
func (t *toTL) fill(p *program, todo uint64, places *[maxWords + 1]int, o int) int {
	for ; todo != 0; todo &= todo - 1 {
		if len(t.buf)-o < room && t.grow(o, room) == nil {
			return fail
		}
		w := (*window)(t.buf[o:])
		binary.LittleEndian.PutUint64(w[:], 0)
		s := &p.write.steps[bits.TrailingZeros64(todo)]
		switch s.kind {
		case kFlags:
			places[s.late&maxWords] = o
			o += 4
		case kInt, kString:
			o += 4
		case kLong, kDouble:
			o += 8
		case kObjects, kStrings, kBareObjects, kInts, kLongs:
			if !s.bare {
				binary.LittleEndian.PutUint64(w[:], vectorID)
				o += 4
			}
			o += 4
		default:
			return fail
		}
	}
	return o
}
