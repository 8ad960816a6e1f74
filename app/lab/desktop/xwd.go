package desktop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
)

// Fields of the header of an X window dump (XWDFile.h of the X protocol's
// headers), in words of 32 bits, big endian.
const (
	xwdHeaderSize = 0
	xwdVersion    = 1
	xwdWidth      = 4
	xwdHeight     = 5
	xwdByteOrder  = 7
	xwdBits       = 11
	xwdLine       = 12
	xwdColors     = 19
	xwdWords      = 25 // without the name of the window
)

const (
	xwdColorSize = 12      // bytes of an entry of the colour map
	maxSide      = 1 << 14 // pixels
)

// decodeXWD reads the form that Xvfb keeps its screen in: version 7, 32 bits a
// pixel, the lowest byte first, which is blue, green, red.
func decodeXWD(raw []byte) (*image.RGBA, error) {
	if len(raw) < 4*xwdWords {
		return nil, errors.New("xwd: no header")
	}
	word := func(i int) int { return int(binary.BigEndian.Uint32(raw[4*i:])) }
	if word(xwdVersion) != 7 || word(xwdBits) != 32 || word(xwdByteOrder) != 0 {
		return nil, fmt.Errorf("xwd: version %d with %d bits a pixel, byte order %d", word(xwdVersion), word(xwdBits), word(xwdByteOrder))
	}
	width, height, line := word(xwdWidth), word(xwdHeight), word(xwdLine)
	if width <= 0 || width > maxSide || height <= 0 || height > maxSide || line < 4*width || line > 8*maxSide {
		return nil, fmt.Errorf("xwd: %d x %d pixels in lines of %d bytes", width, height, line)
	}
	begin := word(xwdHeaderSize) + xwdColorSize*word(xwdColors)
	if begin < 0 || begin > len(raw) || len(raw)-begin < line*height {
		return nil, errors.New("xwd: cut short")
	}
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		from := raw[begin+y*line:]
		to := img.Pix[y*img.Stride:]
		for x := 0; x < 4*width; x += 4 {
			to[x], to[x+1], to[x+2], to[x+3] = from[x+2], from[x+1], from[x], 0xff
		}
	}
	return img, nil
}
