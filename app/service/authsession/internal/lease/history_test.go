package lease

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

func pause() { time.Sleep(rand.N(2 * time.Millisecond)) }

// scene is two nodes at work on a few keys, every step delayed at random.
type scene struct {
	t       *testing.T
	span    time.Duration
	network []*testenv.Proxy // one a node
	nodes   []*Cache
	keys    []string
	history []*testenv.History
	// write is how a node writes; Change, unless a test breaks it.
	write func(c *Cache, key string, commit func())
}

func newScene(t *testing.T, span time.Duration) *scene {
	address := os.Getenv("TEST_REDIS_ADDR")
	if address == "" {
		address = miniredis.RunT(t).Addr()
	}
	s := &scene{t: t, span: span, write: func(c *Cache, key string, commit func()) {
		_ = c.Change(context.Background(), func(hold func(...string)) error {
			hold(key)
			commit()
			return nil
		})
	}}
	for range 2 {
		p := testenv.NewProxy(t, address)
		s.network = append(s.network, p)
		s.nodes = append(s.nodes, open(t, p.Address))
	}
	for i := range 3 {
		s.keys = append(s.keys, fmt.Sprintf("history-%d-%d", time.Now().UnixNano(), i))
		s.history = append(s.history, testenv.NewHistory(len(s.nodes)))
	}
	return s
}

// play lets writers and readers run, and meanwhile whatever disturbs them, and
// returns the violations seen.
func (s *scene) play(disturb func(until time.Time)) (violations int64) {
	until := time.Now().Add(s.span)
	var wg sync.WaitGroup
	wg.Go(func() { disturb(until) })
	for i, c := range s.nodes {
		for k, key := range s.keys {
			h := s.history[k]
			wg.Go(func() {
				for time.Now().Before(until) {
					s.writeOnce(i, c, key, h)
					pause()
				}
			})
			for range 2 {
				wg.Go(func() {
					for time.Now().Before(until) {
						h.Read(i, func() int64 { return s.readOnce(c, key, h) })
					}
				})
			}
		}
	}
	wg.Wait()
	var reads, writes int64
	for _, h := range s.history {
		violations += h.Violations.Load()
		reads += h.Reads.Load()
		writes += h.Writes.Load()
	}
	s.t.Logf("%v: %d reads, %d writes, %d violations", s.span, reads, writes, violations)
	require.Positive(s.t, reads)
	require.Positive(s.t, writes)
	return violations
}

// writeOnce writes a version. While Redis cannot be told of it, it is finished
// for the readers of its own node alone.
func (s *scene) writeOnce(node int, c *Cache, key string, h *testenv.History) {
	var version int64
	s.write(c, key, func() {
		pause()
		version = h.Commit(nil)
		pause()
	})
	h.FinishedHere(node, version)
	for c.isUnclean(key) {
		time.Sleep(10 * time.Millisecond)
	}
	h.Finished(version)
}

func (s *scene) readOnce(c *Cache, key string, h *testenv.History) int64 {
	v, err := Load(context.Background(), c, "test", key, func(context.Context) (*value, bool, error) {
		pause()
		v := &value{N: h.Committed()}
		pause()
		return v, true, nil
	})
	if err != nil {
		s.t.Errorf("%v", err)
		return 0
	}
	return v.N
}

// flush forgets the keys, as a flushed Redis does.
func (s *scene) flush() {
	c := s.nodes[rand.IntN(len(s.nodes))]
	for _, key := range s.keys {
		for _, k := range keys(key) {
			_ = c.ring.Delete(context.Background(), k)
		}
	}
}

func nothing(time.Time) {}

// Readers and writers on two nodes, every step delayed at random: no read
// shows a version older than the newest whose write had ended when the read
// began. A write that only deletes afterwards is caught at it.
func TestHistory(t *testing.T) {
	t.Parallel()
	t.Run("quiet", func(t *testing.T) {
		require.Zero(t, newScene(t, testenv.SoakTime(t, 3*time.Second)).play(nothing))
	})
	t.Run("broken", func(t *testing.T) {
		s := newScene(t, 3*time.Second)
		s.write = func(c *Cache, key string, commit func()) {
			commit()
			_ = c.ring.Delete(context.Background(), key)
		}
		require.NotZero(t, s.play(nothing), "the checker sees nothing")
	})
}

// The same with a network that delays what is said to Redis, beyond the
// clients' patience at times, with connections that break, nodes that cannot
// reach Redis, and a Redis that forgets.
func TestHistoryWithFaults(t *testing.T) {
	t.Parallel()
	s := newScene(t, testenv.SoakTime(t, 6*time.Second))
	require.Zero(t, s.play(func(until time.Time) {
		for time.Now().Before(until) {
			p := s.network[rand.IntN(len(s.network))]
			switch rand.IntN(6) {
			case 0:
				s.flush()
			case 1:
				p.Cut()
				p.Mend()
			case 2: // one node is cut off
				p.Cut()
				time.Sleep(rand.N(1500 * time.Millisecond))
				p.Mend()
			case 3: // all are
				for _, p := range s.network {
					p.Cut()
				}
				time.Sleep(rand.N(time.Second))
				for _, p := range s.network {
					p.Mend()
				}
			case 4:
				p.MaxDelay.Store(int64(rand.N(3 * time.Millisecond)))
			case 5: // a command may time out, and be carried out after all
				p.MaxDelay.Store(int64(1200 * time.Millisecond))
				time.Sleep(rand.N(time.Second))
				p.MaxDelay.Store(int64(time.Millisecond))
			}
			time.Sleep(rand.N(300 * time.Millisecond))
		}
	}))
}
