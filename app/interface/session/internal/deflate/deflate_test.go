package deflate

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unpacked is what a gzip stream has, as Go's own reader takes it.
func unpacked(t *testing.T, packed []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	r.Multistream(false)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	return out
}

// skewed makes n bytes, of which each is half as frequent as the one before: their
// code would be longer than 15 bits.
func skewed(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, n)
	for i := range out {
		for c := byte(0); c < 40 && r.IntN(2) == 0; c++ {
			out[i] = c * 5
		}
	}
	return out
}

// noise makes n bytes of which nothing repeats, some of them only of few values.
func noise(n, values int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.IntN(values))
	}
	return out
}

// fibonacci has as many of each byte as Fibonacci's numbers say: the deepest tree there is.
func fibonacci() (out []byte) {
	a, b := 1, 1
	for c := byte(0); len(out)+a < MaxSource; c++ {
		out = append(out, bytes.Repeat([]byte{c}, a)...)
		a, b = b, a+b
	}
	rand.New(rand.NewPCG(5, 6)).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func TestRoundTrip(t *testing.T) {
	text := strings.Repeat("Somebody has said this before, and will say it again. ", 40)
	for name, src := range map[string][]byte{
		"text":                    []byte(text),
		"zeros":                   make([]byte, 1000),
		"as long as may be":       noise(MaxSource, 7),
		"skewed":                  skewed(20_000),
		"two values":              noise(300, 2),
		"text of other letters":   []byte(strings.Repeat("Всё это уже было сказано, и не раз. ", 30)),
		"codes that are too long": fibonacci(),
		"far apart":               slicesOf([]byte(text), noise(MaxSource-2*len(text), 64), []byte(text)),
		"one byte again":          bytes.Repeat([]byte{7}, 40),
		"longest repetition":      slicesOf(noise(258, 256), noise(258, 256), noise(258, 256), make([]byte, 9)),
	} {
		t.Run(name, func(t *testing.T) {
			before := bytes.Clone(src)
			out, ok := AppendGzip([]byte("head"), src)
			require.True(t, ok)
			require.Equal(t, "head", string(out[:4]))
			require.Equal(t, src, unpacked(t, out[4:]))
			require.Less(t, len(out)-4, len(src))
			require.Equal(t, before, src)
			again, _ := AppendGzip(nil, src)
			require.Equal(t, out[4:], again)
		})
	}
}

func slicesOf(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestNothingIsPackedForNothing(t *testing.T) {
	for name, src := range map[string][]byte{
		"nothing":         nil,
		"a byte too long": make([]byte, MaxSource+1),
		"short":           []byte("aaaaaaaaaaaaaaaa"),
		"noise":           noise(5000, 256),
	} {
		t.Run(name, func(t *testing.T) {
			out, ok := AppendGzip([]byte("head"), src)
			require.False(t, ok)
			require.Equal(t, "head", string(out))
		})
	}
}

// What is behind the length of dst is not read, and what has no room grows.
func TestRoom(t *testing.T) {
	src := []byte(strings.Repeat("room ", 200))
	want, ok := AppendGzip(nil, src)
	require.True(t, ok)
	for _, room := range []int{0, 1, 20, len(want), 4096} {
		out, ok := AppendGzip(append(make([]byte, 0, room+2), 1, 2), src)
		require.True(t, ok)
		require.Equal(t, want, out[2:], "room %d", room)
	}
}

// The codes of a block are a whole tree, as zlib insists, and as short as may be.
func TestLengths(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var h huffman
	for limit := range 3 {
		limit := 7 + 4*limit
		for range 300 {
			freq := make([]uint32, 2+r.IntN(min(maxSymbols, 1<<limit)-2))
			used := 0
			for i := range freq {
				if r.IntN(3) > 0 {
					freq[i] = uint32(1) << r.IntN(1+r.IntN(16))
					used++
				}
			}
			n := make([]uint8, len(freq))
			h.lengths(n, freq, limit)
			sum := 0
			for i, length := range n {
				require.Equal(t, freq[i] > 0, length > 0)
				require.LessOrEqual(t, int(length), limit)
				if length > 0 {
					sum += 1 << (limit - int(length))
				}
			}
			if used > 1 {
				require.Equal(t, 1<<limit, sum)
			}
			for range 1000 {
				i, j := r.IntN(len(n)), r.IntN(len(n))
				if freq[i] > 0 && freq[i] < freq[j] && n[i] < n[j] {
					t.Fatalf("%d occurs %d times in %d bits, %d %d times in %d", i, freq[i], n[i], j, freq[j], n[j])
				}
			}
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("abcabcabcabcabcabcabcabcabcabcabcabc"), uint16(3))
	f.Add(noise(300, 3), uint16(400))
	f.Fuzz(func(t *testing.T, part []byte, times uint16) {
		src := bytes.Repeat(part, 1+int(times)%64)
		if out, ok := AppendGzip(nil, src); ok {
			require.Equal(t, src, unpacked(t, out))
		}
	})
}

// object is like a list of contacts: names repeat, ids and hashes do not.
func object(users int) (out []byte) {
	r := rand.New(rand.NewPCG(9, 10))
	names := []string{"Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth"}
	for range users {
		out = append(out, 0x4c, 0xb7, 0xf5, 0x83, 0x7f, 8, 0, 0, 0, 0, 0, 0)
		out = append(out, noise(8, 256)[:r.IntN(2)+3]...)
		out = append(out, 0, 0, 0, 0)
		for range 8 {
			out = append(out, byte(r.Uint32()))
		}
		a, b := names[r.IntN(6)], names[6+r.IntN(6)]
		out = append(out, fmt.Sprintf("%c%s\x00%c%s\x00%c%s%s%d\x00\x09996%07d", len(a), a, len(b), b, 12, a, b, r.IntN(100), r.IntN(10_000_000))...)
		for range 8 {
			out = append(out, byte(r.Uint32()))
		}
		out = append(out, 0x6f, 0x91, 0xca, 0x82, 2, 0, 0, 0)
	}
	return out
}

func BenchmarkAppendGzip(b *testing.B) {
	for _, users := range []int{10, 50, 200} {
		src := object(users)
		b.Run(fmt.Sprintf("%d bytes", len(src)), func(b *testing.B) {
			var buf []byte
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = AppendGzip(buf[:0], src)
			}
			b.ReportMetric(float64(len(buf))/float64(len(src)), "part")
		})
	}
}
