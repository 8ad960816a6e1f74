package deflate

import (
	"encoding/binary"
	"slices"
)

// spare is how many bytes behind its last one a bitWriter may write to.
const spare = 8

// bitWriter appends bits to a slice, the first in the lowest bit of a byte.
type bitWriter struct {
	buf []byte
	at  int // where in buf the next byte goes
	acc uint64
	n   uint // bits in acc
}

// newBitWriter appends so many bits to out.
func newBitWriter(out []byte, bits int) *bitWriter {
	buf := slices.Grow(out, (bits+7)/8+spare)
	return &bitWriter{buf: buf[:cap(buf)], at: len(out)}
}

// put adds the n bits of v. After drain or runs there is room for 48.
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << (w.n & 63)
	w.n += n
}

// drain leaves less than 16 bits in acc.
func (w *bitWriter) drain() {
	if w.n < 16 {
		return
	}
	binary.LittleEndian.PutUint64(w.buf[w.at:], w.acc)
	w.at += int(w.n >> 3)
	w.acc >>= w.n &^ 7 & 63
	w.n &= 7
}

// runs adds the codes of runs, whose literals are in src. It writes the accumulator
// after each symbol: how many bits there are by then cannot be foretold, so that asking
// first would cost more.
func (w *bitWriter) runs(c *codes, src []byte, runs []run) {
	w.drain()
	buf, at, acc, n := w.buf, w.at, w.acc, w.n
	for _, r := range runs {
		for _, literal := range src[:r.literals] {
			code := c.literals[literal]
			acc |= uint64(code.bits) << (n & 63)
			n += uint(code.n)
			binary.LittleEndian.PutUint64(buf[at:], acc)
			at += int(n >> 3)
			acc >>= n &^ 7 & 63
			n &= 7
		}
		src = src[r.literals:]
		if r.length == 0 {
			continue
		}
		src = src[r.length:]
		symbol, extra := r.lengthSymbol()
		code := c.literals[symbol%literalSymbols]
		acc |= uint64(code.bits) << (n & 63)
		n += uint(code.n)
		acc |= uint64(r.length-minLength) & (1<<extra - 1) << (n & 63)
		n += extra
		symbol, extra = r.distanceSymbol()
		code = c.distances[symbol%distanceSymbols]
		acc |= uint64(code.bits) << (n & 63)
		n += uint(code.n)
		acc |= uint64(r.distance) & (1<<extra - 1) << (n & 63)
		n += extra
		binary.LittleEndian.PutUint64(buf[at:], acc)
		at += int(n >> 3)
		acc >>= n &^ 7 & 63
		n &= 7
	}
	w.at, w.acc, w.n = at, acc, n
}

// close returns what was appended, filled up to a whole byte.
func (w *bitWriter) close() []byte {
	binary.LittleEndian.PutUint64(w.buf[w.at:], w.acc)
	return w.buf[:w.at+int(w.n+7)/8]
}
