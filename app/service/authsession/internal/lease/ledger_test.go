package lease

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// book is a ledger beside the tests' database, which is a number.
type book struct {
	mu       sync.Mutex
	last     int64
	entries  []Entry
	pending  map[string]bool // keys of writes that have not been decided
	down     bool
	locked   bool     // who asks for what is not decided waits for it
	released []string // what caches said they had released late

	listing, forgetting func() // what happens before an answer
}

var errDown = errors.New("the database is down")

func (b *book) Remember(ctx context.Context, keys []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return errDown
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, key := range keys {
		b.last++
		b.entries = append(b.entries, Entry{ID: b.last, Key: key, Since: time.Now()})
	}
	return nil
}

func (b *book) Listed(_ context.Context, limit int) ([]Entry, error) {
	b.mu.Lock()
	listing := b.listing
	b.listing = nil
	if b.down {
		b.mu.Unlock()
		return nil, errDown
	}
	entries := slices.Clone(b.entries[:min(limit, len(b.entries))])
	b.mu.Unlock()
	if listing != nil {
		listing()
	}
	return entries, nil
}

// onListed has f run once, after the next look and before its answer.
func (b *book) onListed(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listing = f
}

// onForget has f run before entries are removed.
func (b *book) onForget(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetting = f
}

func (b *book) Forget(_ context.Context, ids []int64) error {
	b.mu.Lock()
	forgetting := b.forgetting
	b.mu.Unlock()
	if forgetting != nil {
		forgetting()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = slices.DeleteFunc(b.entries, func(e Entry) bool { return slices.Contains(ids, e.ID) })
	return nil
}

func (b *book) Settled(ctx context.Context, keys []string) (settled []string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range keys {
		if !b.pending[key] {
			settled = append(settled, key)
		}
	}
	if b.locked && len(settled) < len(keys) {
		b.mu.Unlock()
		<-ctx.Done()
		b.mu.Lock()
		return settled, ctx.Err()
	}
	return settled, nil
}

func (b *book) late(keys []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released = append(b.released, keys...)
}

// told reports whether a cache has said that it released key late, which it says after
// it has forgotten what it owed.
func (b *book) told(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.released, key)
}

func (b *book) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.entries)
}

// doubt notes that a write of keys is not decided, or that it is now.
func (b *book) doubt(pending bool, keys ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = map[string]bool{}
	for _, key := range keys {
		b.pending[key] = pending
	}
}

func (b *book) set(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

// change is a write of one node: what Redis could not be told of is remembered
// with it.
func change(c *Cache, commit func(), keys ...string) {
	w := c.Begin()
	missed := w.Hold(context.Background(), keys...)
	commit()
	_ = c.ledger.Remember(context.Background(), missed)
	w.End(context.Background(), Written)
}
