package schema

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stockRows is how many rows each table of the stock install has:
// TEST_MIGRATION_ROWS, which make bench-authsession sets to 100,000.
func stockRows(t *testing.T) int {
	value := os.Getenv("TEST_MIGRATION_ROWS")
	if value == "" {
		return 2_000
	}
	n, err := strconv.Atoi(value)
	require.NoError(t, err)
	return n
}

// fillStock puts that many rows into each stock table.
func fillStock(t *testing.T, db *sql.DB, rows int) {
	t.Helper()
	const batch = 1000
	for first := 1; first <= rows; first += batch {
		var keys, infos, devices, users []string
		for id := first; id < min(first+batch, rows+1); id++ {
			keys = append(keys, fmt.Sprintf("(%d,REPEAT('A',342))", id))
			infos = append(infos, fmt.Sprintf("(%d,0,%d)", id, id))
			devices = append(devices, fmt.Sprintf("(%d,223,6,'Pixel','android','null','10.0.0.1',%d)", id, id))
			users = append(users, fmt.Sprintf("(%d,%d,%d,%d,%d,%d)", id, 1+id/3, id*7, id, id, id%5/4))
		}
		execAll(t, db,
			"INSERT INTO auth_keys(auth_key_id, body) VALUES "+strings.Join(keys, ","),
			"INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES "+strings.Join(infos, ","),
			"INSERT INTO auths(auth_key_id, layer, api_id, device_model, lang_pack, params, client_ip, date_active) VALUES "+strings.Join(devices, ","),
			"INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active, deleted) VALUES "+strings.Join(users, ","))
	}
}

// stockNode is a stock authsession as far as its statements go. It repeats
// them, on keys that it makes and on some of the rows before it, and notes
// errors and the longest wait.
type stockNode struct {
	db      *sql.DB
	id      int64
	rows    int
	calls   atomic.Int64
	longest atomic.Int64 // nanoseconds
	failed  atomic.Pointer[error]
}

func (n *stockNode) exec(query string, args ...any) {
	began := time.Now()
	_, err := n.db.Exec(query, args...)
	n.note(query, began, err)
}

func (n *stockNode) query(query string, args ...any) {
	began := time.Now()
	rows, err := n.db.Query(query, args...)
	if err == nil {
		for rows.Next() {
			continue
		}
		err = rows.Err()
		rows.Close()
	}
	n.note(query, began, err)
}

func (n *stockNode) note(query string, began time.Time, err error) {
	n.calls.Add(1)
	n.longest.Store(max(n.longest.Load(), int64(time.Since(began))))
	if err != nil {
		err = fmt.Errorf("%s: %w", query, err)
		n.failed.CompareAndSwap(nil, &err)
	}
}

// round makes what a stock node runs for a key exchange, a login, and a few
// calls after it.
func (n *stockNode) round(i int64) {
	perm := n.id<<40 + 2*i
	temp, user := perm+1, n.id<<40+i/2
	began := time.Now()
	tx, err := n.db.Begin()
	if err == nil {
		_, err = tx.Exec("INSERT INTO auth_keys(auth_key_id, body) VALUES (?, REPEAT('B', 342))", perm)
	}
	if err == nil {
		_, err = tx.Exec("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id, temp_auth_key_id, media_temp_auth_key_id) VALUES (?, 0, ?, 0, 0)", perm, perm)
	}
	if err == nil {
		err = tx.Commit()
	}
	n.note("the transaction of setAuthKey", began, err)
	n.exec("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id, temp_auth_key_id, media_temp_auth_key_id) VALUES (?, 1, 0, 0, 0)", temp)
	n.exec("UPDATE auth_key_infos SET temp_auth_key_id = ? WHERE auth_key_id = ?", temp, perm)
	n.exec("UPDATE auth_key_infos SET perm_auth_key_id = ? WHERE auth_key_id = ?", perm, temp)
	n.query("SELECT auth_key_id, body FROM auth_keys WHERE auth_key_id = ?", perm)
	n.query("SELECT auth_key_id, auth_key_type, perm_auth_key_id, temp_auth_key_id, media_temp_auth_key_id FROM auth_key_infos WHERE auth_key_id = ?", temp)
	n.exec("INSERT INTO auths(auth_key_id, layer, api_id, device_model, system_version, app_version, system_lang_code, lang_pack, lang_code, system_code, proxy, params, client_ip, date_active)"+
		" VALUES (?, 223, 6, 'Pixel', '', '1', 'de', 'android', 'de', '', '', 'null', '10.0.0.1', 5)"+
		" ON DUPLICATE KEY UPDATE layer = VALUES(layer), client_ip = VALUES(client_ip), date_active = VALUES(date_active)", perm)
	n.exec("INSERT INTO auths(auth_key_id, layer, api_id, params, client_ip, date_active) VALUES (?, 224, 0, 'null', '10.0.0.2', 6)"+
		" ON DUPLICATE KEY UPDATE layer = VALUES(layer), client_ip = VALUES(client_ip), date_active = VALUES(date_active)", perm)
	n.exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active) VALUES (?, ?, ?, 7, 7)"+
		" ON DUPLICATE KEY UPDATE hash = VALUES(hash), date_active = VALUES(date_active), deleted = 0", perm, user, perm)
	n.exec("UPDATE auth_users SET android_push_session_id = 9 WHERE auth_key_id = ? AND user_id = ?", perm, user)
	n.query("SELECT id, auth_key_id, user_id, hash, date_created, date_active, android_push_session_id FROM auth_users WHERE auth_key_id = ? AND deleted = 0", perm)
	n.query("SELECT id, auth_key_id, user_id, hash, date_created, date_active FROM auth_users WHERE user_id = ? AND deleted = 0", user)
	n.query("SELECT auth_key_id, layer, api_id, device_model, client_ip FROM auths WHERE auth_key_id = ? AND deleted = 0", rand.IntN(n.rows)+1)
	switch i % 3 {
	case 0:
		n.exec("UPDATE auth_users SET deleted = 1, date_active = 0 WHERE auth_key_id = ? AND user_id = ?", perm, user)
	case 1:
		n.exec("UPDATE auth_users SET deleted = 1, date_created = 0, date_active = 0 WHERE id IN (SELECT id FROM (SELECT id FROM auth_users WHERE user_id = ? AND deleted = 0) AS live)", user)
	}
}

