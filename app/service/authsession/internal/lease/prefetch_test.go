package lease

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
)

// A prefetch stores what a read would have stored, and reads the database for
// nothing else.
func TestPrefetch(t *testing.T) {
	for name, c := range map[string]struct {
		before func(t *testing.T, m *miniredis.Miniredis, c *Cache, db *atomic.Int64)
		load   func(c *Cache, db *atomic.Int64) // while the database is read
		err    error                            // of the database
		did    Prefetched
		fails  string
		loads  int
		cached bool
	}{
		"missing": {did: Stored, loads: 1, cached: true},
		"there": {
			before: func(t *testing.T, _ *miniredis.Miniredis, c *Cache, db *atomic.Int64) { read(t, c, db) },
			did:    There, cached: true,
		},
		"of another epoch": {
			before: func(t *testing.T, m *miniredis.Miniredis, _ *Cache, _ *atomic.Int64) {
				require.NoError(t, m.Set("k", `{"cache_epoch":"other","n":7}`))
			},
			did: Stored, loads: 1, cached: true,
		},
		"a write is under way": {
			before: func(t *testing.T, _ *miniredis.Miniredis, c *Cache, _ *atomic.Int64) {
				require.Empty(t, c.Begin().Hold(t.Context(), "k"))
			},
			did: Left,
		},
		"a write begins meanwhile": {
			load: func(c *Cache, db *atomic.Int64) { change(c, func() { db.Store(2) }, "k") },
			did:  Stored, loads: 1, // it cannot know
		},
		"a release is owed": {
			before: func(_ *testing.T, _ *miniredis.Miniredis, c *Cache, _ *atomic.Int64) {
				c.owe([]string{"k"}, debt{token: "w", doubtful: true})
			},
			did: Left,
		},
		"Redis does not answer": {
			before: func(_ *testing.T, m *miniredis.Miniredis, _ *Cache, _ *atomic.Int64) { m.SetError("LOADING") },
			did:    Left, fails: "LOADING",
		},
		"the database does not answer": {err: errors.New("down"), did: Left, fails: "down", loads: 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := miniredis.RunT(t)
			b := &book{pending: map[string]bool{"k": true}}
			cache := open(t, m.Addr(), b)
			var db atomic.Int64
			db.Store(1)
			if c.before != nil {
				c.before(t, m, cache, &db)
			}
			loads := 0
			did, err := Prefetch(t.Context(), cache, "k", func(context.Context) (*value, bool, error) {
				loads++
				v := &value{N: db.Load()}
				if c.load != nil {
					c.load(cache, &db)
				}
				return v, true, c.err
			})
			if c.fails == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.fails)
			}
			require.Equal(t, []any{c.did, c.loads}, []any{did, loads})
			m.SetError("")
			text, _ := m.Get("k")
			require.Equal(t, c.cached, text == `{"cache_epoch":"","n":1}`, text)
		})
	}
}
