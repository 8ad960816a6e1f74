package deflate

import (
	"math/bits"
	"slices"
)

const (
	literalSymbols  = 286
	distanceSymbols = 30
	maxSymbols      = literalSymbols
	endOfBlock      = 256
	firstLength     = 257 // the symbol of the length minLength
	minLength       = 3
	longestCode     = 15

	lengthSymbols      = 19 // of the code for the lengths of codes
	longestLengthCode  = 7
	repeatLength       = 16 // the last length 3 to 6 times
	repeatZero         = 17 // 3 to 10 times
	repeatZeroLong     = 18 // 11 to 138 times
	blockHeader        = 3
	blockHeaderDynamic = blockHeader + 5 + 5 + 4
)

// lengthOrder is how the lengths of the code for lengths are written.
var lengthOrder = [lengthSymbols]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// fixed is the code of RFC 1951, 3.2.6.
var fixed = func() (c codes) {
	for i := range c.literalLengths {
		switch {
		case i < 144:
			c.literalLengths[i] = 8
		case i < 256:
			c.literalLengths[i] = 9
		case i < 280:
			c.literalLengths[i] = 7
		default:
			c.literalLengths[i] = 8
		}
	}
	for i := range c.distanceLengths {
		c.distanceLengths[i] = 5
	}
	var all [288]code // two more have a code that nobody uses
	lengths := append(slices.Clone(c.literalLengths[:]), 8, 8)
	assign(all[:], lengths)
	copy(c.literals[:], all[:])
	assign(c.distances[:], c.distanceLengths[:])
	return c
}()

// codes are those of a block.
type codes struct {
	literalLengths  [literalSymbols]uint8
	distanceLengths [distanceSymbols]uint8
	literals        [literalSymbols]code
	distances       [distanceSymbols]code
}

// block is what is known of one block.
type block struct {
	literals  [literalSymbols]uint32 // how often each occurs
	distances [distanceSymbols]uint32
	own       codes
	dynamic   bool // own is written and used; else fixed
	bits      int

	literalCount, distanceCount int // of lengths that are written
	lengths                     []lengthToken
	lengthFreq                  [lengthSymbols]uint32
	lengthLengths               [lengthSymbols]uint8
	huffman                     huffman
}

// lengthToken is a symbol of the code for lengths, and the number behind it.
type lengthToken struct{ symbol, extra uint8 }

// extraBits is how many bits follow a symbol of the code for lengths.
var extraBits = [lengthSymbols]uint8{repeatLength: 2, repeatZero: 3, repeatZeroLong: 7}

// measure counts what src's runs have, and chooses their code.
func (b *block) measure(src []byte, runs []run) {
	clear(b.literals[:])
	clear(b.distances[:])
	extra := uint(0)
	for _, r := range runs {
		for _, c := range src[:r.literals] {
			b.literals[c]++
		}
		src = src[r.literals:]
		if r.length == 0 {
			continue
		}
		src = src[r.length:]
		symbol, n := r.lengthSymbol()
		b.literals[symbol]++
		extra += n
		symbol, n = r.distanceSymbol()
		b.distances[symbol]++
		extra += n
	}
	b.literals[endOfBlock]++
	short := blockHeader + int(extra) + cost(b.literals[:], fixed.literalLengths[:]) + cost(b.distances[:], fixed.distanceLengths[:])
	b.huffman.lengths(b.own.literalLengths[:], b.literals[:], longestCode)
	b.huffman.lengths(b.own.distanceLengths[:], b.distances[:], longestCode)
	b.describe()
	long := b.headerBits() + int(extra) + cost(b.literals[:], b.own.literalLengths[:]) + cost(b.distances[:], b.own.distanceLengths[:])
	b.bits, b.dynamic = min(short, long), long < short
}

func cost(freq []uint32, lengths []uint8) (n int) {
	for i, f := range freq {
		n += int(f) * int(lengths[i])
	}
	return n
}

