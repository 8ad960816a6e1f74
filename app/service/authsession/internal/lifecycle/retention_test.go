package lifecycle

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

const year = 365 * days

// keeping is a clean-up that removes what ended a year ago.
func (d *desk) keeping(node int) Cleanup {
	c := d.cleanup(node)
	c.Keep = year
	return c
}

// exec runs statements; NOW is the desk's clock in Unix seconds.
func (d *desk) exec(statements ...string) {
	d.t.Helper()
	for _, s := range statements {
		_, err := d.db.Exec(strings.ReplaceAll(s, "NOW", fmt.Sprint(d.clock.Now().Unix())))
		require.NoError(d.t, err, s)
	}
}

// left are the keys of what is left, by table.
func (d *desk) left(table string) (keys []int64) {
	d.t.Helper()
	rows, err := d.db.Query("SELECT auth_key_id FROM " + table + " ORDER BY auth_key_id")
	require.NoError(d.t, err)
	defer rows.Close()
	for rows.Next() {
		var key int64
		require.NoError(d.t, rows.Scan(&key))
		keys = append(keys, key)
	}
	require.NoError(d.t, rows.Err())
	return keys
}

// Rows of what ended before the time of retention go, and nothing else does: what
// has ended later, what is live, what a live login needs, and keys.
func TestWhatIsOverForLongIsRemoved(t *testing.T) {
	d := newDesk(t)
	const (
		old   = "(NOW - 400 * 86400)"
		older = "(NOW - 500 * 86400)"
		late  = "(NOW - 300 * 86400)"
	)
	long := "'2001-01-01'" // for stock's own date of a change, which is that of the server
	user := func(key int, dates string) string {
		return fmt.Sprintf("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active, revoked_at, revoke_reason, deleted, updated_at) VALUES (%d, 7, %d, %s)", key, key, dates)
	}
	device := func(key int, active, updated string) string {
		return fmt.Sprintf("INSERT INTO auths(auth_key_id, api_id, params, date_active, updated_at) VALUES (%d, 6, 'null', %s, %s)", key, active, updated)
	}
	past := func(key int, ended string) string {
		return fmt.Sprintf("INSERT INTO auth_user_history(auth_key_id, user_id, hash, date_created, date_active, revoked_at, revoke_reason) VALUES (%d, 7, %d, %s, %s, %s, 2)", key, 100+key, older, older, ended)
	}
	d.exec(
		user(1, older+", "+older+", "+old+", 2, 1, "+long), device(1, old, long), past(1, old), // all over
		user(2, older+", "+older+", "+late+", 2, 1, "+long), device(2, old, long), past(2, late), // it ended later
		user(3, older+", NOW, 0, 0, 0, "+long), device(3, old, long), past(3, old), // live, on a device that said nothing since
		user(4, "0, 0, 0, 0, 1, "+long), device(4, old, long), // ended by a stock node long ago
		user(5, "0, 0, 0, 0, 1, CURRENT_TIMESTAMP"), device(5, old, long), // and lately
		user(6, "0, 0, "+old+", 2, 1, CURRENT_TIMESTAMP"), device(6, old, long), // ended by ours, revived, and ended lately, by a stock node
		device(7, old, long),  // nobody was ever logged in on it
		device(8, late, long), // nor on this, which is not over
		device(9, old, "CURRENT_TIMESTAMP"),
		user(10, older+", "+older+", "+old+", 2, 1, "+long), device(10, "NOW", "CURRENT_TIMESTAMP"), // its client goes on without a login
		"INSERT INTO auth_user_settings(user_id) VALUES (7)",
		"INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES (1, 0, 1), (7, 0, 7)",
		"INSERT INTO auth_keys(auth_key_id, body) VALUES (1, ''), (7, '')",
	)
	require.Equal(t, 1, d.live())
	want := dao.Rows{Logins: 3, History: 2, Devices: 3}
	dry := d.keeping(0)
	dry.DryRun = true
	require.Equal(t, want, d.run(dry).Removed, "a dry run counts")
	require.Len(t, d.left("auth_users"), 7)

	s := d.run(d.keeping(1))
	require.Equal(t, []any{CleanupDone, 0, want}, []any{s.Result, s.Sessions, s.Removed})
	require.Equal(t, []int64{2, 3, 5, 6}, d.left("auth_users"))
	require.Equal(t, []int64{2}, d.left("auth_user_history"))
	require.Equal(t, []int64{2, 3, 5, 6, 8, 9, 10}, d.left("auths"))
	require.Equal(t, []int64{1, 7}, d.left("auth_keys"))
	require.Equal(t, []int64{1, 7}, d.left("auth_key_infos"))

	require.Equal(t, dao.Rows{}, d.run(d.keeping(0)).Removed, "nothing is left to do")
	d.clock.Advance(400 * days)
	d.exec("UPDATE auth_users SET date_active = NOW WHERE auth_key_id = 3")
	require.Equal(t, dao.Rows{Logins: 3, History: 1, Devices: 6}, d.run(d.keeping(0)).Removed, "all but the live one, a year on")
	require.Equal(t, []int64{3}, d.left("auths"))
	require.Equal(t, []int64{3}, d.left("auth_users"))
}

// Nothing is removed for ever when that is configured.
func TestWhatIsOverMayBeKeptForEver(t *testing.T) {
	d := newDesk(t)
	d.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active, revoked_at, revoke_reason, deleted) VALUES (1, 7, 1, 1, 1, 1, 2, 1)")
	require.Equal(t, dao.Rows{}, d.run(d.cleanup(0)).Removed)
	require.Len(t, d.left("auth_users"), 1)
}

