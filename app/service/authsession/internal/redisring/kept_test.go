package redisring

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// watch is a clock that a test sets.
type watch struct{ past atomic.Int64 }

var start = time.Now()

func (w *watch) now() time.Time       { return start.Add(time.Duration(w.past.Load())) }
func (w *watch) pass(d time.Duration) { w.past.Add(int64(d)) }

// stopped has the looks of a ring of one node go by a clock that stands still.
func stopped(r *Ring) *watch {
	w := &watch{}
	r.nodes[0].kept.now = w.now
	return w
}

// asked is how often a command was sent to m since CONFIG RESETSTAT.
func asked(t *testing.T, m *testenv.Redis, command string) int {
	found := regexp.MustCompile("cmdstat_" + command + `:calls=(\d+)`).FindStringSubmatch(m.Do("INFO", "commandstats").(string))
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

// heldBy is how many connections are kept, and how many of them wait for a look.
func heldBy(r *Ring) (held, free int) {
	k := r.nodes[0].kept
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held, len(k.free)
}

// INFO is asked once in a tenth of a second on each connection, however many looks there
// are, and each look tells what it said.
func TestInfoIsAskedOnceInATenthOfASecond(t *testing.T) {
	m := testenv.StartRedis(t)
	m.Do("SET", "k", "v")
	origin := originOf(t, m)
	for _, tc := range []struct {
		name        string
		looks       int
		every       time.Duration
		infos, held int
	}{
		{"one", 1, 0, 1, 1},
		{"all at one moment", 50, 0, 1, 1},
		{"one each millisecond", 100, time.Millisecond, 1, 1},
		{"and a tenth of a second later", 101, time.Millisecond, 2, 1},
		{"ten in a second", 10, recent, 10, 1},
		{"a bit more than ten", 10, recent - 1, 5, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := open(t, m.Address)
			w := stopped(r)
			r.Look(t.Context(), "k") // for the connection
			w.pass(time.Hour)
			m.Do("CONFIG", "RESETSTAT")
			for range tc.looks {
				s := r.Look(t.Context(), "k", "none")
				require.Equal(t, []Sight{{Key: "k", Value: "v", Origin: origin}, {Key: "none", Origin: origin}}, s)
				w.pass(tc.every)
			}
			require.Equal(t, tc.infos, asked(t, m, "info"))
			require.Equal(t, 2*tc.looks, asked(t, m, "getex"))
			held, free := heldBy(r)
			require.Equal(t, tc.held, held)
			require.Equal(t, tc.held, free)
		})
	}
}

// An answer that was long on its way may be of another life of Redis than INFO was: both
// are asked again.
func TestAnAnswerThatComesLateIsAskedForWithInfo(t *testing.T) {
	m := testenv.StartRedis(t)
	network := tcpproxy.Start(t, m.Address)
	m.Do("SET", "k", "v")
	r := open(t, network.Addr())
	w := stopped(r)
	before := r.Look(t.Context(), "k")[0]
	m.Do("CONFIG", "RESETSTAT")
	var late sync.Once
	network.Stall(func([]byte) time.Duration {
		late.Do(func() {
			m.Follow(testenv.StartRedis(t))
			m.Do("REPLICAOF", "NO", "ONE")
			m.Do("SET", "k", "w")
			w.pass(recent)
		})
		return 0
	})
	s := r.Look(t.Context(), "k")[0]
	require.Equal(t, Sight{Key: "k", Value: "w", Origin: originOf(t, m)}, s)
	require.NotEqual(t, before.Origin, s.Origin)
	require.Equal(t, 2, asked(t, m, "getex"))
}

