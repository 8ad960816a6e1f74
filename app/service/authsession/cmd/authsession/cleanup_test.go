package main

import (
	"database/sql"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// runCleanup runs the program and returns what it printed and its code.
func runCleanup(t *testing.T, args ...string) (report cleanupReport, out string, code int) {
	t.Helper()
	p := start(t, append([]string{"cleanup"}, args...)...)
	code, _ = p.exit(30 * time.Second)
	out = p.output()
	for _, line := range strings.Split(out, "\n") {
		if strings.HasPrefix(line, "{") {
			require.NoError(t, json.Unmarshal([]byte(line), &report))
		}
	}
	return report, out, code
}

func TestCleanupUsage(t *testing.T) {
	_, out, code := runCleanup(t, "--help")
	require.Zero(t, code)
	for _, word := range []string{"Exit code: 0", "-dry-run", "-limit", "-older-than"} {
		require.Contains(t, out, word)
	}
	for _, args := range [][]string{{"what"}, {"--limit", "-1"}, {"--older-than", "soon"}} {
		_, _, code := runCleanup(t, args...)
		require.Equal(t, exitUsage, code, args)
	}
	_, out, code = runCleanup(t, "-f", "/nowhere.yaml")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "/nowhere.yaml")
}

func TestCleanup(t *testing.T) {
	dsn := testenv.DSN(t, true)
	path := file(t, "stock-etc.yaml", values(t, dsn))
	db := testenv.Open(t, dsn)
	exec := func(query string, args ...any) sql.Result {
		t.Helper()
		result, err := db.Exec(query, args...)
		require.NoError(t, err)
		return result
	}
	old := time.Now().Add(-40 * 24 * time.Hour).Unix()
	for id := range 5 {
		exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active) VALUES (?, 7, ?, ?, ?)", id+1, id+1, old, old)
	}
	exec("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active) VALUES (9, 7, 9, ?, ?)", old, time.Now().Unix())
	live := func() (n int) {
		require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM auth_users WHERE deleted = 0").Scan(&n))
		return n
	}
	for _, step := range []struct {
		args     []string
		result   string
		sessions int
		left     int
	}{
		{[]string{"--older-than", "720h", "--dry-run"}, "done", 5, 6},
		{nil, "done", 0, 6}, // 180 days
		{[]string{"--older-than", "720h", "--limit", "2"}, "limit", 2, 4},
		{[]string{"--older-than", "720h"}, "done", 3, 1},
		{[]string{"--older-than", "720h"}, "done", 0, 1},
	} {
		report, out, code := runCleanup(t, append([]string{"-f", path}, step.args...)...)
		require.Zero(t, code, out)
		require.Equal(t, []any{step.result, step.sessions, step.left}, []any{report.Result, report.Sessions, live()}, out)
	}
	_, _, code := runCleanup(t, "-f", path, "--older-than", "10m")
	require.Equal(t, exitUsage, code, "sessions in use would end")

	_, err := db.ExecContext(t.Context(), "UPDATE session_fences SET token = token + 1, lease_until = UNIX_TIMESTAMP() + 50 WHERE name = 'authsession.cleanup'")
	require.NoError(t, err)
	report, _, code := runCleanup(t, "-f", path)
	require.Equal(t, []any{exitBusy, "busy"}, []any{code, report.Result})
}
