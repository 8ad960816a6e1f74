package tl

import (
	"encoding/binary"
	"math/bits"
)

// The pieces of both encodings. Output is written with index arithmetic into room that was made before, in whole words
// where their tail is overwritten by what follows: appending byte by byte costs a check of the capacity for each.

// room is how much of the output every step and every small write may use without looking. window is that much of it.
const room = 64

type window = [room]byte

// spread puts 7 bits of v into each byte of a word: the first 8 bytes of its varint, without continuation bits.
func spread(v uint64) uint64 {
	v = v&0x0000_0000_0fff_ffff | v&0x00ff_ffff_f000_0000<<4
	v = v&0x0000_3fff_0000_3fff | v&0x0fff_c000_0fff_c000<<2
	return v&0x007f_007f_007f_007f | v&0x3f80_3f80_3f80_3f80<<1
}

// gather undoes spread.
func gather(x uint64) uint64 {
	x = x&0x007f_007f_007f_007f | x>>1&0x3f80_3f80_3f80_3f80
	x = x&0x0000_3fff_0000_3fff | x>>2&0x0fff_c000_0fff_c000
	return x&0x0000_0000_0fff_ffff | x>>4&0x00ff_ffff_f000_0000
}

const more = 0x8080_8080_8080_8080 // the continuation bits of eight bytes of varints

// putVarint writes the varint of v to w[at:], at most 10 bytes from at most 7 on, and returns its size.
func putVarint(w *window, at int, v uint64) int {
	at &= 7
	if v < 0x80 {
		w[at] = byte(v)
		return 1
	}
	n := sizeVarint(v)
	if n <= 8 {
		binary.LittleEndian.PutUint64(w[at:], spread(v)|more>>(72-8*uint(n))) // n-1 bytes go on
		return n
	}
	binary.LittleEndian.PutUint64(w[at:], spread(v)|more)
	v >>= 56
	if n == 9 {
		w[at+8] = byte(v)
	} else {
		w[at+8], w[at+9] = byte(v)|0x80, byte(v>>7)
	}
	return n
}

// sizeVarint is the length of a protobuf varint.
func sizeVarint(v uint64) int { return (bits.Len64(v|1)*9 + 64) / 64 }

// appendVarint appends a protobuf varint.
func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// varint reads a varint; next is negative when it is malformed.
func varint(b []byte, pos int) (v uint64, next int) {
	if uint(pos) < uint(len(b)) && b[pos] < 0x80 {
		return uint64(b[pos]), pos + 1
	}
	return longVarint(b, pos)
}

// longVarint reads by the word where b has capacity, which takes no loop.
func longVarint(b []byte, pos int) (v uint64, next int) {
	if cap(b)-pos >= 10 && pos >= 0 {
		x := binary.LittleEndian.Uint64(b[pos:cap(b)])
		if ends := ^x & more; ends != 0 {
			ends ^= ends - 1 // up to the last bit of the last byte
			if pos += bits.Len64(ends) >> 3; pos > len(b) {
				return 0, fail
			}
			return gather(x & ends), pos
		}
		if len(b)-pos >= 10 {
			c, d := uint64(b[pos+8]), uint64(b[pos+9])
			switch {
			case c < 0x80:
				return gather(x) | c<<56, pos + 9
			case d <= 1:
				return gather(x) | c<<57>>1 | d<<63, pos + 10
			}
			return 0, fail
		}
	}
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

// word is the eight bytes at pos, as far as b has capacity, and zeros behind.
func word(b []byte, pos int) uint64 {
	if cap(b)-pos >= 8 {
		return binary.LittleEndian.Uint64(b[pos:cap(b)])
	}
	return lastWord(b[pos:])
}

// lastWord is word at the end of the input.
//
//go:noinline
func lastWord(b []byte) (x uint64) {
	for i, c := range b {
		x |= uint64(c) << (8 * i)
	}
	return x
}

// str finds the content of the TL string at pos: in[from:to], and where the next value starts. next is negative when
// the input ends before.
func str(in []byte, pos int) (from, to, next int) {
	if pos >= len(in) {
		return 0, 0, fail
	}
	n := int(in[pos])
	switch {
	case n < 254:
		from = pos + 1
		next = pos + (1+n+3)&^3
	case n == 254 && len(in)-pos >= 4:
		n = int(in[pos+1]) | int(in[pos+2])<<8 | int(in[pos+3])<<16
		from = pos + 4
		next = pos + (4+n+3)&^3
	default:
		return 0, 0, fail
	}
	if next > len(in) {
		return 0, 0, fail
	}
	return from, from + n, next
}

// signed is the int at the start of b as protobuf encodes it: sign-extended.
func signed(b []byte) uint64 {
	return uint64(int64(int32(binary.LittleEndian.Uint32(b))))
}
