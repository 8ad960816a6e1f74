// Package deflate writes gzip streams of short objects (RFC 1951, RFC 1952). Most of
// what a session node packs has about a kilobyte, and of that a general compressor
// spends most on making code tables that may be long, or change. Here an object is one
// block, and its tables are made in linear time: the stream is a few parts in a hundred
// shorter than that of klauspost/compress at its fastest level, in less than half the
// time. Of ten kilobytes and more that one is as fast.
//
//	deflate.go  the stream: header, block, checksum
//	match.go    repetitions
//	huffman.go  codes from frequencies
//	block.go    the code of a block
//	bits.go     its bits
package deflate

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"
)

// header is that of a gzip stream without a name or a time, written for speed.
var header = [10]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff}

// trailer is the length of what follows the blocks: checksum and length.
const trailer = 8

// MaxSource is up to how many bytes AppendGzip packs.
const MaxSource = 1 << 15

// encoder is the room for making a stream.
type encoder struct {
	table table
	runs  []run
	block block
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// AppendGzip appends src to dst as a gzip stream. ok is false when that would not be
// shorter than src, or src is longer than MaxSource; then out is dst. The same src makes
// the same stream at any time. It is safe for concurrent use.
func AppendGzip(dst, src []byte) (out []byte, ok bool) {
	if len(src) > MaxSource {
		return dst, false
	}
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	clear(e.table[:])
	e.runs = e.table.runs(e.runs[:0], src)
	e.block.measure(src, e.runs)
	size := len(header) + (e.block.bits+7)/8 + trailer
	if size >= len(src) {
		return dst, false
	}
	out = append(slices.Grow(dst, size+spare), header[:]...)
	out = e.block.write(out, src, e.runs)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(src))
	return binary.LittleEndian.AppendUint32(out, uint32(len(src))), true
}
