package dao

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
)

// CountActive counts the live logins that were used at or after since (Unix
// seconds), from one index.
func (d *Dao) CountActive(ctx context.Context, since int64) (n int64, err error) {
	if err := d.conn.QueryRowCtx(ctx, &n, "SELECT COUNT(*) FROM auth_users FORCE INDEX (idx_deleted_active) WHERE deleted = 0 AND date_active >= ?", since); err != nil {
		return 0, fmt.Errorf("sessions: %w", err)
	}
	return n, nil
}

// SignIns counts the logins that began at or after since, by the second (Unix). It
// reads the rows of that time from an index.
func (d *Dao) SignIns(ctx context.Context, since int64) (counts map[int64]int64, err error) {
	counts = map[int64]int64{}
	for _, table := range []string{"auth_users", "auth_user_history"} {
		var rows []struct {
			At int64 `db:"date_created"`
			N  int64 `db:"n"`
		}
		err := d.conn.QueryRowsCtx(ctx, &rows, "SELECT date_created, COUNT(*) AS n FROM "+table+" FORCE INDEX (idx_created)"+
			" WHERE date_created >= ? GROUP BY date_created ORDER BY date_created LIMIT ?", since, signInRows)
		if err != nil {
			return nil, fmt.Errorf("sessions: %w", err)
		}
		for _, r := range rows {
			counts[r.At] += r.N
		}
	}
	return counts, nil
}

// signInRows is an hour and a minute of seconds: a clock that is ahead makes no more.
const signInRows = 3700

// CleanupRun is a run of the clean-up worker that has ended.
type CleanupRun struct {
	EndedAt  time.Time
	Took     time.Duration
	Result   string
	Sessions int64 // that it ended, or, where it waits for an operator, would
	Removed  int64 // rows
	Node     string
}

const (
	keptRuns  = 200
	widthNode = 64
)

// NoteCleanup keeps what came of a run, with those before it, 200 in all.
func (d *Dao) NoteCleanup(ctx context.Context, r CleanupRun) error {
	host, _ := os.Hostname()
	result, err := d.conn.ExecCtx(ctx, "INSERT INTO auth_cleanup_runs(ended_at, took_ms, result, sessions, removed, node) VALUES (?, ?, ?, ?, ?, ?)",
		d.now().UnixMilli(), r.Took.Milliseconds(), r.Result, r.Sessions, r.Removed, device.Text(host, widthNode))
	if err == nil {
		var id int64
		if id, err = result.LastInsertId(); err == nil {
			_, err = d.conn.ExecCtx(ctx, "DELETE FROM auth_cleanup_runs WHERE id <= ?", id-keptRuns)
		}
	}
	if err != nil {
		return fmt.Errorf("runs of the clean-up: %w", err)
	}
	return nil
}

// CleanupRuns are the last runs on all nodes, the latest first.
func (d *Dao) CleanupRuns(ctx context.Context, limit int) (list []CleanupRun, err error) {
	var rows []struct {
		EndedAt  int64  `db:"ended_at"`
		Took     int64  `db:"took_ms"`
		Result   string `db:"result"`
		Sessions int64  `db:"sessions"`
		Removed  int64  `db:"removed"`
		Node     string `db:"node"`
	}
	if err := d.conn.QueryRowsCtx(ctx, &rows, "SELECT ended_at, took_ms, result, sessions, removed, node FROM auth_cleanup_runs ORDER BY id DESC LIMIT ?", limit); err != nil {
		return nil, fmt.Errorf("runs of the clean-up: %w", err)
	}
	for _, r := range rows {
		list = append(list, CleanupRun{time.UnixMilli(r.EndedAt), time.Duration(r.Took) * time.Millisecond, r.Result, r.Sessions, r.Removed, r.Node})
	}
	return list, nil
}
