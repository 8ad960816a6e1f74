package dispatch

import (
	"sync"
	"time"
)

const (
	// blameFor is how far breakers look back: go-zero's window.
	blameFor = 10 * time.Second
	// mostBlamed bounds what is remembered: the oldest half is forgotten beyond.
	mostBlamed = 1 << 13
)

// blame says which faults count towards a breaker: of one method and one key one in
// blameFor. A fault may be the doing of whoever called, by a request that is slow to
// serve or makes the BFF panic, and a breaker is everybody's: if all of them counted,
// one client could close a method for all. A BFF that is ill fails many keys.
type blame struct {
	mu     sync.Mutex
	since  time.Time            // when at was begun
	at     map[blamed]time.Time // what counted since
	before map[blamed]time.Time // and what counted before, as long as it matters
}

type blamed struct {
	path string
	key  int64
}

// counts reports whether a fault of now counts.
func (b *blame) counts(path string, key int64, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	who := blamed{path, key}
	for _, known := range [2]map[blamed]time.Time{b.at, b.before} {
		if at, ok := known[who]; ok && now.Sub(at) < blameFor {
			return false
		}
	}
	if len(b.at) >= mostBlamed || now.Sub(b.since) >= blameFor {
		b.at, b.before, b.since = map[blamed]time.Time{}, b.at, now
	}
	b.at[who] = now
	return true
}
