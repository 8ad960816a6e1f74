package wire

import "encoding/binary"

// Reader walks over TL bytes. After the first value that is not there every
// read returns zero and OK is false.
type Reader struct {
	b   []byte
	bad bool
}

// NewReader reads from b.
func NewReader(b []byte) Reader { return Reader{b: b} }

// OK reports whether everything read so far was there.
func (r *Reader) OK() bool { return !r.bad }

// Done reports whether everything was there and nothing is left.
func (r *Reader) Done() bool { return !r.bad && len(r.b) == 0 }

// Rest takes all that is left.
func (r *Reader) Rest() []byte {
	b := r.b
	r.b = nil
	return b
}

func (r *Reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// ID reads a constructor id.
func (r *Reader) ID() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Int reads an int.
func (r *Reader) Int() int32 { return int32(r.ID()) }

// Long reads a long.
func (r *Reader) Long() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.LittleEndian.Uint64(b))
	}
	return 0
}

// Bytes reads bytes or a string: a length of one or four bytes, the content,
// zeros up to a multiple of four.
func (r *Reader) Bytes() []byte {
	if r.bad || len(r.b) == 0 {
		r.bad = true
		return nil
	}
	n, head := int(r.b[0]), 1
	switch n {
	case 255:
		r.bad = true
		return nil
	case 254:
		if len(r.b) < 4 {
			r.bad = true
			return nil
		}
		n, head = int(r.b[1])|int(r.b[2])<<8|int(r.b[3])<<16, 4
	}
	b := r.take((head + n + 3) &^ 3)
	if b == nil {
		return nil
	}
	return b[head : head+n : head+n]
}

// expect reads a constructor id and refuses any other.
func (r *Reader) expect(id uint32) {
	if r.ID() != id {
		r.bad, r.b = true, nil
	}
}

// Longs is a Vector<long> in its serialized form.
type Longs struct{ b []byte }

// Len is the number of elements.
func (l Longs) Len() int { return len(l.b) / 8 }

// At is element i.
func (l Longs) At(i int) int64 {
	return int64(binary.LittleEndian.Uint64(l.b[i*8:]))
}

// Slice is elements i to j-1.
func (l Longs) Slice(i, j int) Longs { return Longs{l.b[i*8 : j*8]} }

// MaxIDs is how many message ids one service message may name (rule ACK-1).
const MaxIDs = 8192

// Longs reads a Vector<long> of at most MaxIDs elements.
func (r *Reader) Longs() Longs {
	r.expect(IDVector)
	n := r.Int()
	if n < 0 || n > MaxIDs {
		r.bad, r.b = true, nil
		return Longs{}
	}
	return Longs{r.take(int(n) * 8)}
}

// PeekID is the constructor id that b starts with; false when b is too short.
func PeekID(b []byte) (uint32, bool) {
	if len(b) < 4 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b), true
}
