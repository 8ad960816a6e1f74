// Package keyseal gives the bodies of auth keys the form in which they are
// stored: encrypted, when there is a key for it, else as a stock install has
// them.
//
//	plain    base64 of the 256 bytes, without padding           342 characters
//	sealed   "v1." + id of the sealing key + "." + base64 of
//	         nonce (12), ciphertext (256) and tag (16)          391 characters
//
// The cipher is AES-256-GCM with random nonces, and the auth key's id is its
// additional data: a body that was moved to another row does not open. The dot
// is no base64 digit, so that the forms cannot be mistaken for each other.
package keyseal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// KeySize is that of a sealing key, in bytes.
const KeySize = 32

const version = "v1."

// Errors of Open. None shows anything of what it is about.
var (
	ErrNoKey   = errors.New("encrypted with a key that KeyEncryption does not name")
	ErrAltered = errors.New("encrypted, and not as it was written")
	ErrPlain   = errors.New("not base64")
)

// Sealer seals with one key and opens what any of its keys has sealed, and
// what is plain. A nil Sealer knows no key. It never changes and may be used
// from any goroutine.
type Sealer struct {
	id   string // of the key to seal with; empty: bodies are stored plain
	keys map[string]cipher.AEAD
}

// New returns a Sealer that seals with current and opens with either; each is
// KeySize bytes or nil. Without current, bodies are stored plain: so it is
// while nodes get the key one after another, and when encryption is given up.
func New(current, previous []byte) (*Sealer, error) {
	s := &Sealer{keys: map[string]cipher.AEAD{}}
	for _, key := range [][]byte{previous, current} {
		s.id = ""
		if key == nil {
			continue
		}
		if len(key) != KeySize {
			return nil, fmt.Errorf("a key of %d bytes, not %d", len(key), KeySize)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		s.id = keyID(key)
		if s.keys[s.id] != nil {
			return nil, errors.New("the same key twice")
		}
		s.keys[s.id] = aead
	}
	return s, nil
}

// keyID names a key without telling anything of it.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("authsession key encryption\x00"), key...))
	return hex.EncodeToString(sum[:4])
}

// Seals reports whether bodies are stored encrypted.
func (s *Sealer) Seals() bool { return s != nil && s.id != "" }

// Current reports whether a stored text has the form that Seal gives.
func (s *Sealer) Current(text string) bool {
	if s.Seals() {
		return strings.HasPrefix(text, version+s.id+".")
	}
	return !strings.HasPrefix(text, version)
}

// Seal returns the text to store for the body of the auth key with the given
// id.
func (s *Sealer) Seal(id int64, body []byte) string {
	if !s.Seals() {
		return base64.RawStdEncoding.EncodeToString(body)
	}
	return version + s.id + "." + base64.RawStdEncoding.EncodeToString(s.keys[s.id].Seal(nil, nil, body, data(id)))
}

// Open returns the body that a stored text holds.
func (s *Sealer) Open(id int64, text string) ([]byte, error) {
	rest, sealed := strings.CutPrefix(text, version)
	if !sealed {
		body, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		if err != nil {
			return nil, ErrPlain
		}
		return body, nil
	}
	name, rest, _ := strings.Cut(rest, ".")
	if s == nil || s.keys[name] == nil {
		return nil, ErrNoKey
	}
	raw, err := base64.RawStdEncoding.DecodeString(rest)
	if err != nil {
		return nil, ErrAltered
	}
	body, err := s.keys[name].Open(nil, nil, raw, data(id))
	if err != nil {
		return nil, ErrAltered
	}
	return body, nil
}

func data(id int64) []byte { return binary.LittleEndian.AppendUint64([]byte(version), uint64(id)) }