// filled inserts n ended logins of long ago with their devices.
func (d *desk) filled(n int) {
	d.logins(1, n, 900*days)
	d.exec("UPDATE auth_users SET deleted = 1, revoked_at = date_active + 5, revoke_reason = 2", "UPDATE auths SET updated_at = '2001-01-01'")
}

// Rows go in batches, of one kind each, until told to stop; not at all when the
// limit of a run was reached.
func TestRowsAreRemovedInBatches(t *testing.T) {
	d := newDesk(t)
	d.filled(45)
	ctx, stop := context.WithCancel(t.Context())
	slow := d.keeping(0)
	slow.Sleep = 30 * time.Second
	result := make(chan CleanupSummary, 1)
	go func() {
		s, err := slow.Run(ctx)
		if err != nil {
			t.Error(err)
		}
		result <- s
	}()
	require.Eventually(t, func() bool { return len(d.left("auth_users")) == 35 }, time.Minute, time.Millisecond)
	stop()
	s := <-result
	require.Equal(t, []any{CleanupStopped, dao.Rows{Logins: 10}}, []any{s.Result, s.Removed})
	require.Len(t, d.left("auths"), 45)

	d.logins(1000, 3, 40*days)
	limited := d.keeping(0)
	limited.Limit = 2
	s = d.run(limited)
	require.Equal(t, []any{CleanupLimit, 2, dao.Rows{}}, []any{s.Result, s.Sessions, s.Removed})
	s = d.run(d.keeping(0))
	require.Equal(t, []any{CleanupDone, 1, dao.Rows{Logins: 35, Devices: 45}}, []any{s.Result, s.Sessions, s.Removed})
}

// A login that somebody signs in on again while the clean-up is on its way, and a
// device that comes back, stay; and a node that has lost the lock removes nothing.
func TestWhatComesBackToLifeStays(t *testing.T) {
	d := newDesk(t)
	d.filled(3)
	store := d.nodes[0].Dao
	before := d.clock.Now().Add(-year).Unix()

	lock, err := store.Lock(t.Context(), cleanupLock)
	require.NoError(t, err)
	lost := lock.Fenced(t.Context())
	require.Eventually(t, func() bool {
		testenv.EndLease(t, d.db, cleanupLock)
		dry := d.keeping(1)
		dry.DryRun = true
		s := d.run(dry)
		return s.Removed == dao.Rows{Logins: 3, Devices: 3}
	}, 5*time.Second, 5*time.Millisecond)
	_, _, err = store.ScanOver(before).Remove(lost, 10)
	require.ErrorIs(t, err, dblock.ErrTaken)
	lock.Release()
	require.Len(t, d.left("auth_users"), 3)

	scan := store.ScanOver(before)
	first, over, err := scan.Remove(t.Context(), 1) // it has found all three
	require.NoError(t, err)
	require.Equal(t, []any{dao.Rows{Logins: 1}, false}, []any{first, over})
	d.exec("UPDATE auth_users SET deleted = 0 WHERE auth_key_id = 2") // by a stock node
	second, _, err := scan.Remove(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, dao.Rows{Logins: 1}, second)
	require.Equal(t, []int64{2}, d.left("auth_users"))

	found, _, err := scan.Remove(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, dao.Rows{Devices: 1}, found)
	d.exec("UPDATE auths SET date_active = NOW WHERE auth_key_id = 3")
	found, _, err = scan.Remove(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, dao.Rows{}, found)
	require.Equal(t, []int64{2, 3}, d.left("auths"))
	_, over, err = scan.Remove(t.Context(), 10)
	require.NoError(t, err)
	require.True(t, over)
}

// A device that was removed is not remembered by the caches, on any node.
func TestARemovedDeviceLeavesTheCaches(t *testing.T) {
	d := newDesk(t)
	d.filled(1)
	before, err := d.nodes[1].Dao.Login(t.Context(), 1)
	require.NoError(t, err)
	require.NotNil(t, before.Client, "it is in the cache")
	require.Equal(t, dao.Rows{Logins: 1, Devices: 1}, d.run(d.keeping(0)).Removed)
	after, err := d.nodes[1].Dao.Login(t.Context(), 1)
	require.NoError(t, err)
	require.Nil(t, after.Client)
}

// A clean-up that meets a fault is tried again soon, three times in all.
func TestAFailedCleanupIsTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct{ faults, tries, left int }{
		"no fault":       {0, 0, 0},
		"passing":        {2, 2, 0},
		"fault for ever": {99, 3, 4},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.logins(1, 4, 31*days)
			// Not transactional: what the trigger counts is not rolled back with its fault.
			d.exec("CREATE TABLE faults (id int NOT NULL AUTO_INCREMENT PRIMARY KEY) ENGINE=MyISAM",
				fmt.Sprintf("CREATE TRIGGER fault BEFORE UPDATE ON auth_users FOR EACH ROW IF (SELECT COUNT(*) FROM faults) < %d THEN"+
					" INSERT INTO faults VALUES (); SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a fault'; END IF", tc.faults))
			c := &cleaner{run: d.cleanup(0), retryAfter: time.Millisecond}
			c.tries(t.Context())
			require.Equal(t, tc.tries, d.number("SELECT COUNT(*) FROM faults"))
			require.Equal(t, tc.left, d.live())
		})
	}
}
