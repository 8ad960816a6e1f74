package tlcmd

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"unicode"
)

// maxInput bounds what decode reads and what it unpacks.
const maxInput = 10 << 20

// parseBytes reads hex (spaces, line breaks, 0x and colons between bytes allowed) or base64 of either alphabet.
func parseBytes(text string) ([]byte, error) {
	compact := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
	if compact == "" {
		return nil, errors.New("no input")
	}
	digits := strings.NewReplacer("0x", "", ":", "", ",", "").Replace(compact)
	if b, err := hex.DecodeString(digits); err == nil {
		return b, nil
	}
	compact = strings.TrimRight(compact, "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := enc.DecodeString(compact); err == nil {
			return b, nil
		}
	}
	return nil, errors.New("input is neither hex nor base64")
}
