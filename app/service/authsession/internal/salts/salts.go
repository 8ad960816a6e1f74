// Package salts plans the server salts of a transport key: windows one after
// the other, of 1800 s each as stock stores them, or of as many as the
// configuration says (Salts.Life). A salt stays good for another 1800 s after
// its window (core.telegram.org/mtproto/description, "Server Salt"), and session
// tells clients so: those that are still good are kept and handed out too.
package salts

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
)

const (
	// Window is the life of a salt in a stock install, in seconds.
	Window = 1800
	// MinWindow is the shortest life that may be configured, in seconds: a
	// client needs a round trip to learn of a new salt before it changes.
	MinWindow = 10
	// Grace is how long a salt stays good after its window, in seconds,
	// however short that was.
	Grace = 1800
	// DefaultCount is how many salts a request that names no number gets.
	DefaultCount = 32
	// MaxCount bounds a request; more is clamped.
	MaxCount = 64
	// maxPassed bounds how many salts are kept after their windows: with windows
	// so short that more of them fit into Grace, the oldest give way.
	maxPassed = MaxCount
	// minCount is kept in store whatever is asked: session needs two.
	minCount = 2
)

// Salt is good in [ValidSince, ValidUntil) and Grace seconds longer; both in
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
// those whose windows have passed but that are still good, and the next n.
// Missing salts, and only those, are made with next, each with a window of so
// many seconds; none is made for windows that passed while nobody asked. changed
// says whether stored differs from list in salts to come; list itself (ordered by
// time) is left alone, so a list from before the window was configured anew is
// used up as it is.
func Plan(list []Salt, now, window int64, n int, next func() int64) (stored, answer []Salt, changed bool) {
	passed := 0
	for _, s := range list {
		if s.ValidUntil+Grace < now {
			continue
		}
		stored = append(stored, s)
		if s.ValidUntil < now {
			passed++
		}
	}
	if more := passed - maxPassed; more > 0 {
		stored, passed = stored[more:], maxPassed
	}
	since := now
	if len(stored) > 0 && stored[len(stored)-1].ValidUntil+window >= now {
		since = stored[len(stored)-1].ValidUntil // no gap: the neighbour's window goes on
	}
	for len(stored) < passed+max(n, minCount) {
		stored = append(stored, Salt{ValidSince: since, ValidUntil: since + window, Value: next()})
		since += window
		changed = true
	}
	return stored, stored[: passed+n : passed+n], changed
}

// Derived is the list of n salts (and those before that are still good) for times
// when no store is at hand: computed from the key, so that every node answers the
// same and a client keeps its salts from node to node and over restarts. The key id
// spreads the keys' window changes over time. Knowing a key's salts takes the key
// itself.
func Derived(authKey []byte, keyID, now, window int64, n int) []Salt {
	offset := int64(uint64(keyID) % uint64(window))
	current := (now + offset) / window
	passed := min(max(Grace/window, 1), maxPassed)
	out := make([]Salt, 0, passed+int64(n))
	for w := current - passed; w < current+int64(n); w++ {
		mac := hmac.New(sha256.New, authKey)
		mac.Write([]byte("server salt"))
		_ = binary.Write(mac, binary.BigEndian, w)
		since := w*window - offset
		out = append(out, Salt{ValidSince: since, ValidUntil: since + window, Value: int64(binary.BigEndian.Uint64(mac.Sum(nil)))})
	}
	return out
}

// First is the salt that a key exchange ended with as it is to be stored.
// Gateways say that it is good for the stock window; where salts are configured
// to live shorter it does, too, or the first change would come as late as ever.
func First(s Salt, window int64) Salt {
	if window < Window {
		s.ValidUntil = min(s.ValidUntil, s.ValidSince+window)
	}
	return s
}

// Life is for how many seconds a list is kept in store: as long as stock
// would, and no shorter than a salt stays good.
func Life(list []Salt, window int64) int64 { return max(int64(len(list))*window, Grace) }

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
