package lease

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strings"
	"time"
)

func newToken(kind byte) string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return string(kind) + hex.EncodeToString(b[:])
}

func hitLabel(text string) string {
	if text == notFound {
		return "hit-not-found"
	}
	return "hit"
}

// TextReader is a value that reads its JSON itself, which encoding/json takes several
// times as long for.
type TextReader interface {
	// ReadText takes the members of text into the zero value; false: it does not
	// know how, and has left something in between.
	ReadText(text string) bool
}

// decode returns nil for the not-found mark; ok is false for unreadable text.
func decode[T any](text string) (value *T, ok bool) {
	if text == notFound {
		return nil, true
	}
	value = new(T)
	if r, ok := any(value).(TextReader); ok {
		if r.ReadText(text) {
			return value, true
		}
		value = new(T)
	}
	if json.Unmarshal([]byte(text), value) != nil {
		return nil, false
	}
	return value, true
}

// encode returns what follows the epoch in a value's JSON object; empty for nil.
// HTML is not escaped, as stock writes it.
func encode(value any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil {
		return ""
	}
	text := strings.TrimSuffix(b.String(), "\n")
	if text == "{}" {
		return "}"
	}
	if members, object := strings.CutPrefix(text, "{"); object {
		return "," + members
	}
	return ""
}

// around returns d ±5 %, so that values stored together do not end together.
func around(d time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(d)/10))
	if err != nil {
		return d
	}
	return d - d/20 + time.Duration(n.Int64())
}
