package sess

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

var errInflate = errors.New("sess: gzip_packed is corrupt or too large")

var (
	deflaters = sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is valid
		return &deflater{z: z}
	}}
	inflaters = sync.Pool{New: func() any { return new(gzip.Reader) }}
)

type deflater struct {
	z   *gzip.Writer
	buf bytes.Buffer
}

// keepBuffer bounds what a pooled buffer may hold on to.
const keepBuffer = 1 << 20

// pack returns object, from offset head of body on, as gzip_packed if that is
// shorter (rule GZIP-2). body stays the caller's.
func (w *MainAuthWrapper) pack(body []byte, head int) []byte {
	object := body[head:]
	if len(object) < w.cfg.GzipFrom {
		return body
	}
	d := deflaters.Get().(*deflater) //nolint:forcetypeassert // the pool's own
	defer func() {
		if d.buf.Cap() <= keepBuffer {
			deflaters.Put(d)
		}
	}()
	d.buf.Reset()
	d.z.Reset(&d.buf)
	if _, err := d.z.Write(object); err != nil { // a buffer takes everything
		return body
	}
	if err := d.z.Close(); err != nil {
		return body
	}
	size := 4 + 4 + d.buf.Len() + 3
	if size >= len(object) {
		return body
	}
	w.countN(CountGzipSaved, len(object)-size)
	out := make([]byte, 0, head+size)
	return wire.AppendGzip(append(out, body[:head]...), d.buf.Bytes())
}

// inflate unpacks gzip_packed, as far as budget allows (rule GZIP-3).
func (w *MainAuthWrapper) inflate(body []byte, budget *int) ([]byte, error) {
	packed, ok := wire.Gzip(body)
	if !ok {
		return nil, errInflate
	}
	z := inflaters.Get().(*gzip.Reader) //nolint:forcetypeassert // the pool's own
	defer inflaters.Put(z)
	if err := z.Reset(bytes.NewReader(packed)); err != nil {
		return nil, errInflate
	}
	z.Multistream(false)
	limit := min(*budget, len(packed)*w.cfg.GunzipRatio)
	buf := make([]byte, min(limit, 4*len(packed)+512))
	n := 0
	defer func() { *budget -= n }() // what is refused has cost as much
	for {
		m, err := z.Read(buf[n:])
		if n += m; err == io.EOF { //nolint:errorlint // a reader's bare EOF
			break
		}
		if err != nil {
			return nil, errInflate
		}
		if n < len(buf) {
			continue
		}
		if n >= limit { // full: one byte more is too much
			var one [1]byte
			if m, err := z.Read(one[:]); m > 0 || err != io.EOF { //nolint:errorlint // a reader's bare EOF
				return nil, errInflate
			}
			break
		}
		buf = append(buf, make([]byte, min(limit-n, n))...)
	}
	return buf[:n], nil
}
