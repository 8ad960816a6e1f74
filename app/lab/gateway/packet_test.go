package gateway

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/gotd/td/crypto"
)

// FuzzOpen: whatever a client sends, it is refused or its fields are sound.
func FuzzOpen(f *testing.F) {
	var value crypto.Key
	_, _ = rand.Read(value[:])
	key := value.WithID()
	genuine, err := seal(&key, make([]byte, 64))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(genuine, false)
	f.Add(append(bytes.Clone(genuine), 1, 2, 3), true)
	f.Add([]byte{}, true)
	f.Add(make([]byte, 24), false)
	f.Add(make([]byte, 72), false)
	f.Fuzz(func(t *testing.T, raw []byte, padded bool) {
		if p, err := open(&key, raw, padded); err == nil && (p.sessionID == 0 || len(p.payload) < 16+minPadding) {
			t.Fatalf("opened: %+v", p)
		}
	})
}
