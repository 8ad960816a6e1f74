package sess

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// zlibbed is body as gzip_packed that holds a zlib stream.
func zlibbed(t testing.TB, level int, dictionary, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zlib.NewWriterLevelDict(&b, level, dictionary)
	require.NoError(t, err)
	return wire.AppendGzip(nil, packed(t, &b, z, body))
}

func packed(t testing.TB, b *bytes.Buffer, z io.WriteCloser, body []byte) []byte {
	t.Helper()
	_, err := z.Write(body)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// gzip_packed of TDLib and mtcute holds a zlib stream: every call that they
// packed was refused, so that TDLib could not bind its temp key.
func TestPackedCallsOfEveryClient(t *testing.T) {
	query := func(x *world) []byte {
		return x.method("auth.signIn", int32(1), strings.Repeat("+15550000001", 30), "2", "3")
	}
	cut := func(b []byte, n int) []byte { return wire.AppendGzip(nil, b[8:len(b)-n]) }
	for name, c := range map[string]struct {
		pack func([]byte) []byte
		good bool
	}{
		"gzip":                   {func(q []byte) []byte { return gzipped(t, q) }, true},
		"zlib":                   {func(q []byte) []byte { return zlibbed(t, zlib.DefaultCompression, nil, q) }, true},
		"zlib, best":             {func(q []byte) []byte { return zlibbed(t, zlib.BestCompression, nil, q) }, true},
		"zlib, stored":           {func(q []byte) []byte { return zlibbed(t, zlib.NoCompression, nil, q) }, true},
		"zlib with a dictionary": {func(q []byte) []byte { return zlibbed(t, 6, []byte("+1555"), q) }, false},
		"zlib cut off":           {func(q []byte) []byte { return cut(zlibbed(t, 6, nil, q), 12) }, false},
		"zlib with a bad sum":    {func(q []byte) []byte { b := zlibbed(t, 6, nil, q); b[len(b)-5] ^= 1; return b }, false},
		"gzip cut off":           {func(q []byte) []byte { return cut(gzipped(t, q), 12) }, false},
		"neither":                {func([]byte) []byte { return wire.AppendGzip(nil, []byte("not packed at all")) }, false},
		"one byte":               {func([]byte) []byte { return wire.AppendGzip(nil, []byte{0x78}) }, false},
		"nothing":                {func([]byte) []byte { return wire.AppendGzip(nil, nil) }, false},
		"deflate without a frame": {func(q []byte) []byte {
			var b bytes.Buffer
			z, _ := flate.NewWriter(&b, 6)
			return wire.AppendGzip(nil, packed(t, &b, z, q))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			plain, wrapped := x.recv(1, c.pack(query(x))), x.recv(1, tlLayer(223, c.pack(query(x))))
			msgs := x.take()
			if c.good {
				require.Equal(t, 1, count[*InvokeMethod](x), "the second waits for the first")
				require.Empty(t, x.rpcError(msgs, plain.ID))
				require.Empty(t, x.rpcError(msgs, wrapped.ID))
				return
			}
			require.Zero(t, count[*InvokeMethod](x))
			require.Equal(t, "400 INPUT_FETCH_ERROR", x.rpcError(msgs, plain.ID))
			require.Equal(t, "400 INPUT_FETCH_ERROR", x.rpcError(msgs, wrapped.ID))
		})
	}
}

// A text of equal letters was taken for a bomb, because it shrinks more than a
// hundred times.
func TestHonestTextInflates(t *testing.T) {
	for name, c := range map[string]struct {
		sizes []int // of the messages of one packet
		good  []bool
	}{
		"4,000 letters":            {[]int{12_000}, []bool{true}},
		"1 MiB":                    {[]int{1 << 20}, []bool{true}},
		"more than 1 MiB":          {[]int{1<<20 + 4}, []bool{false}},
		"1 MiB in two messages":    {[]int{1 << 19, 1 << 19}, []bool{true, true}},
		"and another small one":    {[]int{1 << 19, 1 << 19, 12_000}, []bool{true, true, false}},
		"as small as its ratio is": {[]int{1 << 20, 200}, []bool{true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, pack := range map[string]func([]byte) []byte{
				"gzip": func(b []byte) []byte { return gzipped(t, b) },
				"zlib": func(b []byte) []byte { return zlibbed(t, zlib.BestCompression, nil, b) },
			} {
				x := newWorld(t, false)
				in := &incoming{budget: x.cfg.GunzipBytes}
				for i, size := range c.sizes {
					text := bytes.Repeat([]byte("字"), size/3+1)[:size]
					got, err := x.w.inflate(pack(text), in)
					require.Equal(t, c.good[i], err == nil, "%s, message %d", kind, i)
					if err == nil {
						require.Equal(t, text, got)
					}
				}
			}
		})
	}
}

// A long object is packed as a whole, or given up when its first part shows that it is not
// worth the time.
func TestLongObjectsThatDoNotShrinkAreLeft(t *testing.T) {
	d := deflaters.New().(*deflater)
	text := bytes.Repeat([]byte("a text that comes again, "), 20_000)
	letters := make([]byte, 500_000) // a fifth shorter as gzip
	for i := range letters {
		letters[i] = byte(' ' + rand.IntN(95))
	}
	for name, c := range map[string]struct {
		object []byte
		packed bool
	}{
		"a text": {text, true}, "letters": {letters, false}, "letters, not long": {letters[:pause], true},
		"a text after letters": {slices.Concat(letters[:pause], text), false}, "letters after a text": {slices.Concat(text, letters), true},
		"just long": {text[:pause+1], true},
	} {
		packed := d.pack(c.object)
		require.Equal(t, c.packed, packed != nil, name)
		if !c.packed {
			continue
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		require.NoError(t, err, name)
		again, err := io.ReadAll(r)
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(c.object, again), name)
	}
}
