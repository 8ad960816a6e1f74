package dao

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// key inserts a key as it is after its bind; expires and bound 0: not set.
func (s *store) key(id int64, kind int, perm, expires, bound int64) {
	s.t.Helper()
	s.exec("INSERT INTO auth_keys(auth_key_id, body) VALUES (?, ?)", id, strings.Repeat("A", 342))
	s.exec("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES (?, ?, ?)", id, kind, perm)
	if expires != 0 || bound != 0 {
		s.exec("INSERT INTO auth_key_lifetimes(auth_key_id, expires_at, bound_until) VALUES (?, ?, ?)", id, expires, bound)
	}
}

// expired inserts keys 1 to count, all of them ended.
func (s *store) expired(count int) {
	s.t.Helper()
	for id := range int64(count) {
		s.key(id+1, Temporary, 0, now-7200, 0)
	}
}

func (s *store) start(node int) *Sweep {
	s.t.Helper()
	sweep, err := s.nodes[node].StartSweep(s.t.Context(), time.Hour)
	require.NoError(s.t, err)
	s.t.Cleanup(sweep.Close)
	return sweep
}

func all(t *testing.T, s *Sweep, limit int) (removed int) {
	t.Helper()
	for {
		n, err := s.Batch(t.Context(), limit)
		require.NoError(t, err)
		if n == 0 {
			return removed
		}
		removed += n
	}
}

func TestSweepRemovesWhatHasEndedAndNothingElse(t *testing.T) {
	s := newStore(t)
	const past, recent, future = now - 7200, now - 1800, now + 7200
	s.key(100, Permanent, 100, 0, 0)
	s.key(101, Permanent, 101, past, past) // no such row is ever written: the key stays, the row goes
	gone := []int64{1, 2, 3, 4}
	s.key(1, Temporary, 0, past, 0)           // never bound
	s.key(2, Temporary, 100, past, past)      // over with its binding
	s.key(3, MediaTemporary, 100, 0, past)    // of a stock install, bound by us
	s.key(4, Temporary, 101, future, past)    // its binding ended first
	s.key(11, Temporary, 0, future, 0)        // unbound and young
	s.key(12, Temporary, 0, recent, 0)        // within the grace
	s.key(13, Temporary, 100, past, future)   // bound a little beyond its own end
	s.key(14, Temporary, 100, 0, 0)           // of a stock install: for ever
	s.key(15, MediaTemporary, 101, 0, recent) // within the grace
	s.exec("INSERT INTO auth_key_lifetimes(auth_key_id, expires_at) VALUES (5, ?)", past)
	s.exec("UPDATE auth_key_infos SET temp_auth_key_id = 13, media_temp_auth_key_id = 3 WHERE auth_key_id = 100")
	s.exec("UPDATE auth_key_infos SET temp_auth_key_id = 4, media_temp_auth_key_id = 15 WHERE auth_key_id = 101")
	for _, id := range gone { // what an old install left would bring it back
		s.mini.HSet(legacyKey(id), "auth_key", strings.Repeat("x", 256), "auth_key_type", "1", "perm_auth_key_id", "100")
	}
	for _, id := range []int64{100, 101, 11} { // warm, through the other node
		_, err := s.nodes[1].Key(t.Context(), id)
		require.NoError(t, err)
	}

	s.exec("INSERT INTO auth_password_pendings(auth_key_id, owner, user_id, date_created) VALUES (100, 1, 0, ?), (101, 2, 0, ?), (101, 3, 7, ?)",
		past, now-60, past) // of a call long ago, of one under way, of a login

	sweep := s.start(0)
	require.Equal(t, 6, all(t, sweep, 2))
	n, err := sweep.Marks(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []int64{2, 3}, s.numbers("SELECT owner FROM auth_password_pendings ORDER BY owner"))

	kept := []int64{11, 12, 13, 14, 15, 100, 101}
	require.Equal(t, kept, s.numbers("SELECT auth_key_id FROM auth_keys ORDER BY auth_key_id"))
	require.Equal(t, kept, s.numbers("SELECT auth_key_id FROM auth_key_infos ORDER BY auth_key_id"))
	require.Equal(t, []int64{11, 12, 13, 15}, s.numbers("SELECT auth_key_id FROM auth_key_lifetimes ORDER BY auth_key_id"))
	for id, want := range map[int64][]int64{100: {13, 0}, 101: {0, 15}} {
		k, err := s.nodes[1].Key(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, []int64{k.TempAuthKeyID, k.MediaTempAuthKeyID}, "perm key %d names living keys only", id)
	}
	for _, id := range gone {
		_, err := s.nodes[1].Key(t.Context(), id)
		require.ErrorIs(t, err, ErrNotFound)
	}
}

