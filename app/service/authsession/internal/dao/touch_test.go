package dao

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/app/service/authsession/internal/touch"
)

// A node whose clock is hours ahead moves no date into the future: it would have
// stayed there for good, since dates never move back.
func TestTouchesAreNotLaterThanTheDatabasesClock(t *testing.T) {
	dsn := testenv.DSN(t, true)
	db := testenv.Open(t, dsn)
	conf := testenv.Config(dsn, miniredis.RunT(t).Addr())
	fast := func() time.Time { return time.Now().Add(3 * time.Hour) }
	pool, err := OpenMysql(t.Context(), poolOf(conf), false)
	require.NoError(t, err)
	d := New(t.Context(), pool, optionsOf(conf, fast, nil))
	t.Cleanup(func() { d.Close() })
	d.hostNow = fast
	_, err = db.Exec("INSERT INTO auth_users(auth_key_id, user_id, date_created, date_active) VALUES (1, 1, 5, 5), (2, 2, 5, 5)")
	require.NoError(t, err)
	early := time.Now().Add(-time.Hour).Unix()
	require.NoError(t, d.Touches().Store(t.Context(), []touch.Touch{{AuthKeyID: 1, Seen: d.Now()}, {AuthKeyID: 2, Seen: early}}))
	at := func(key int) (date int64) {
		require.NoError(t, db.QueryRow("SELECT date_active FROM auth_users WHERE auth_key_id = ?", key).Scan(&date))
		return date
	}
	require.LessOrEqual(t, at(1), time.Now().Unix())
	require.InDelta(t, time.Now().Unix(), at(1), 60)
	require.Equal(t, early, at(2))
}

// Nor does it keep the other nodes from writing until their clocks have come as
// far.
func TestAClaimFromTheFutureIsNone(t *testing.T) {
	dsn := testenv.DSN(t, true)
	conf := testenv.Config(dsn, miniredis.RunT(t).Addr())
	clock := time.Unix(1_800_000_000, 0)
	ahead := 3 * time.Hour
	node := func(now func() time.Time) *Dao {
		pool, err := OpenMysql(t.Context(), poolOf(conf), false)
		require.NoError(t, err)
		d := New(t.Context(), pool, optionsOf(conf, now, nil))
		t.Cleanup(func() { d.Close() })
		return d
	}
	fast, right := node(func() time.Time { return clock.Add(ahead) }), node(func() time.Time { return clock })
	share := func(d *Dao) bool {
		t.Helper()
		notes, err := d.Touches().Share(t.Context(), []touch.Touch{{AuthKeyID: 1, Seen: d.Now()}}, 10*time.Minute)
		require.NoError(t, err)
		return notes[0].Write
	}
	require.True(t, share(fast))
	require.True(t, share(right))
	require.False(t, share(right), "once an interval")
	clock = clock.Add(10 * time.Minute)
	require.True(t, share(right))
	ahead = 10 * time.Second // as clocks differ
	clock = clock.Add(10 * time.Minute)
	require.True(t, share(fast))
	require.False(t, share(right))
}