// during runs stock nodes from before work until after it. None of their
// statements may fail.
func during(t *testing.T, db *sql.DB, rows int, generation int64, work func()) {
	t.Helper()
	nodes := make([]*stockNode, 4)
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for i := range nodes {
		nodes[i] = &stockNode{db: db, id: generation<<4 + int64(i) + 1, rows: rows}
		wg.Go(func() {
			for k := int64(1); ctx.Err() == nil; k++ {
				nodes[i].round(k)
			}
		})
	}
	calls := func() (n int64) {
		for _, node := range nodes {
			n += node.calls.Load()
		}
		return n
	}
	settle := func() {
		from := calls()
		require.Eventually(t, func() bool { return calls() > from+200 }, 30*time.Second, time.Millisecond)
	}
	settle()
	before, began := calls(), time.Now()
	work()
	took, meanwhile := time.Since(began), calls()-before
	settle()
	stop()
	wg.Wait()
	longest := time.Duration(0)
	for _, n := range nodes {
		if err := n.failed.Load(); err != nil {
			t.Errorf("a stock node failed: %v", *err)
		}
		longest = max(longest, time.Duration(n.longest.Load()))
	}
	t.Logf("took %v; stock nodes made %d statements meanwhile, none failed, the longest waited %v", took.Round(time.Millisecond), meanwhile, longest.Round(time.Millisecond))
}

// A stock install in use is migrated, and migrated back, while its nodes work
// on: none of their statements fails, no row is lost.
func TestMigrationsRunOnline(t *testing.T) {
	engines(t, func(t *testing.T, open func(*testing.T) *sql.DB) {
		db, direct := open(t), open(t)
		notOnGalera(t, db)
		execAll(t, db, stock()...)
		before := describe(t, db)
		rows := stockRows(t)
		fillStock(t, db, rows)
		count := func() (counts [4]int) {
			for i, table := range []string{"auth_keys", "auth_key_infos", "auths", "auth_users"} {
				require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM "+table+" WHERE auth_key_id <= ?", rows).Scan(&counts[i]))
			}
			return counts
		}
		require.Equal(t, [4]int{rows, rows, rows, rows}, count())

		during(t, db, rows, 1, func() {
			applied, err := Migrate(t.Context(), db, true, nil)
			require.NoError(t, err)
			for _, a := range applied {
				t.Logf("%s: %v", a.File, a.Took.Round(time.Millisecond))
			}
		})
		execAll(t, direct, Statements()...)
		require.Equal(t, describe(t, direct), describe(t, db))
		require.Equal(t, [4]int{rows, rows, rows, rows}, count())

		during(t, db, rows, 2, func() {
			undone, err := Unmigrate(t.Context(), db, nil)
			require.NoError(t, err)
			require.Len(t, undone, len(files()))
		})
		// client_ip keeps its width: what was written would not fit.
		wide := slices.Clone(before)
		for i := range wide {
			wide[i] = strings.ReplaceAll(wide[i], "varchar(32)", "varchar(45)")
		}
		require.Equal(t, wide, describe(t, db))
		require.Equal(t, [4]int{rows, rows, rows, rows}, count())

		_, err := Migrate(t.Context(), db, true, nil)
		require.NoError(t, err, "and forth again")
		require.Equal(t, describe(t, direct), describe(t, db))
	})
}