// What was said on a connection is not believed any more once Redis has refused a write
// on it, or has closed it; and no look fails because it was closed.
func TestWhatInfoSaidEndsWithThePrimary(t *testing.T) {
	for name, tc := range map[string]struct {
		change  func(t *testing.T, m *testenv.Redis)
		refused string
		same    bool // it goes on being the primary that it was
	}{
		"a restart":           {change: func(_ *testing.T, m *testenv.Redis) { m.Kill(); m.Start() }},
		"a connection closed": {change: func(_ *testing.T, m *testenv.Redis) { m.Do("CLIENT", "KILL", "TYPE", "normal") }, same: true},
		"a replica":           {change: func(t *testing.T, m *testenv.Redis) { m.Follow(testenv.StartRedis(t)) }, refused: "READONLY"},
		"too few replicas":    {change: func(_ *testing.T, m *testenv.Redis) { m.Do("CONFIG", "SET", "min-replicas-to-write", "1") }, refused: "NOREPLICAS", same: true},
		"a replica, and its primary's end, by a sentinel": {change: func(t *testing.T, m *testenv.Redis) {
			m.Follow(testenv.StartRedis(t))
			m.Do("CLIENT", "KILL", "TYPE", "normal")
			m.Do("REPLICAOF", "NO", "ONE")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := testenv.StartRedis(t)
			r := open(t, m.Address)
			stopped(r)
			const at = 5
			var wg sync.WaitGroup
			for range at { // some connections
				c := r.nodes[0].kept.take()
				wg.Go(func() {
					c.origin, _, _ = lookWith(t.Context(), c.conn.Pipeline(), []*Sight{{Key: "k"}})
					c.asked = r.nodes[0].kept.now()
					r.nodes[0].kept.put(c)
				})
			}
			wg.Wait()
			before := r.Look(t.Context(), "k")[0]
			require.Equal(t, originOf(t, m), before.Origin)
			held, free := heldBy(r)
			require.Equal(t, []int{at, at}, []int{held, free})
			tc.change(t, m)
			if tc.refused != "" {
				for range at {
					require.ErrorContains(t, r.Look(t.Context(), "k")[0].Err, tc.refused)
				}
				m.Do("REPLICAOF", "NO", "ONE")
				m.Do("CONFIG", "SET", "min-replicas-to-write", "0")
			}
			for range 2 * at {
				require.Equal(t, Sight{Key: "k", Origin: originOf(t, m)}, r.Look(t.Context(), "k")[0])
				require.Zero(t, r.nodes[0].failures.Load())
			}
			require.Equal(t, tc.same, originOf(t, m) == before.Origin)
		})
	}
}

// INFO is as old as its question: Redis may have answered it at once.
func TestInfoIsAsOldAsItsQuestion(t *testing.T) {
	m := testenv.StartRedis(t)
	network := tcpproxy.Start(t, m.Address)
	r := open(t, network.Addr())
	w := stopped(r)
	r.Look(t.Context(), "k") // for the connection
	w.pass(recent)
	m.Do("CONFIG", "RESETSTAT")
	var once sync.Once
	network.Stall(func([]byte) time.Duration {
		once.Do(func() { w.pass(recent - time.Millisecond) })
		return 0
	})
	require.NoError(t, r.Look(t.Context(), "k")[0].Err)
	require.NoError(t, r.Look(t.Context(), "k")[0].Err)
	require.Equal(t, 1, asked(t, m, "info"))
	w.pass(time.Millisecond)
	m.Do("CONFIG", "RESETSTAT")
	require.NoError(t, r.Look(t.Context(), "k")[0].Err)
	require.Equal(t, 1, asked(t, m, "info"))
}

