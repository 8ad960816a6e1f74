package sessions_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/lifecycle"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/app/service/authsession/internal/touch"
	pb "github.com/tgsession/tgsession/proto/authsession"
)

// The cache is no authority: Redis may lose everything while calls are made,
// and nobody is logged out.
func TestAcceptance1FlushedCacheLogsNobodyOut(t *testing.T) {
	w := newWorld(t, nil)
	keys := map[int64]int64{}
	for user := range int64(8) {
		key, _ := w.signIn(user+1, "phone")
		keys[key] = user + 1
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var calls, wrong atomic.Int64
	for key, user := range keys {
		for i := range w.nodes {
			wg.Go(func() {
				for ctx.Err() == nil {
					s, err := w.on(i).AuthsessionGetAuthStateData(&pb.TLAuthsessionGetAuthStateData{AuthKeyId: key})
					if calls.Add(1); err != nil || s.KeyState != 6 || s.UserId != user {
						wrong.Add(1)
						t.Errorf("key %d: %v, %v", key, s, err)
						return
					}
				}
			})
		}
	}
	for range 20 {
		seen := calls.Load()
		w.flush()
		require.Eventually(t, func() bool { return calls.Load() > seen+100 || wrong.Load() > 0 }, time.Minute, time.Millisecond)
	}
	stop()
	wg.Wait()
	require.Zero(t, wrong.Load())
}

// However many sign-ins come at once, on however many nodes, the limit holds.
func TestAcceptance2ParallelSignInsKeepTheLimit(t *testing.T) {
	const n, limit = 64, 3
	w := newWorld(t, func(c *config.Config) {
		c.Concurrency = config.Concurrency{Strategy: "limit-per-device-type", Limit: limit}
	})
	keys := make([]int64, n)
	for i := range keys {
		keys[i] = w.device("phone")
	}
	desktop, _ := w.signIn(777, "desktop")
	var wg sync.WaitGroup
	for i, key := range keys {
		wg.Go(func() {
			_, err := w.on(i % 2).AuthsessionBindAuthKeyUser(&pb.TLAuthsessionBindAuthKeyUser{AuthKeyId: key, UserId: 777})
			if err != nil {
				t.Errorf("sign-in: %v", err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, limit, w.number("SELECT COUNT(*) FROM auth_users WHERE user_id = 777 AND deleted = 0 AND device_type = 'android'"))
	require.EqualValues(t, n-limit, w.number("SELECT COUNT(*) FROM auth_users WHERE user_id = 777 AND deleted = 1 AND revoke_reason = ? AND revoked_by = 'user:777'", logins.ConcurrentLogin))
	require.EqualValues(t, n-limit, w.events(events.Revoked))
	require.EqualValues(t, n+1, w.events(events.Created))
	told := map[int64]bool{}
	for _, e := range w.told.Told() {
		if e.UserID == 0 { // a key that a slow Redis was told of late
			continue
		}
		require.EqualValues(t, 777, e.UserID)
		told[e.AuthKeyID] = true
	}
	require.Len(t, told, n-limit, "the nodes of all that had to go were told")
	w.loggedIn(desktop, 777) // another type of device
	live := 0
	for _, key := range keys {
		state, _ := w.state(0, key)
		other, _ := w.state(1, key)
		require.Equal(t, state, other)
		require.Equal(t, told[key], state == 4)
		if state == 6 {
			live++
		}
	}
	require.Equal(t, limit, live)
}

// So does a limit over all device types, beside one of each.
func TestParallelSignInsKeepTheTotal(t *testing.T) {
	const n, limit, total = 48, 3, 5
	kinds := []string{"phone", "desktop", "web"}
	for name, tc := range map[string]struct {
		conf config.Concurrency
		most map[string]int64 // of a type; the others as many as come
	}{
		"in all":              {config.Concurrency{Strategy: "limit", Limit: total}, nil},
		"in all and of types": {config.Concurrency{Strategy: "limit-per-device-type", Limit: limit, Total: total}, map[string]int64{"android": limit, "desktop": limit, "web": limit}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *config.Config) { c.Concurrency = tc.conf })
			keys := make([]int64, n)
			for i := range keys {
				keys[i] = w.device(kinds[i%len(kinds)])
			}
			var wg sync.WaitGroup
			for i, key := range keys {
				wg.Go(func() {
					_, err := w.on(i % 2).AuthsessionBindAuthKeyUser(&pb.TLAuthsessionBindAuthKeyUser{AuthKeyId: key, UserId: 777})
					if err != nil {
						t.Errorf("sign-in: %v", err)
					}
				})
			}
			wg.Wait()
			const live = "SELECT COUNT(*) FROM auth_users WHERE user_id = 777 AND deleted = 0"
			require.EqualValues(t, total, w.number(live))
			for kind, most := range tc.most {
				require.LessOrEqual(t, w.number(live+" AND device_type = ?", kind), most, kind)
			}
			require.EqualValues(t, n-total, w.number("SELECT COUNT(*) FROM auth_users WHERE user_id = 777 AND deleted = 1 AND revoke_reason = ?", logins.ConcurrentLogin))
			require.EqualValues(t, n-total, w.events(events.Revoked))
			require.Len(t, w.told.Told(), n-total, "the nodes of all that had to go were told")
		})
	}
}

// Steady use keeps a session for ever, although its row is written rarely.
func TestAcceptance3UsedSessionIsNeverCleaned(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.Sessions.TTLDays = 30 })
	key, _ := w.signIn(777, "phone")
	idle, _ := w.signIn(777, "desktop")
	store := w.nodes[0].Dao.Touches()
	recorder := touch.New(store, store, touch.Options(w.conf.Touch), w.clock.Now)
	defer recorder.Close()
	const step = 5 * time.Minute
	for at := time.Duration(0); at < 40*days; at += step {
		w.clock.Advance(step)
		recorder.Seen(touch.Touch{AuthKeyID: key, Seen: w.clock.Now().Unix()})
		if at%(30*time.Minute) == 0 {
			recorder.Flush(t.Context())
		}
		if at%(2*days) == 0 {
			s, err := w.cleanUp(0, 30*days).Run(t.Context())
			require.NoError(t, err)
			require.LessOrEqual(t, s.Sessions, 1)
			state, _ := w.state(1, key)
			require.EqualValues(t, 6, state, "after %v", at)
		}
	}
	w.loggedIn(key, 777)
	w.loggedOut(idle) // the check can fail
}

