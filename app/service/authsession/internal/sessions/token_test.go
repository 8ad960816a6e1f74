package sessions

import (
	"errors"
	"testing"
)

// A page token is one that was given out for this list, or refused: it never
// leads to another place than it says, and no text breaks its reader.
func FuzzPageToken(f *testing.F) {
	mine, other := Filter{UserID: 777, DeviceType: "ios"}, Filter{UserID: 778, DeviceType: "ios"}
	f.Add(mine.token(1), int64(1))
	f.Add(other.token(5), int64(1<<63-1))
	f.Add("", int64(0))
	f.Add("AAAA-_==", int64(-5))
	f.Fuzz(func(t *testing.T, text string, before int64) {
		at, err := mine.position(text)
		switch {
		case err != nil && !errors.Is(err, ErrBadToken):
			t.Fatal(err)
		case err == nil && text != "" && at <= 0:
			t.Fatalf("%q leads to %d", text, at)
		}
		if before <= 0 {
			return
		}
		if at, err = mine.position(mine.token(before)); err != nil || at != before {
			t.Fatalf("%d comes back as %d, %v", before, at, err)
		}
		if _, err = other.position(mine.token(before)); err == nil {
			t.Fatal("the token of another list is taken")
		}
	})
}
