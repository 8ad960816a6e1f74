package sess

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"

	"github.com/tgsession/tgsession/app/interface/session/internal/deflate"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/app/internal/buffers"
)

var (
	errInflate  = errors.New("sess: gzip_packed is corrupt")
	errTooLarge = errors.New("sess: gzip_packed is too large")
	errCrowded  = errors.New("sess: strangers at this address have had too much read")
)

var (
	deflaters = sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is valid
		return &deflater{z: z}
	}}
	inflaters = sync.Pool{New: func() any { return new(inflater) }}
)

// inflater reads either of the formats that clients pack in. A reader is made
// when its format comes for the first time.
type inflater struct {
	in   bytes.Reader
	gzip *gzip.Reader
	zlib io.ReadCloser // also a zlib.Resetter
}

// reset readies the reader for packed, which is a gzip or a zlib stream as its
// first bytes say (RFC 1952, RFC 1950): Telegram's own apps send gzip, TDLib and
// mtcute send zlib.
func (f *inflater) reset(packed []byte) (r io.Reader, err error) {
	f.in.Reset(packed)
	if len(packed) >= 2 && packed[0] == 0x1f && packed[1] == 0x8b {
		if f.gzip == nil {
			f.gzip = new(gzip.Reader)
		}
		if err = f.gzip.Reset(&f.in); err == nil {
			f.gzip.Multistream(false)
		}
		return f.gzip, err
	}
	if f.zlib == nil {
		f.zlib, err = zlib.NewReader(&f.in)
		return f.zlib, err
	}
	return f.zlib, f.zlib.(zlib.Resetter).Reset(&f.in, nil)
}

// deflater is the room for an object and for its stream.
type deflater struct {
	z      *gzip.Writer
	buf    bytes.Buffer
	object []byte
}

// keepBuffer bounds what a pooled buffer may hold on to: what gRPC takes, and what
// growing makes of it. A buffer that is made anew costs three times what goes into it.
const keepBuffer = 6 << 20

// release gives a deflater back.
func (d *deflater) release() {
	if d.buf.Cap() <= keepBuffer && cap(d.object) <= keepBuffer {
		deflaters.Put(d)
	}
}

// short is up to which size package deflate packs, which costs less than half there.
const short = 4 << 10

// pack returns a copy of body whose object, from offset head on, is gzip_packed if that
// is shorter (rule GZIP-2). Make makes the memory for it: an empty slice with capacity for
// so many bytes.
func (w *MainAuthWrapper) pack(d *deflater, body []byte, head int, make func(size int) ([]byte, *buffers.Room)) ([]byte, *buffers.Room) {
	object := body[head:]
	var packed []byte
	if len(object) >= w.cfg.GzipFrom {
		packed = d.pack(object)
	}
	size := 4 + 4 + len(packed) + 3
	if packed == nil || size >= len(object) {
		out, room := make(len(body))
		return append(out, body...), room
	}
	out, room := make(head + size)
	out = wire.AppendGzip(append(out, body[:head]...), packed)
	w.countN(CountGzipSaved, len(body)-len(out))
	return out, room
}

// newBytes makes memory that is the garbage collector's, for pack.
func newBytes(size int) ([]byte, *buffers.Room) { return make([]byte, 0, size), nil }

// pack returns object as a gzip stream, which is the deflater's until it is used again;
// nil: it is not worth it. A long object shows that by its first 64 KiB: where those get
// shorter by less than a quarter, the rest would cost more time than the bytes are worth. A
// megabyte takes ten milliseconds, so others have a turn in between.
func (d *deflater) pack(object []byte) []byte {
	d.buf.Reset()
	if len(object) <= short {
		d.buf.Grow(len(object) + 64)
		if packed, ok := deflate.AppendGzip(d.buf.AvailableBuffer(), object); ok {
			return packed
		}
		return nil
	}
	d.z.Reset(&d.buf)
	for rest := object; len(rest) > 0; runtime.Gosched() {
		n := min(len(rest), pause)
		_, _ = d.z.Write(rest[:n]) // a buffer takes everything
		if rest = rest[n:]; len(rest) > 0 && len(rest)+n == len(object) {
			if _ = d.z.Flush(); d.buf.Len() > n-n/4 {
				return nil
			}
		}
	}
	_ = d.z.Close()
	return d.buf.Bytes()
}

// freeRatio is how many bytes of a packet may inflate at any ratio: a text of
// equal letters shrinks a thousand times, and is honest.
const freeRatio = 1 << 20

// pause is after how many bytes packing and unpacking let others go on: Go's scheduler
// would take 10 ms to.
const pause = 64 << 10

// inflate unpacks gzip_packed, as far as the packet's budget allows (rule GZIP-3).
// Beyond freeRatio the ratio is bounded, too, so that a small packet does not cost
// the work of a large one: the ratio of what was really unpacked, which zeros behind
// it do not improve.
func (w *MainAuthWrapper) inflate(body []byte, in *incoming) (inner []byte, err error) {
	packed, ok := wire.Gzip(body)
	if !ok {
		return nil, errInflate
	}
	f := inflaters.Get().(*inflater)
	defer func() {
		f.in.Reset(nil)
		inflaters.Put(f)
	}()
	z, err := f.reset(packed)
	if err != nil {
		return nil, errInflate
	}
	free, limit := freeRatio-in.inflated, in.budget
	room := buffers.Pool.Get(min(limit, 4*len(packed)+512, cheap(packed)))
	buf, n, yielded := *room, 0, 0
	defer func() {
		if inner == nil {
			buffers.Pool.Put(room)
		} else {
			in.rooms = append(in.rooms, room)
		}
	}()
	defer func() { in.budget, in.inflated = in.budget-n, in.inflated+n }() // what is refused has cost as much
	for {
		m, err := z.Read(buf[n:])
		if n += m; n > free && n > (len(packed)-f.in.Len())*w.cfg.GunzipRatio {
			return nil, errTooLarge
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, errInflate
		}
		if n-yielded >= pause {
			runtime.Gosched()
			yielded = n
		}
		if n < len(buf) {
			continue
		}
		if n >= limit { // full: one byte more is too much
			var one [1]byte
			if m, err := z.Read(one[:]); m > 0 {
				return nil, errTooLarge
			} else if err != io.EOF {
				return nil, errInflate
			}
			break
		}
		if n >= cheap(packed) {
			w.takeTurn(in)
		}
		more := buffers.Pool.Get(n + min(limit-n, n))
		copy(*more, buf)
		buffers.Pool.Put(room)
		room, buf = more, *more
	}
	return buf[:n], nil
}