func (w *world) cleanUp(node int, olderThan time.Duration) lifecycle.Cleanup {
	return lifecycle.Cleanup{Dao: w.nodes[node].Dao, Manager: w.manager(node), OlderThan: olderThan, Batch: 10, Actor: "cleanup"}
}

// What nobody uses ends, and everyone learns of it.
func TestAcceptance4IdleSessionEnds(t *testing.T) {
	w := newWorld(t, nil)
	key, hash := w.signIn(777, "phone")
	began := w.clock.Now()
	w.loggedIn(key, 777) // cached on Redis
	name := "auth_data.2#" + strconv.FormatInt(key, 10)
	require.EqualValues(t, 1, w.redis.Exists(t.Context(), name).Val())

	w.clock.Advance(29 * days)
	s, err := w.cleanUp(0, 30*days).Run(t.Context())
	require.NoError(t, err)
	require.Zero(t, s.Sessions)
	w.clock.Advance(2 * days)
	s, err = w.cleanUp(1, 30*days).Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, s.Sessions)

	require.Zero(t, w.redis.Exists(t.Context(), name).Val(), "the cache is clean when the call returns")
	require.Equal(t, []testenv.Ended{{AuthKeyID: key, UserID: 777}}, w.told.Told())
	w.loggedOut(key)
	require.EqualValues(t, 1, w.events(events.Expired))
	got := w.get(hash)
	require.Equal(t, []any{logins.Inactive, "cleanup", w.clock.Now(), began, began},
		[]any{got.RevokeReason, got.RevokedBy, got.RevokedAt, got.SignedIn, got.LastActive}, "the history says why, by whom, when")
}

