package deflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	tableBits = 12
	minMatch  = 4   // shorter repetitions are hardly shorter as such
	maxMatch  = 257 // one more has a symbol of its own
	window    = 1 << 15
	maxSource = 1 << 30

	// patience is after how many bytes (its power of two) without a repetition each
	// further one is looked for one byte farther on.
	patience = 6
)

// run is literals with a repetition behind them.
type run struct {
	literals uint16
	length   uint16 // of the repetition; 0: there is none
	distance uint16 // less one
}

// table has the last place of four bytes, plus one, by their hash.
type table [1 << tableBits]uint16

func hash(v uint32) uint32 { return v * 2654435761 >> (32 - tableBits) }

// note remembers what is at pos.
func (t *table) note(src []byte, pos int) {
	t[hash(binary.LittleEndian.Uint32(src[pos:]))] = uint16(pos + 1)
}

// runs appends the runs of src, of which the table knows nothing yet.
func (t *table) runs(out []run, src []byte) []run {
	begun, pos := 0, 0 // what is before begun is in runs
	for pos+8 <= len(src) {
		v := binary.LittleEndian.Uint32(src[pos:])
		slot := &t[hash(v)]
		from := int(*slot) - 1
		*slot = uint16(pos + 1)
		if from < 0 || binary.LittleEndian.Uint32(src[from:]) != v {
			pos += 1 + (pos-begun)>>patience
			continue
		}
		for pos > begun && from > 0 && src[pos-1] == src[from-1] {
			pos, from = pos-1, from-1
		}
		n := match(src, from, pos)
		out = append(out, run{uint16(pos - begun), uint16(n), uint16(pos - from - 1)})
		begun = pos + n
		for k := pos + 1; k < begun && k+8 <= len(src); k += 2 {
			t.note(src, k)
		}
		pos = begun
	}
	return append(out, run{literals: uint16(len(src) - begun)})
}

// match is for how long src goes on at pos as at from, which is before it. The first
// four bytes do.
func match(src []byte, from, pos int) int {
	most := min(len(src)-pos, maxMatch)
	n := minMatch
	for n+8 <= most {
		if x := binary.LittleEndian.Uint64(src[pos+n:]) ^ binary.LittleEndian.Uint64(src[from+n:]); x != 0 {
			return n + bits.TrailingZeros64(x)>>3
		}
		n += 8
	}
	for n < most && src[pos+n] == src[from+n] {
		n++
	}
	return n
}