// describe makes the header of a block with codes of its own.
func (b *block) describe() {
	if len(b.lengths) == 0 && cap(b.lengths) == 0 {
		b.lengths = make([]lengthToken, 0, literalSymbols+distanceSymbols)
	}
	b.literalCount, b.distanceCount = literalSymbols, distanceSymbols
	for b.literalCount > firstLength && b.own.literalLengths[b.literalCount-1] == 0 {
		b.literalCount--
	}
	for b.distanceCount > 1 && b.own.distanceLengths[b.distanceCount-1] == 0 {
		b.distanceCount--
	}
	var all [literalSymbols + distanceSymbols]uint8
	n := copy(all[:], b.own.literalLengths[:b.literalCount])
	n += copy(all[n:], b.own.distanceLengths[:b.distanceCount])
	b.lengths = b.lengths[:0]
	clear(b.lengthFreq[:])
	for i := 0; i < n; {
		run := 1
		for i+run < n && all[i+run] == all[i] {
			run++
		}
		b.run(all[i], run)
		i += run
	}
	b.huffman.lengths(b.lengthLengths[:], b.lengthFreq[:], longestLengthCode)
}

// run notes n codes of the same length.
func (b *block) run(length uint8, n int) {
	note := func(symbol, extra int) {
		b.lengths = append(b.lengths, lengthToken{uint8(symbol), uint8(extra)})
		b.lengthFreq[symbol]++
	}
	if length != 0 {
		note(int(length), 0)
		n--
	}
	for n > 0 {
		switch {
		case n < 3:
			note(int(length), 0)
			n--
		case length != 0:
			k := min(n, 6)
			note(repeatLength, k-3)
			n -= k
		case n < 11:
			note(repeatZero, n-3)
			n = 0
		default:
			k := min(n, 138)
			note(repeatZeroLong, k-11)
			n -= k
		}
	}
}

// orders is how many lengths of the code for lengths are written.
func (b *block) orders() int {
	n := lengthSymbols
	for n > 4 && b.lengthLengths[lengthOrder[n-1]] == 0 {
		n--
	}
	return n
}

func (b *block) headerBits() int {
	n := blockHeaderDynamic + 3*b.orders()
	for symbol, f := range b.lengthFreq {
		n += int(f) * int(b.lengthLengths[symbol]+extraBits[symbol])
	}
	return n
}

// lengthSymbol is the symbol of the repetition's length, and how many of its low bits,
// less three, follow it.
func (r run) lengthSymbol() (symbol, n uint) {
	length := uint(r.length) - minLength
	n = uint(max(bits.Len(length), 3) - 3)
	return firstLength + 4*n + length>>n, n
}

// distanceSymbol is the symbol of the repetition's distance, and how many of its low
// bits, less one, follow it.
func (r run) distanceSymbol() (symbol, n uint) {
	distance := uint(r.distance)
	n = uint(max(bits.Len(distance), 2) - 2)
	return 2*n + distance>>n, n
}

// write appends the bits of the block, the last one of its stream.
func (b *block) write(out, src []byte, runs []run) []byte {
	w := newBitWriter(out, b.bits)
	c := &fixed
	if b.dynamic {
		c = &b.own
		assign(c.literals[:], c.literalLengths[:])
		assign(c.distances[:], c.distanceLengths[:])
		w.put(1|2<<1, blockHeader)
		b.writeHeader(w)
	} else {
		w.put(1|1<<1, blockHeader)
	}
	w.runs(c, src, runs)
	w.put(c.literals[endOfBlock].value())
	return w.close()
}

func (c code) value() (v uint64, n uint) { return uint64(c.bits), uint(c.n) }

func (b *block) writeHeader(w *bitWriter) {
	orders := b.orders()
	w.put(uint64(b.literalCount-firstLength), 5)
	w.put(uint64(b.distanceCount-1), 5)
	w.put(uint64(orders-4), 4)
	for _, symbol := range lengthOrder[:orders] {
		w.drain()
		w.put(uint64(b.lengthLengths[symbol]), 3)
	}
	var codes [lengthSymbols]code
	assign(codes[:], b.lengthLengths[:])
	for _, l := range b.lengths {
		w.drain()
		w.put(codes[l.symbol].value())
		w.put(uint64(l.extra), uint(extraBits[l.symbol]))
	}
}