// Nobody ends another user's session.
func TestAcceptance5ForeignHashIsInvalid(t *testing.T) {
	w := newWorld(t, nil)
	a, hash := w.signIn(1, "phone")
	b, _ := w.signIn(2, "phone")
	_, err := w.on(0).AuthsessionResetAuthorization(&pb.TLAuthsessionResetAuthorization{UserId: 2, AuthKeyId: b, Hash: hash})
	s, _ := status.FromError(err)
	require.EqualValues(t, 400, s.Code())
	require.Equal(t, "HASH_INVALID", s.Message())
	_, err = w.manager(0).Revoke(t.Context(), sessions.Selection{UserID: 2, Hash: hash}, byAdmin)
	require.ErrorIs(t, err, sessions.ErrNotFound)
	w.loggedIn(a, 1)
	w.loggedIn(b, 2)
	require.Empty(t, w.told.Told())
	require.Zero(t, w.events(events.Revoked))
}

// Ending twice is ending once.
func TestAcceptance6RevokingTwiceIsOneEvent(t *testing.T) {
	w := newWorld(t, nil)
	key, hash := w.signIn(1, "phone")
	var ended atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 { // at once, and after another
		wg.Go(func() {
			list, err := w.manager(i%2).Revoke(context.Background(), sessions.Selection{Hash: hash}, byAdmin)
			if err != nil {
				t.Errorf("revoke: %v", err)
			}
			ended.Add(int64(len(list)))
		})
	}
	wg.Wait()
	require.Empty(t, w.revoke(sessions.Selection{Hash: hash}))
	require.EqualValues(t, 1, ended.Load())
	require.EqualValues(t, 1, w.events(events.Revoked))
	told := w.told.Told()
	require.Len(t, slices.DeleteFunc(slices.Clone(told), func(e testenv.Ended) bool { return e.Replaced }), 1)
	require.True(t, told[len(told)-1].Replaced, "the last one was a reminder")
	w.loggedOut(key)
}

// Of several nodes one cleans up, in batches, and stops within one.
func TestAcceptance7OneNodeCleansUp(t *testing.T) {
	const n, batch = 95, 10
	w := newWorld(t, nil)
	for i := range n {
		w.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active) VALUES (?, ?, ?, 1, 1)", i+1, i+1, i+1)
	}
	live := func() int64 { return w.number("SELECT COUNT(*) FROM auth_users WHERE deleted = 0") }

	ctx, cancel := context.WithCancel(t.Context())
	run := w.cleanUp(0, 30*days)
	run.Sleep = time.Hour // told to stop in the pause after the first batch
	first := make(chan lifecycle.CleanupSummary)
	go func() {
		s, err := run.Run(ctx)
		if err != nil {
			t.Errorf("clean-up: %v", err)
		}
		first <- s
	}()
	require.Eventually(t, func() bool { return live() < n }, time.Minute, time.Millisecond)
	other, err := w.cleanUp(1, 30*days).Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, lifecycle.CleanupBusy, other.Result, "another node is at it")
	require.Zero(t, other.Sessions)
	cancel()
	s := <-first
	require.Equal(t, []any{lifecycle.CleanupStopped, batch, 1}, []any{s.Result, s.Sessions, s.Batches})
	require.EqualValues(t, n-batch, live())

	s, err = w.cleanUp(1, 30*days).Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, []any{lifecycle.CleanupDone, n - batch, 9}, []any{s.Result, s.Sessions, s.Batches}, "batches of %d at most", batch)
	require.Zero(t, live())
	require.EqualValues(t, n, w.events(events.Expired))
	require.Len(t, w.told.Told(), n)
}

// A place database that is not there, or is none, costs places and nothing
// else.
func TestAcceptance9PlaceDatabaseMayBeMissingOrCorrupt(t *testing.T) {
	corrupt := filepath.Join(t.TempDir(), "corrupt.mmdb")
	require.NoError(t, os.WriteFile(corrupt, []byte("not a database"), 0o600))
	for name, path := range map[string]string{"missing": filepath.Join(t.TempDir(), "none.mmdb"), "corrupt": corrupt} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *config.Config) { c.GeoIP = config.GeoIP{Path: path, ReloadInterval: time.Minute} })
			key, hash := w.signIn(777, "desktop")
			w.loggedIn(key, 777)
			s := w.get(hash)
			require.Equal(t, []string{"2001:db8::7", "", ""}, []string{s.IP, s.Country, s.Region})
		})
	}
}
