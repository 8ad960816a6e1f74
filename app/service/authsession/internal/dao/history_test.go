package dao

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// scene is two nodes at work on the logins of a few keys, on a real database and
// through networks that delay every step.
type scene struct {
	*store
	dsns  [2]string
	redis [2]*tcpproxy.Proxy
	turn  [2]sync.RWMutex // held by whoever uses a node
	perms []int64
	// write is how a node writes; as it should, unless a test breaks it.
	write func(d *Dao, perm, version int64) error
}

// newScene makes the nodes' way to MySQL, where there is a stall, one that has
// less patience than that.
func newScene(t *testing.T, stall func(piece []byte) time.Duration, patience time.Duration) *scene {
	s := &scene{store: &store{t: t, dsn: testenv.DSN(t, true)}}
	s.write = func(d *Dao, perm, version int64) error { return d.SetLayer(t.Context(), perm, "", int32(version)) }
	s.db = testenv.Open(t, s.dsn)
	for i := range s.nodes {
		s.dsns[i] = s.dsn
		if stall != nil {
			c, err := mysql.ParseDSN(s.dsn)
			require.NoError(t, err)
			network := tcpproxy.Start(t, c.Addr)
			defer network.Stall(stall) // not before the keys are there
			c.Addr, c.ReadTimeout = network.Addr(), patience
			s.dsns[i] = c.FormatDSN()
		}
		s.redis[i] = tcpproxy.Start(t, testenv.Variable(t, "TEST_REDIS_ADDR"))
		s.redis[i].Jitter(2 * time.Millisecond)
		s.nodes[i] = s.open(s.dsns[i], s.redis[i].Addr())
	}
	base := rand.Int64()
	s.perms = []int64{base, base + 1}
	for _, perm := range s.perms {
		s.exec("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES (?, 0, ?)", perm, perm)
		require.NoError(t, s.nodes[0].SetLayer(t.Context(), perm, "", 1))
	}
	return s
}

// on runs f with a node that is not replaced meanwhile.
func (s *scene) on(i int, f func(d *Dao)) {
	s.turn[i].RLock()
	defer s.turn[i].RUnlock()
	f(s.nodes[i])
}

// writeOnce writes a version. It is finished for all when nothing is remembered
// of it any more; until then for the readers of its node.
func (s *scene) writeOnce(i int, perm int64, h *testenv.History) {
	var version int64
	made := true
	s.on(i, func(d *Dao) {
		version = h.Commit(func(version int64) {
			err := s.write(d, perm, version)
			if errors.Is(err, ErrUnknown) {
				err = nil
				s.until(func() bool {
					return s.numbers("SELECT layer FROM auths WHERE auth_key_id = ?", perm)[0] == version && d.cache.Owed() == 0
				})
			}
			if made = err == nil; !made {
				s.t.Errorf("%v", err)
			}
		})
		if made {
			h.FinishedHere(i, version)
		}
	})
	if !made { // nobody has to see it
		return
	}
	s.until(func() bool {
		return s.numbers("SELECT COUNT(*) FROM auth_cache_releases WHERE cache_key = ?", dataCacheKey(perm))[0] == 0
	})
	h.Finished(version)
}

func (s *scene) until(condition func() bool) {
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Errorf("it never comes to an end")
			return
		}
	}
}

// play lets writers and readers run, and meanwhile whatever disturbs them, and
// returns the violations seen.
func (s *scene) play(span time.Duration, disturb func()) (violations int64) {
	until := time.Now().Add(span)
	var wg sync.WaitGroup
	during := func(f func()) {
		wg.Go(func() {
			for time.Now().Before(until) {
				f()
			}
		})
	}
	histories := make([]*testenv.History, len(s.perms))
	for k, perm := range s.perms {
		h := testenv.NewHistory(len(s.nodes))
		histories[k] = h
		for i := range s.nodes {
			during(func() {
				s.writeOnce(i, perm, h)
				time.Sleep(rand.N(2 * time.Millisecond))
			})
			for range 2 {
				during(func() { s.on(i, func(d *Dao) { h.Read(i, func() int64 { return s.layer(d, perm) }) }) })
			}
		}
	}
	if disturb != nil {
		during(disturb)
	}
	wg.Wait()
	for _, h := range histories {
		s.t.Logf("%v: %d reads, %d writes, %d violations", span, h.Reads.Load(), h.Writes.Load(), h.Violations.Load())
		violations += h.Violations.Load()
	}
	return violations
}

func (s *scene) layer(d *Dao, perm int64) int64 {
	l, err := d.Login(context.Background(), perm)
	if err != nil || l.Client == nil {
		s.t.Errorf("%v %v", l, err)
		return 0
	}
	return int64(l.Client.Layer)
}

// No read shows a state older than that of a write that had ended when the read
// began, also with a Redis that forgets. A write that only deletes the cached copy
// afterwards is caught at it.
func TestHistoryOfLogins(t *testing.T) {
	t.Run("ours", func(t *testing.T) {
		s := newScene(t, nil, 0)
		require.Zero(t, s.play(testenv.SoakTime(t, 3*time.Second), func() {
			_ = s.nodes[0].kv.Delete(context.Background(), dataCacheKey(s.perms[rand.IntN(len(s.perms))]))
			time.Sleep(rand.N(50 * time.Millisecond))
		}))
	})
	t.Run("broken", func(t *testing.T) {
		s := newScene(t, nil, 0)
		s.write = func(d *Dao, perm, version int64) error {
			if _, err := s.db.Exec("UPDATE auths SET layer = ? WHERE auth_key_id = ?", version, perm); err != nil {
				return err
			}
			return d.kv.Delete(t.Context(), dataCacheKey(perm))
		}
		require.NotZero(t, s.play(3*time.Second, nil), "the checker sees nothing")
	})
}

// Now and then a COMMIT reaches MySQL when its client has given up long ago.
func TestHistoryWithStalledCommits(t *testing.T) {
	const patience = time.Second
	s := newScene(t, func(piece []byte) time.Duration {
		if bytes.Contains(piece, []byte("COMMIT")) && rand.IntN(50) == 0 {
			return patience + rand.N(patience)
		}
		return 0
	}, patience)
	require.Zero(t, s.play(testenv.SoakTime(t, 6*time.Second), nil))
}

// Now and then a node is cut off from Redis and, before it is back, replaced.
func TestHistoryWithNodesReplacedWhileCutOff(t *testing.T) {
	s := newScene(t, nil, 0)
	require.Zero(t, s.play(testenv.SoakTime(t, 5*time.Second), func() {
		time.Sleep(rand.N(300 * time.Millisecond))
		i := rand.IntN(len(s.nodes))
		s.redis[i].Cut()
		time.Sleep(rand.N(300 * time.Millisecond))
		s.turn[i].Lock()
		defer s.turn[i].Unlock()
		require.NoError(t, s.nodes[i].Close())
		s.redis[i].Restore()
		s.nodes[i] = s.open(s.dsns[i], s.redis[i].Addr())
	}))
}
