package sessions

import (
	"errors"
	"testing"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
)

// A page token is one that was given out for this list, or refused: it never
// leads to another place than it says, and no text breaks its reader.
func FuzzPageToken(f *testing.F) {
	mine, other := Filter{UserID: 777, DeviceType: "ios"}, Filter{UserID: 778, DeviceType: "ios"}
	f.Add(mine.token(&dao.Position{ID: 1}), int64(1), int64(-1))
	f.Add(other.token(&dao.Position{SignedIn: 5, ID: 5}), int64(1<<63-1), int64(7))
	f.Add("", int64(0), int64(0))
	f.Add("AAAA-_==", int64(-5), int64(5))
	f.Fuzz(func(t *testing.T, text string, signedIn, id int64) {
		at, err := mine.position(text)
		switch {
		case err != nil && !errors.Is(err, ErrBadToken):
			t.Fatal(err)
		case err == nil && (at.SignedIn < 0 || at.ID == 0):
			t.Fatalf("%q leads to %v", text, at)
		}
		if signedIn < 0 || id == 0 {
			return
		}
		after := dao.Position{SignedIn: signedIn, ID: id}
		if at, err = mine.position(mine.token(&after)); err != nil || at != after {
			t.Fatalf("%v comes back as %v, %v", after, at, err)
		}
		if _, err = other.position(mine.token(&after)); err == nil {
			t.Fatal("the token of another list is taken")
		}
	})
}
