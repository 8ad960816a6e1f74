// Package salts plans the server salts of a transport key: windows of 1800 s,
// one after the other, as stock stores them. A salt stays good for another
// 1800 s after its window (core.telegram.org/mtproto/description, "Server
// Salt"), so the one whose window ended last is kept and handed out too.
package salts

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
)

const (
	// Window is the life of a salt, in seconds.
	Window = 1800
	// DefaultCount is how many salts a request that names no number gets.
	DefaultCount = 32
	// MaxCount bounds a request; more is clamped.
	MaxCount = 64
	// minCount is kept in store whatever is asked: session needs two.
	minCount = 2
)

// Salt is good in [ValidSince, ValidUntil) and Window seconds longer; both in
// Unix seconds.
type Salt struct {
	ValidSince int64
	ValidUntil int64
	Value      int64
}

// Count turns what a request asks for into what it gets: 0 (and less) is 32.
func Count(num int32) int {
	if num <= 0 {
		return DefaultCount
	}
	return min(int(num), MaxCount)
}

// Plan returns the list to store and the part of it to answer with n salts:
// the last expired one, if it is still good, and the next n. Missing salts, and
// only those, are made with next. changed says whether stored differs from
// list in salts to come; list itself (ordered by time) is left alone.
func Plan(list []Salt, now int64, n int, next func() int64) (stored, answer []Salt, changed bool) {
	var last *Salt
	for i := range list {
		s := &list[i]
		switch {
		case s.ValidUntil >= now:
			stored = append(stored, *s)
		case now <= s.ValidUntil+Window && (last == nil || s.ValidUntil > last.ValidUntil):
			last = s
		}
	}
	since := now
	if len(stored) > 0 {
		since = stored[len(stored)-1].ValidUntil
	} else if last != nil {
		since = last.ValidUntil // no gap: the neighbour's window goes on
	}
	for len(stored) < max(n, minCount) {
		stored = append(stored, Salt{ValidSince: since, ValidUntil: since + Window, Value: next()})
		since += Window
		changed = true
	}
	answer = stored[:n:n]
	if last != nil {
		stored = append([]Salt{*last}, stored...)
		answer = stored[: n+1 : n+1]
	}
	return stored, answer, changed
}

// Derived is the list of n salts (and the one before) for times when no store
// is at hand: computed from the key, so that every node answers the same and a
// client keeps its salts from node to node and over restarts. The key id
// spreads the keys' window changes over time. Knowing a key's salts takes the
// key itself.
func Derived(authKey []byte, keyID, now int64, n int) []Salt {
	offset := int64(uint64(keyID) % Window)
	first := (now+offset)/Window - 1
	out := make([]Salt, 0, n+1)
	for w := first; w <= first+int64(n); w++ {
		mac := hmac.New(sha256.New, authKey)
		mac.Write([]byte("server salt"))
		_ = binary.Write(mac, binary.BigEndian, w)
		since := w*Window - offset
		out = append(out, Salt{ValidSince: since, ValidUntil: since + Window, Value: int64(binary.BigEndian.Uint64(mac.Sum(nil)))})
	}
	return out
}

// Random returns 64 bits of crypto/rand.
func Random() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process first
	return int64(binary.LittleEndian.Uint64(b[:]))
}

// stored is the JSON that stock keeps: a list of wrapped future_salt objects.
type stored struct {
	Data futureSalt `json:"data2"`
}

type futureSalt struct {
	PredicateName string `json:"predicate_name,omitempty"`
	ValidSince    int64  `json:"valid_since,omitempty"`
	ValidUntil    int64  `json:"valid_until,omitempty"`
	Salt          int64  `json:"salt,omitempty"`
}

// Marshal returns list in stock's JSON form.
func Marshal(list []Salt) string {
	out := make([]stored, len(list))
	for i, s := range list {
		out[i].Data = futureSalt{"future_salt", s.ValidSince, s.ValidUntil, s.Value}
	}
	text, err := json.Marshal(out)
	if err != nil {
		return "[]" // numbers and a constant: cannot happen
	}
	return string(text)
}

// Unmarshal reads stock's JSON form. Text that is no such list counts as an
// empty one: salts can be made anew.
func Unmarshal(text string) []Salt {
	var in []stored
	if json.Unmarshal([]byte(text), &in) != nil {
		return nil
	}
	list := make([]Salt, len(in))
	for i, s := range in {
		list[i] = Salt{s.Data.ValidSince, s.Data.ValidUntil, s.Data.Salt}
	}
	return list
}