// An answer that nobody waits for any more is not the next look's.
func TestAnAnswerThatComesLateIsNobodyElses(t *testing.T) {
	m := testenv.StartRedis(t)
	network := tcpproxy.Start(t, m.Address)
	r := open(t, network.Addr())
	w := stopped(r)
	for i := range 10 {
		m.Do("SET", fmt.Sprint("slow", i), fmt.Sprint("slow", i))
	}
	m.Do("SET", "k", "v")
	for i := range 10 {
		require.Equal(t, "v", r.Look(t.Context(), "k")[0].Value)
		held, free := heldBy(r)
		require.Equal(t, []int{1, 1}, []int{held, free})
		if i%2 == 1 {
			w.pass(recent) // INFO is asked, too
		}
		came := make(chan struct{})
		network.Stall(func(piece []byte) time.Duration {
			if strings.Contains(string(piece), "slow") {
				<-came // till the look has ended
			}
			return 0
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		require.Error(t, r.Look(ctx, fmt.Sprint("slow", i))[0].Err)
		cancel()
		held, _ = heldBy(r)
		require.Zero(t, held, "it may still get an answer")
		close(came)
	}
}

// However looks end, each gets its own answer.
func TestEachLookGetsItsOwnAnswer(t *testing.T) {
	m := testenv.StartRedis(t)
	network := tcpproxy.Start(t, m.Address)
	r := open(t, network.Addr())
	network.Jitter(2 * time.Millisecond)
	var told, failed atomic.Int64
	var wg sync.WaitGroup
	for i := range 2 * r.nodes[0].kept.most {
		key, other := fmt.Sprint("k", i), fmt.Sprint("l", i)
		m.Do("MSET", key, key, other, other)
		wg.Go(func() {
			for range 100 {
				wait := 20 * time.Second
				if rand.N(8) == 0 {
					wait = rand.N(4 * time.Millisecond)
				}
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				for _, s := range r.Look(ctx, key, other) {
					switch {
					case s.Err != nil:
						failed.Add(1)
					case s.Value != s.Key:
						t.Errorf("%q at %q", s.Value, s.Key)
					default:
						told.Add(1)
					}
				}
				cancel()
			}
		})
	}
	wg.Wait()
	require.Positive(t, told.Load())
	require.Positive(t, failed.Load())
}

// Half of the pool is for others than looks, however many there are.
func TestHalfOfThePoolIsKeptAtMost(t *testing.T) {
	m := testenv.StartRedis(t)
	m.Do("SET", "k", "v")
	r := open(t, m.Address)
	w := stopped(r)
	k := r.nodes[0].kept
	size := k.client.Options().PoolSize
	var all []*kept
	for c := k.take(); c != nil; c = k.take() {
		c.origin, _, _ = lookWith(t.Context(), c.conn.Pipeline(), []*Sight{{Key: "k"}})
		c.asked = w.now()
		all = append(all, c)
	}
	require.Len(t, all, size/2)
	require.EqualValues(t, size/2, k.client.PoolStats().TotalConns)
	require.Equal(t, "v", r.Look(t.Context(), "k")[0].Value)
	for _, c := range all {
		k.put(c)
	}
	results, errs := r.RunEach(t.Context(), echo, calls(size))
	require.NoError(t, First(errs))
	require.Len(t, results, size)
	w.pass(recent)
	require.Equal(t, "v", r.Look(t.Context(), "k")[0].Value)
	held, free := heldBy(r)
	require.Equal(t, []int{1, 1}, []int{held, free}, "the others are the pool's again")
	require.EqualValues(t, size/2, k.client.PoolStats().IdleConns)
}

// A ring that is closed leaves no connection.
func TestNoConnectionIsLeft(t *testing.T) {
	m := testenv.StartRedis(t)
	network := tcpproxy.Start(t, m.Address)
	r := New(redisconf.Nodes{{Host: network.Addr(), Type: redisconf.TypeNode, Weight: 100}})
	require.NoError(t, r.Look(t.Context(), "k")[0].Err)
	clients := func() int { return strings.Count(m.Do("CLIENT", "LIST").(string), "\n") }
	require.Equal(t, 2, clients(), "the look's and the test's own")
	require.NoError(t, r.Close())
	require.Eventually(t, func() bool { return clients() == 1 }, 20*time.Second, time.Millisecond)
	require.Error(t, r.Look(t.Context(), "k")[0].Err)
}

// Who is not cut off moves on with the sentinels, also where INFO is not asked again.
func TestLooksFollowTheSentinels(t *testing.T) {
	first, second := startWithPassword(t), startWithPassword(t)
	second.Follow(first)
	sentinels := testenv.StartSentinels(t, group, first, password)
	sentinels.Know()
	r := openNode(t, sentinelNode(sentinels))
	stopped(r)
	first.Do("SET", "k", "v")
	before := r.Look(t.Context(), "k")[0]
	require.Equal(t, Sight{Key: "k", Value: "v", Origin: originOf(t, first)}, before)
	sentinels.FailOver()
	require.Eventually(t, func() bool {
		s := r.Look(t.Context(), "k")[0]
		return s.Err == nil && s.Origin != before.Origin
	}, 60*time.Second, 20*time.Millisecond, "looks stay with the old primary")
	second.Do("SET", "k", "w")
	require.Equal(t, Sight{Key: "k", Value: "w", Origin: originOf(t, second)}, r.Look(t.Context(), "k")[0])
}
