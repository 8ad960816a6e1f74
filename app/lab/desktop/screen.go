package desktop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/lab/pause"
)

// Size of the screen, which the window of Desktop fills but for a margin.
const (
	screenWidth  = 900
	screenHeight = 700
)

const (
	// stillFor is for how long a screen shows the same when it is still.
	stillFor = 400 * time.Millisecond
	// blink is the share of pixels that may change on a still screen: a text
	// cursor.
	blink = 0.001
	// typing is the pause between two keys, in milliseconds.
	typing = "40"
)

// screen is a virtual X display and a hand in front of it.
type screen struct {
	display string
	buffer  string // the file that Xvfb draws into
	server  *exec.Cmd
}

// openScreen starts Xvfb, with its files in dir.
func openScreen(ctx context.Context, dir string) (*screen, error) {
	s := &screen{buffer: filepath.Join(dir, "Xvfb_screen0")}
	number, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer number.Close()
	// -displayfd takes the first free display and tells its number.
	s.server = exec.CommandContext(ctx, "Xvfb", "-displayfd", "3", "-fbdir", dir, "-nolisten", "tcp",
		"-screen", "0", fmt.Sprintf("%dx%dx24", screenWidth, screenHeight))
	s.server.ExtraFiles = []*os.File{write}
	err = s.server.Start()
	_ = write.Close()
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(number).ReadString('\n') // ends when Xvfb does
	if err != nil {
		s.close()
		return nil, fmt.Errorf("no start of Xvfb: %w", err)
	}
	s.display = ":" + strings.TrimSpace(line)
	return s, nil
}

func (s *screen) close() {
	_ = s.server.Process.Signal(os.Interrupt)
	_ = s.server.Wait()
}

// hand runs xdotool.
func (s *screen) hand(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "xdotool", args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+s.display)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("xdotool %s: %w: %s", args[0], err, out)
	}
	return nil
}

func (s *screen) click(ctx context.Context, at image.Point) error {
	return s.hand(ctx, "mousemove", strconv.Itoa(at.X), strconv.Itoa(at.Y), "click", "1")
}

// enter types a text and the return key.
func (s *screen) enter(ctx context.Context, text string) error {
	if err := s.hand(ctx, "type", "--delay", typing, text); err != nil {
		return err
	}
	return s.hand(ctx, "key", "Return")
}

// look returns what the screen shows.
func (s *screen) look() (*image.RGBA, error) {
	raw, err := os.ReadFile(s.buffer)
	if err != nil {
		return nil, err
	}
	return decodeXWD(raw)
}

// save writes what the screen shows to a PNG file, without the bare screen
// around it. Colours lose their two lowest bits, which nobody sees and which are
// half of a file that shows a wallpaper.
func (s *screen) save(file string) error {
	shown, err := s.look()
	if err != nil {
		return err
	}
	return write(file, shown)
}

// write is save for a screen that was looked at. It changes shown.
func write(file string, shown *image.RGBA) error {
	for i := range shown.Pix {
		if i%4 != 3 {
			shown.Pix[i] &^= 3
		}
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	return errors.Join(encoder.Encode(out, shown.SubImage(drawn(shown))), out.Close())
}

// drawn is the part of a screen that is not black.
func drawn(img *image.RGBA) (part image.Rectangle) {
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			if at := img.Pix[img.PixOffset(x, y):]; [3]byte(at) != [3]byte{} {
				part = part.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return part
}

// still waits until the screen shows something and keeps it, and returns it.
func (s *screen) still(ctx context.Context) (*image.RGBA, error) {
	var last *image.RGBA
	for {
		shown, err := s.look()
		if err != nil {
			return nil, err
		}
		if last != nil && difference(last, shown) < blink && !empty(shown) {
			return shown, nil
		}
		last = shown
		if err := pause.For(ctx, stillFor); err != nil {
			return nil, fmt.Errorf("the screen does not come to rest: %w", err)
		}
	}
}

// difference is the share of pixels in which two screens differ.
func difference(a, b *image.RGBA) float64 {
	n := 0
	for i := 0; i < len(a.Pix); i += 4 {
		if [4]byte(a.Pix[i:]) != [4]byte(b.Pix[i:]) {
			n++
		}
	}
	return float64(n) / float64(len(a.Pix)/4)
}

// empty tells whether all pixels are the same, but for so few that they are the
// pointer's alone: it is there before any window is.
func empty(img *image.RGBA) bool {
	other := 0
	for i := 4; i < len(img.Pix); i += 4 {
		if [4]byte(img.Pix[i:]) != [4]byte(img.Pix) {
			other++
		}
	}
	return float64(other) < blink*float64(len(img.Pix)/4)
}