// The key is read as ended, and bound anew before it is removed.
func TestSweepKeepsAKeyThatIsBoundMeanwhile(t *testing.T) {
	s := newStore(t)
	s.key(100, Permanent, 100, 0, 0)
	s.key(1, Temporary, 100, 0, now-7200)
	s.key(2, Temporary, 100, 0, now-7200)
	sweep := s.start(0)
	rows, err := sweep.ended(t.Context(), endedBy[0], 10)
	require.NoError(t, err)
	require.Len(t, rows, 2)
	_, err = s.nodes[1].BindKey(t.Context(), 100, 1, func(int64) (int64, error) { return now + 7200, nil })
	require.NoError(t, err)
	removed, err := sweep.remove(t.Context(), rows)
	require.NoError(t, err)
	require.Equal(t, 1, removed)
	k, err := s.nodes[0].Key(t.Context(), 1)
	require.NoError(t, err)
	require.EqualValues(t, 100, k.PermAuthKeyID)
	require.Equal(t, []int64{1}, s.numbers("SELECT temp_auth_key_id FROM auth_key_infos WHERE auth_key_id = 100"))
}

func TestOneNodeSweeps(t *testing.T) {
	s := newStore(t)
	first := s.start(0)
	_, err := s.nodes[1].StartSweep(t.Context(), 0)
	require.ErrorIs(t, err, ErrSweeping)
	_, err = s.nodes[0].StartSweep(t.Context(), 0)
	require.ErrorIs(t, err, ErrSweeping, "the lock is not the node's but the run's")

	other := newStore(t)
	other.start(0).Close() // another database of the same server

	first.Close()
	require.Eventually(t, func() bool {
		again, err := s.nodes[1].StartSweep(t.Context(), 0)
		if err == nil {
			again.Close()
		}
		return err == nil
	}, 5*time.Second, 5*time.Millisecond)
}

// A sweeper that hangs past its lease is replaced, and removes nothing when it
// wakes up.
func TestAHangingSweeperIsReplaced(t *testing.T) {
	s := newStore(t)
	s.expired(3)
	hanging := s.start(0)
	var heir *Sweep
	require.Eventually(t, func() (ok bool) {
		testenv.EndLease(t, s.db, sweepLock)
		var err error
		heir, err = s.nodes[1].StartSweep(t.Context(), time.Hour)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	defer heir.Close()
	_, err := hanging.Batch(t.Context(), 10)
	require.ErrorIs(t, err, dblock.ErrTaken)
	_, err = hanging.Marks(t.Context(), 10)
	require.ErrorIs(t, err, dblock.ErrTaken)
	require.Len(t, s.numbers("SELECT auth_key_id FROM auth_keys"), 3)
	require.Equal(t, 3, all(t, heir, 10))
}

// Without Redis a removed key could come back from what an old install left.
func TestSweepWaitsForRedis(t *testing.T) {
	s := newStore(t)
	s.expired(2)
	s.mini.SetError("away")
	_, err := s.start(0).Batch(t.Context(), 10)
	require.Error(t, err)
	require.Len(t, s.numbers("SELECT auth_key_id FROM auth_keys"), 2)
}

func TestSweepReadsByIndex(t *testing.T) {
	s := newStore(t)
	var rows strings.Builder
	for id := range 5000 {
		fmt.Fprintf(&rows, ",(%d,%d,%d)", id+1, now+id, (id%2)*(now+id))
	}
	s.exec("INSERT INTO auth_key_lifetimes(auth_key_id, expires_at, bound_until) VALUES " + rows.String()[1:])
	s.exec("ANALYZE TABLE auth_key_lifetimes")
	for _, where := range endedBy {
		plan, err := s.db.QueryContext(context.Background(), "EXPLAIN FORMAT=TRADITIONAL "+selectEnded+where, now, 500)
		require.NoError(t, err)
		columns, err := plan.Columns()
		require.NoError(t, err)
		for plan.Next() {
			cells := make([]sql.NullString, len(columns))
			into := make([]any, len(columns))
			for i := range cells {
				into[i] = &cells[i]
			}
			require.NoError(t, plan.Scan(into...))
			for i, c := range columns {
				if strings.EqualFold(c, "type") {
					require.NotContains(t, []string{"ALL", "index"}, cells[i].String, "%s", where)
				}
			}
		}
		require.NoError(t, plan.Close())
	}
}
