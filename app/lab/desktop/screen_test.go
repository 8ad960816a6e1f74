package desktop

import (
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// dump is a screen in Xvfb's form, with what a test changes in it.
func dump(width, height int, change func(word func(i, value int), pixel func(x, y int, c color.RGBA))) []byte {
	const colors, line = 2, 4
	header := 4*xwdWords + 4 // and a name
	raw := make([]byte, header+colors*xwdColorSize+line*width*height)
	word := func(i, value int) { binary.BigEndian.PutUint32(raw[4*i:], uint32(value)) }
	for i, value := range map[int]int{
		xwdHeaderSize: header, xwdVersion: 7, xwdWidth: width, xwdHeight: height,
		xwdBits: 32, xwdLine: line * width, xwdColors: colors,
	} {
		word(i, value)
	}
	change(word, func(x, y int, c color.RGBA) {
		copy(raw[header+colors*xwdColorSize+line*(y*width+x):], []byte{c.B, c.G, c.R})
	})
	return raw
}

func TestDecodeXWD(t *testing.T) {
	orange := color.RGBA{R: 0xff, G: 0x80, B: 0x10, A: 0xff}
	img, err := decodeXWD(dump(3, 2, func(_ func(int, int), pixel func(int, int, color.RGBA)) { pixel(2, 1, orange) }))
	require.NoError(t, err)
	require.Equal(t, image.Rect(0, 0, 3, 2), img.Rect)
	require.Equal(t, orange, img.RGBAAt(2, 1))
	require.Equal(t, color.RGBA{A: 0xff}, img.RGBAAt(0, 0))

	for _, c := range []struct {
		name        string
		word, value int
	}{
		{"another version", xwdVersion, 6},
		{"another depth", xwdBits, 16},
		{"another order of bytes", xwdByteOrder, 1},
		{"no width", xwdWidth, 0},
		{"no height", xwdHeight, 0},
		{"a height beyond the end", xwdHeight, 3},
		{"a height beyond all", xwdHeight, 1 << 31},
		{"lines that are too short", xwdLine, 11},
		{"lines beyond all", xwdLine, 1 << 30},
		{"a header beyond the end", xwdHeaderSize, 1 << 30},
		{"colours beyond the end", xwdColors, 1 << 31},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := decodeXWD(dump(3, 2, func(word func(int, int), _ func(int, int, color.RGBA)) { word(c.word, c.value) }))
			require.Error(t, err)
		})
	}
	_, err = decodeXWD(make([]byte, 99))
	require.Error(t, err)
}

func TestDifference(t *testing.T) {
	a, b := image.NewRGBA(image.Rect(0, 0, 10, 10)), image.NewRGBA(image.Rect(0, 0, 10, 10))
	require.Zero(t, difference(a, b))
	require.True(t, empty(a))
	b.SetRGBA(9, 9, color.RGBA{R: 1})
	require.InDelta(t, 0.01, difference(a, b), 1e-9)
	require.False(t, empty(b))

	screen := image.NewRGBA(image.Rect(0, 0, 1000, 800))
	for i := range 200 {
		screen.SetRGBA(500+i%10, 400+i/10, color.RGBA{R: 1})
	}
	require.True(t, empty(screen), "the pointer alone")
}

func TestSaveLeavesTheBareScreenOut(t *testing.T) {
	dir := t.TempDir()
	s := &screen{buffer: filepath.Join(dir, "screen")}
	grey := color.RGBA{R: 0x7f, G: 0x7f, B: 0x7f, A: 0xff}
	require.NoError(t, os.WriteFile(s.buffer, dump(8, 6, func(_ func(int, int), pixel func(int, int, color.RGBA)) {
		pixel(2, 1, grey)
		pixel(5, 4, grey)
	}), 0o600))
	file := filepath.Join(dir, "out.png")
	require.NoError(t, s.save(file))
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	img, err := png.Decode(f)
	require.NoError(t, err)
	require.Equal(t, image.Pt(4, 4), img.Bounds().Size())
	r, g, b, _ := img.At(img.Bounds().Min.X, img.Bounds().Min.Y).RGBA()
	require.Equal(t, []uint32{0x7c7c, 0x7c7c, 0x7c7c}, []uint32{r, g, b})
}
