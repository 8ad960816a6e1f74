package lease

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

func pause() { time.Sleep(rand.N(2 * time.Millisecond)) }

// scene is two nodes at work on a few keys, every step delayed at random.
type scene struct {
	t       *testing.T
	span    time.Duration
	network []*tcpproxy.Proxy // one a node
	nodes   []*Cache
	keys    []string
	history []*testenv.History
	// write is how a node writes; as it should, unless a test breaks it.
	write func(c *Cache, key string, commit func())
	// still is held by writers while they write.
	still sync.RWMutex
}

func newScene(t *testing.T, address string, span time.Duration) *scene {
	s := &scene{t: t, span: span, write: func(c *Cache, key string, commit func()) { change(c, commit, key) }}
	b := &book{}
	for range 2 {
		p := tcpproxy.Start(t, address)
		s.network = append(s.network, p)
		s.nodes = append(s.nodes, open(t, p.Addr(), b))
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
					s.writeOnce(c, key, h)
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

// writeOnce writes a version. It is finished for all nodes when the write has ended.
func (s *scene) writeOnce(c *Cache, key string, h *testenv.History) {
	s.still.RLock()
	defer s.still.RUnlock()
	var version int64
	s.write(c, key, func() {
		pause()
		version = h.Commit(nil)
		pause()
	})
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
		_ = c.ring.Delete(context.Background(), key, guard(key))
	}
}

func nothing(time.Time) {}

// Readers and writers on two nodes, every step delayed at random: no read
// shows a version older than the newest whose write had ended when the read
// began. A write that only deletes afterwards is caught at it.
func TestHistory(t *testing.T) {
	t.Parallel()
	redis := testenv.Variable(t, "TEST_REDIS_ADDR")
	t.Run("quiet", func(t *testing.T) {
		require.Zero(t, newScene(t, redis, testenv.SoakTime(t, 3*time.Second)).play(nothing))
	})
	t.Run("broken", func(t *testing.T) {
		s := newScene(t, redis, 3*time.Second)
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
	s := newScene(t, testenv.Variable(t, "TEST_REDIS_ADDR"), testenv.SoakTime(t, 6*time.Second))
	require.Zero(t, s.play(func(until time.Time) {
		for time.Now().Before(until) {
			p := s.network[rand.IntN(len(s.network))]
			switch rand.IntN(6) {
			case 0:
				s.flush()
			case 1:
				p.Cut()
				p.Restore()
			case 2: // one node is cut off
				p.Cut()
				time.Sleep(rand.N(1500 * time.Millisecond))
				p.Restore()
			case 3: // all are
				for _, p := range s.network {
					p.Cut()
				}
				time.Sleep(rand.N(time.Second))
				for _, p := range s.network {
					p.Restore()
				}
			case 4:
				p.Jitter(rand.N(3 * time.Millisecond))
			case 5: // a command may time out, and be carried out after all
				p.Jitter(1200 * time.Millisecond)
				time.Sleep(rand.N(time.Second))
				p.Jitter(time.Millisecond)
			}
			time.Sleep(rand.N(300 * time.Millisecond))
		}
	}))
}

// answered waits until every node takes what Redis says again.
func (s *scene) answered() {
	for _, c := range s.nodes {
		require.Eventually(s.t, func() bool {
			_, _, err := c.askFor(context.Background(), "history-answer", "")
			return err == nil
		}, 30*time.Second, 5*time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // for what is read meanwhile
}

// Redis dies and comes back from a dump that lacks the last writes: what it has
// from before is not believed.
func TestHistoryWithARestartFromADump(t *testing.T) {
	t.Parallel()
	redis := testenv.StartRedis(t)
	s := newScene(t, redis.Address, testenv.SoakTime(t, 5*time.Second))
	require.Zero(t, s.play(func(until time.Time) {
		for time.Now().Before(until) {
			s.still.Lock()
			time.Sleep(20 * time.Millisecond) // for readers to store what there is
			redis.Do("SAVE")
			s.still.Unlock()
			time.Sleep(rand.N(100 * time.Millisecond))
			s.still.Lock()
			redis.Kill()
			redis.Start()
			s.answered()
			s.still.Unlock()
		}
	}))
}

// A replica becomes the primary without the last writes, and the old primary its
// replica, again and again.
func TestHistoryWithAPromotionThatLosesWrites(t *testing.T) {
	t.Parallel()
	primary, replica := testenv.StartRedis(t), testenv.StartRedis(t)
	s := newScene(t, primary.Address, testenv.SoakTime(t, 5*time.Second))
	require.Zero(t, s.play(func(until time.Time) {
		for time.Now().Before(until) {
			replica.Follow(primary)
			time.Sleep(rand.N(50 * time.Millisecond))
			replica.Do("REPLICAOF", "NO", "ONE")
			time.Sleep(rand.N(50 * time.Millisecond)) // the primary takes what will be lost
			s.still.Lock()
			for _, p := range s.network {
				p.Lead(replica.Address)
			}
			s.answered()
			s.still.Unlock()
			primary, replica = replica, primary
		}
	}))
}
