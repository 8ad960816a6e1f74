package testenv

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Filled says what Fill has made: perm key, login and settings i belong to
// user 1 + i/4; the login's hash is Hash(i). Temp key TempBase + i is bound to
// perm key i. One login in five has ended, one in fifty is idle for a year.
const (
	TempBase    = 1_000_000_000
	LoginsAUser = 4
	IdleEach    = 50
	hashFactor  = 1_000_003
)

// Hash is that of login i.
func Hash(i int) int64 { return int64(i+1) * hashFactor }

// Fill puts rows into each table of the final schema, or into those named
// alone, dated around now (Unix seconds), and lets the server count them.
func Fill(t testing.TB, db *sql.DB, rows int, now int64, only ...string) {
	t.Helper()
	numbers(t, db, rows)
	for _, s := range []string{
		"INSERT INTO auth_keys(auth_key_id, body) SELECT i, REPEAT('A', 342) FROM numbers",
		fmt.Sprintf("INSERT INTO auth_keys(auth_key_id, body) SELECT %d + i, REPEAT('A', 342) FROM numbers", TempBase),
		fmt.Sprintf("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id, temp_auth_key_id) SELECT i, 0, i, %d + i FROM numbers", TempBase),
		fmt.Sprintf("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) SELECT %d + i, 1, i FROM numbers", TempBase),
		fmt.Sprintf("INSERT INTO auth_key_lifetimes(auth_key_id, expires_at, bound_until) SELECT %d + i, %d + i * 10, IF(i %% 2, %d + i * 10, 0) FROM numbers",
			TempBase, now-100_000, now-90_000),
		fmt.Sprintf("INSERT INTO auths(auth_key_id, layer, api_id, device_model, system_version, app_version, lang_pack, lang_code, params, client_ip, date_active)"+
			" SELECT i, 223, 4 + i %% 3, 'Pixel', 'SDK 36', '12.1', 'android', 'de', 'null', CONCAT('10.0.', i DIV 256 %% 256, '.', i %% 256), %d - IF(i %% %d = 7, 31536000, i %% 86400) FROM numbers", now, IdleEach),
		fmt.Sprintf("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active, device_type, deleted, revoked_at, revoke_reason)"+
			" SELECT i, 1 + i DIV %d, (i + 1) * %d, %d, %d - IF(i %% %d = 7, 31536000, i %% 86400), ELT(1 + i %% 3, 'android', 'ios', 'desktop'), i %% 5 = 4, IF(i %% 5 = 4, %d, 0), IF(i %% 5 = 4, 2, 0) FROM numbers",
			LoginsAUser, hashFactor, now-40_000_000, now, IdleEach, now-1000),
		fmt.Sprintf("INSERT INTO auth_user_history(auth_key_id, user_id, hash, date_created, date_active, device_type, revoked_at, revoke_reason)"+
			" SELECT i, 1 + i DIV %d, -(i + 1) * %d, %d + i, %d + i, ELT(1 + i %% 3, 'android', 'ios', 'desktop'), %d, 2 FROM numbers",
			LoginsAUser, hashFactor, now-41_000_000, now-40_900_000, now-40_800_000),
		"INSERT INTO auth_admin_log_sessions(log_id, user_id, hash) SELECT i, i, i FROM numbers",
		"INSERT INTO auth_user_settings(user_id, authorization_ttl_days) SELECT i, IF(i % 3 = 0, 365, 0) FROM numbers",
		fmt.Sprintf("INSERT INTO auth_password_pendings(auth_key_id, owner, user_id, date_created) SELECT i, 1, IF(i %% 7 = 0, 1 + i DIV %d, 0), %d - i FROM numbers", LoginsAUser, now),
		fmt.Sprintf("INSERT INTO session_events(created_at, event_id, type, body) SELECT %d, LPAD(HEX(i), 32, '0'), 'session.changed', '{}' FROM numbers", now*1000),
		"INSERT INTO session_fences(name, token) SELECT CONCAT('name', i), 1 FROM numbers",
		fmt.Sprintf("INSERT INTO auth_admin_logs(created_at, transport, method, caller, client_ip, user_id, hash, request, code, reason, affected)"+
			" SELECT %d + i, 'grpc', 'ListSessions', 'test', '', 0, 0, '', 'OK', '', 0 FROM numbers", now*1000),
		fmt.Sprintf("INSERT INTO session_webhook_dead(name, event_id, type, user_id, attempts, died_at, retry, body) SELECT ELT(1 + i %% 2, 'test', 'other'), LPAD(HEX(i), 32, '0'),"+
			" 'session.changed', 1 + i DIV %d, 12, %d, i %% 1000 = 0, '{}' FROM numbers", LoginsAUser, now*1000),
		fmt.Sprintf("INSERT INTO auth_admin_answers(caller, idem_key, request_hash, created_at) SELECT 'test', CONCAT('k', i), REPEAT('h', 32), %d + i FROM numbers", now*1000),
		fmt.Sprintf("INSERT INTO auth_cleanup_runs(ended_at, result) SELECT %d + i, 'done' FROM numbers", now*1000),
		"DROP TABLE numbers",
		"ANALYZE TABLE auth_keys, auth_key_infos, auth_key_lifetimes, auths, auth_users, auth_user_history, auth_admin_log_sessions, auth_user_settings, auth_password_pendings, session_events, session_fences, auth_admin_logs, auth_cache_releases, session_webhook_dead, auth_admin_answers, auth_cleanup_runs",
	} {
		if into, isInsert := strings.CutPrefix(s, "INSERT INTO "); isInsert && len(only) > 0 {
			if table, _, _ := strings.Cut(into, "("); !slices.Contains(only, table) {
				continue
			}
		}
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
}

// numbers makes a table of the numbers below n.
func numbers(t testing.TB, db *sql.DB, n int) {
	t.Helper()
	const ten = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL" +
		" SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	tables, value, weight := "", "", 1
	for i := 0; weight < n; i++ {
		if i > 0 {
			tables, value = tables+", ", value+" + "
		}
		tables += fmt.Sprintf("%s AS t%d", ten, i)
		value += fmt.Sprintf("t%d.d * %d", i, weight)
		weight *= 10
	}
	for _, s := range []string{
		"CREATE TABLE numbers (i bigint NOT NULL PRIMARY KEY) ENGINE=InnoDB",
		fmt.Sprintf("INSERT INTO numbers SELECT n FROM (SELECT %s AS n FROM %s) AS all_of_them WHERE n < %d ORDER BY n", value, tables, n),
	} {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
}
