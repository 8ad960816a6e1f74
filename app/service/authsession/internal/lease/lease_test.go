package lease

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/syncx"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

type value struct {
	N int64 `json:"n"`
}

// open returns a cache of its own on the Redis at address: a node.
func open(t testing.TB, address string, b *book) *Cache {
	ring := redisring.New(redisconf.Nodes{{Host: address, Type: redisconf.TypeNode, Weight: 100}})
	c := New(ring, b, b.late)
	t.Cleanup(func() {
		c.Close()
		ring.Close()
	})
	return c
}

func read(t testing.TB, c *Cache, n *atomic.Int64) *value {
	t.Helper()
	v, err := Load(t.Context(), c, "test", "k", func(context.Context) (*value, bool, error) {
		if n.Load() == 0 {
			return nil, true, nil
		}
		return &value{N: n.Load()}, true, nil
	})
	require.NoError(t, err)
	return v
}

// A failed read is an error, and nothing is remembered of it: stock caches it
// as "nobody is logged in" for a week.
func TestWeakness59FailedReadIsNotCached(t *testing.T) {
	m := miniredis.RunT(t)
	c := open(t, m.Addr(), &book{})
	_, err := Load(t.Context(), c, "test", "k", func(context.Context) (*value, bool, error) { return nil, false, errors.New("down") })
	require.EqualError(t, err, "down")
	require.False(t, m.Exists("k"))
	var db atomic.Int64
	db.Store(1)
	require.EqualValues(t, 1, read(t, c, &db).N)
}

// The refill race: a read of the database before a write, its store after the
// write's end. Each case lets something happen in between.
func TestWeakness61DelayedReadDoesNotBringBackTheOldState(t *testing.T) {
	for name, between := range map[string]func(m *miniredis.Miniredis, write func()){
		"one write":             func(_ *miniredis.Miniredis, write func()) { write() },
		"flushed, then a write": func(m *miniredis.Miniredis, write func()) { m.FlushAll(); write() },
		"a write, then flushed": func(m *miniredis.Miniredis, write func()) { write(); m.FlushAll() },
		"written without hold": func(m *miniredis.Miniredis, write func()) { // Redis was away when the write began
			m.SetError("LOADING")
			write()
			m.SetError("")
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := miniredis.RunT(t)
			b := &book{}
			one, two := open(t, m.Addr(), b), open(t, m.Addr(), b)
			var db atomic.Int64
			db.Store(1)
			loaded, goOn := make(chan struct{}), make(chan struct{})
			done := make(chan error, 1)
			go func() {
				_, err := Load(context.Background(), one, "test", "k", func(context.Context) (*value, bool, error) {
					v := &value{N: db.Load()}
					close(loaded)
					<-goOn
					return v, true, nil
				})
				done <- err
			}()
			<-loaded
			between(m, func() {
				change(two, func() { db.Store(2) }, "k")
			})
			require.EqualValues(t, 2, read(t, two, &db).N)
			if name == "written without hold" {
				require.Eventually(t, func() bool { return !two.owes("k") }, time.Minute, 10*time.Millisecond)
			}
			close(goOn)
			require.NoError(t, <-done)
			require.EqualValues(t, 2, read(t, one, &db).N)
			require.EqualValues(t, 2, read(t, two, &db).N)
		})
	}
}

func TestAFailedWriteReleasesItsKeys(t *testing.T) {
	m := miniredis.RunT(t)
	c := open(t, m.Addr(), &book{})
	w := c.Begin()
	require.Empty(t, w.Hold(t.Context(), "k"))
	require.True(t, m.Exists("guard{k}"))
	w.End(t.Context(), Undone)
	require.False(t, m.Exists("guard{k}"))
}

// The hold of a writer that died ends by itself, and till then nothing is
// stored.
func TestADeadWritersHoldRunsOut(t *testing.T) {
	m := miniredis.RunT(t)
	c := open(t, m.Addr(), &book{})
	require.NoError(t, m.Set("guard{k}", "wdead"))
	m.SetTTL("guard{k}", tokenLife)
	var db atomic.Int64
	db.Store(1)
	require.EqualValues(t, 1, read(t, c, &db).N)
	require.False(t, m.Exists("k"))
	m.FastForward(tokenLife + time.Second)
	require.EqualValues(t, 1, read(t, c, &db).N)
	require.True(t, m.Exists("k"))
}

// Redis goes away and comes back with its old values: what was written in
// between is not forgotten.
func TestRedisOutage(t *testing.T) {
	m := miniredis.RunT(t)
	c := open(t, m.Addr(), &book{})
	var db atomic.Int64
	db.Store(1)
	require.EqualValues(t, 1, read(t, c, &db).N)
	m.SetError("ERR away")
	for range 2 * 3 {
		require.EqualValues(t, 1, read(t, c, &db).N, "reads go on")
	}
	change(c, func() { db.Store(2) }, "k")
	require.EqualValues(t, 2, read(t, c, &db).N)
	m.SetError("")
	require.EqualValues(t, 2, read(t, c, &db).N, "the old value is not asked for")
	require.Eventually(t, func() bool { return !c.owes("k") }, time.Minute, 10*time.Millisecond)
	require.EqualValues(t, 2, read(t, c, &db).N)
	got, err := m.Get("k")
	require.NoError(t, err)
	require.Equal(t, `{"cache_epoch":"","n":2}`, got)
}

// Whoever misses a key before it is filled gets the token of the first, by which they
// find one another.
func TestConcurrentMissesGetOneToken(t *testing.T) {
	m := miniredis.RunT(t)
	c := open(t, m.Addr(), &book{})
	first, _, err := c.askFor(t.Context(), "k", "")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(first, "r"), first)
	second, _, err := c.askFor(t.Context(), "k", "")
	require.NoError(t, err)
	require.Equal(t, first, second)
}

// Readers that come with one token while one of them reads the database get what it reads.
func TestConcurrentMissesReadTheDatabaseOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Cache{flights: syncx.NewSingleFlight()}
		loads, release := 0, make(chan struct{})
		load := func(context.Context) (*value, bool, error) {
			loads++
			<-release
			return &value{N: 1}, false, nil
		}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				v, err := missed(t.Context(), c, "k", "r1", load)
				if err != nil || v.N != 1 {
					t.Errorf("%v %v", v, err)
				}
			})
		}
		synctest.Wait() // all of them wait for what one reads
		close(release)
		wg.Wait()
		require.Equal(t, 1, loads)
	})
}
