package dao

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// Two nodes write and read the logins of a few keys, on a real database and
// through a network that delays every step: no read shows a state older than
// that of a write that had ended when the read began. A write that only deletes
// the cached copy afterwards is caught at it.
func TestHistoryOfLogins(t *testing.T) {
	play := func(t *testing.T, span time.Duration, write func(s *store, d *Dao, perm, version int64) error) (violations int64) {
		s := &store{t: t, dsn: testenv.DSN(t, true)}
		s.db = testenv.Open(t, s.dsn)
		target := testenv.Variable(t, "TEST_REDIS_ADDR")
		for i := range s.nodes {
			network := testenv.NewProxy(t, target)
			network.MaxDelay.Store(int64(2 * time.Millisecond))
			conf := testenv.Config(s.dsn, network.Address)
			db, err := OpenMysql(t.Context(), conf.Mysql, false)
			require.NoError(t, err)
			s.nodes[i] = New(t.Context(), conf, db, time.Now, nil)
			t.Cleanup(func() { s.nodes[i].Close() })
		}
		base := rand.Int64()
		perms := []int64{base, base + 1}
		histories := []*testenv.History{testenv.NewHistory(2), testenv.NewHistory(2)}
		for _, perm := range perms {
			s.exec("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES (?, 0, ?)", perm, perm)
			require.NoError(t, s.nodes[0].SetLayer(t.Context(), perm, "", 1))
		}
		until := time.Now().Add(span)
		var wg sync.WaitGroup
		for i, d := range s.nodes {
			for k, perm := range perms {
				h := histories[k]
				wg.Go(func() {
					for time.Now().Before(until) {
						h.Finished(h.Commit(func(version int64) {
							if err := write(s, d, perm, version); err != nil {
								t.Errorf("%v", err)
							}
						}))
						if rand.IntN(20) == 0 { // a Redis that forgets
							_ = d.kv.Delete(context.Background(), dataCacheKey(perm))
						}
						time.Sleep(rand.N(2 * time.Millisecond))
					}
				})
				for range 2 {
					wg.Go(func() {
						for time.Now().Before(until) {
							h.Read(i, func() int64 {
								l, err := d.Login(context.Background(), perm)
								if err != nil || l.Client == nil {
									t.Errorf("%v %v", l, err)
									return 0
								}
								return int64(l.Client.Layer)
							})
						}
					})
				}
			}
		}
		wg.Wait()
		for _, h := range histories {
			t.Logf("%v: %d reads, %d writes, %d violations", span, h.Reads.Load(), h.Writes.Load(), h.Violations.Load())
			violations += h.Violations.Load()
		}
		return violations
	}
	t.Run("ours", func(t *testing.T) {
		require.Zero(t, play(t, testenv.SoakTime(t, 3*time.Second), func(_ *store, d *Dao, perm, version int64) error {
			return d.SetLayer(t.Context(), perm, "", int32(version))
		}))
	})
	t.Run("broken", func(t *testing.T) {
		require.NotZero(t, play(t, 3*time.Second, func(s *store, d *Dao, perm, version int64) error {
			if _, err := s.db.Exec("UPDATE auths SET layer = ? WHERE auth_key_id = ?", version, perm); err != nil {
				return err
			}
			return d.kv.Delete(t.Context(), dataCacheKey(perm))
		}), "the checker sees nothing")
	})
}
