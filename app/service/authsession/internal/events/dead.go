package events

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
)

// Dead letters are events that a webhook did not take in all its attempts. They wait
// for an operator, for deadKeep, and no more than deadMost of a webhook, the oldest
// of which go first. Those of a webhook that is taken out of the configuration wait as
// long, where operators see and remove them.
const (
	deadKeep  = 30 * 24 * time.Hour
	deadMost  = 100_000
	deadError = 200  // characters
	deadBatch = 1000 // rows of a statement
	deadEvery = time.Hour
)

// bury keeps an event that is given up, and reports whether it did. One that was a dead
// letter before is none to be tried again.
//
// That of a user who was erased is not kept: their sessions' ends are events, too, and come
// after the erasure. It is looked for the user after the row is written: an erasure that
// ends meanwhile removes it, since dead letters are what it removes last.
func (h *hook) bury(ctx context.Context, d *delivery, why error) (kept bool, err error) {
	err = h.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO session_webhook_dead(name, event_id, type, user_id, attempts, error, died_at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"+
			" ON DUPLICATE KEY UPDATE attempts = attempts + VALUES(attempts), error = VALUES(error), died_at = VALUES(died_at), retry = 0",
			h.send.conf.Name, d.event.EventID, d.event.Type, d.user, d.attempts, device.Text(why.Error(), deadError), time.Now().UnixMilli(), d.event.Body)
		if err != nil {
			return err
		}
		if kept, err = h.knows(ctx, sqlx.NewSessionFromTx(tx), d.user); err != nil || kept {
			return err
		}
		return h.remove(ctx, tx, d.event.EventID)
	})
	if err != nil {
		return false, fmt.Errorf("dead letters: %w", err)
	}
	return kept, nil
}

// unbury removes a dead letter that was delivered.
func (h *hook) unbury(ctx context.Context, eventID string) error {
	err := h.change(ctx, func(ctx context.Context, tx *sql.Tx) error { return h.remove(ctx, tx, eventID) })
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	return nil
}

func (h *hook) remove(ctx context.Context, tx *sql.Tx, eventID string) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM session_webhook_dead WHERE name = ? AND event_id = ?", h.send.conf.Name, eventID)
	return err
}

// raised are dead letters that are to be tried again, the oldest first.
func (h *hook) raised(ctx context.Context, limit int) (list []row, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeBound)
	defer cancel()
	rows, err := h.db.QueryContext(ctx, "SELECT id, event_id, type, body FROM session_webhook_dead WHERE name = ? AND retry = 1 ORDER BY id LIMIT ?", h.send.conf.Name, limit)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var e row
		if err := rows.Scan(&e.ID, &e.EventID, &e.Type, &e.Body); err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

// pruneDead removes all dead letters of the hook that are too many. Whoever does it, and
// how late, they are too many: no lock is asked.
func (h *hook) pruneDead(ctx context.Context) error {
	one, cancel := context.WithTimeout(ctx, stepBound)
	defer cancel()
	var beyond int64
	err := h.db.QueryRowContext(one, "SELECT id FROM session_webhook_dead WHERE name = ? ORDER BY id DESC LIMIT 1 OFFSET ?", h.send.conf.Name, deadMost).Scan(&beyond)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	return removeDead(ctx, h.db, "name = ? AND id <= ? ORDER BY id", h.send.conf.Name, beyond)
}

// ForgetDeadOf removes all dead letters of a user.
func ForgetDeadOf(ctx context.Context, db *sql.DB, userID int64) error {
	return removeDead(ctx, db, "user_id = ? ORDER BY name, id", userID)
}

// removeDead removes all dead letters that a condition names, in an order, in batches: one
// statement for all of them might take longer than a connection waits, and nothing would
// ever go.
func removeDead(ctx context.Context, db *sql.DB, where string, args ...any) error {
	for {
		one, cancel := context.WithTimeout(ctx, stepBound)
		result, err := db.ExecContext(one, "DELETE FROM session_webhook_dead WHERE "+where+" LIMIT ?", append(args, deadBatch)...)
		cancel()
		if err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n < deadBatch {
			return err
		}
	}
}

// DeadLetter is an event that a webhook did not take.
type DeadLetter struct {
	ID       int64
	Webhook  string
	EventID  string
	Type     string
	UserID   int64
	Attempts int    // in all
	Error    string // of the last one
	DiedAt   time.Time
	Retrying bool // it is to be tried again
	Body     string
}

// DeadLetters returns up to limit dead letters of a webhook, of one user or, where
// that is 0, of all, below an id, the latest first.
func (b *Book) DeadLetters(ctx context.Context, webhook string, userID, before int64, limit int) (list []DeadLetter, err error) {
	where, args := "name = ? AND id < ?", []any{webhook, before}
	if userID != 0 {
		where, args = where+" AND user_id = ?", append(args, userID)
	}
	rows, err := b.db.QueryContext(ctx, "SELECT id, name, event_id, type, user_id, attempts, error, died_at, retry, body FROM session_webhook_dead WHERE "+
		where+" ORDER BY id DESC LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var d DeadLetter
		var at int64
		if err := rows.Scan(&d.ID, &d.Webhook, &d.EventID, &d.Type, &d.UserID, &d.Attempts, &d.Error, &at, &d.Retrying, &d.Body); err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
		d.DiedAt = time.UnixMilli(at)
		list = append(list, d)
	}
	return list, rows.Err()
}

// Chosen says which dead letters to deliver again or to remove: those with IDs, or,
// without any, the oldest thousand, of UserID alone where that is not 0.
type Chosen struct {
	Webhook string
	IDs     []int64 // at most 1000
	UserID  int64
}

func (c Chosen) where() (where string, args []any) {
	where, args = "name = ?", []any{c.Webhook}
	if len(c.IDs) > 0 {
		where += " AND id IN (?" + strings.Repeat(", ?", len(c.IDs)-1) + ")"
		for _, id := range c.IDs {
			args = append(args, id)
		}
	} else if c.UserID != 0 {
		where, args = where+" AND user_id = ?", append(args, c.UserID)
	}
	return where, args
}

// Retry has dead letters delivered again that are not under way already, and returns
// how many, and whether others are left. A dry run counts them.
func (b *Book) Retry(ctx context.Context, c Chosen, dryRun bool) (n int, more bool, err error) {
	where, args := c.where()
	return b.change(ctx, "UPDATE session_webhook_dead SET retry = 1", where+" AND retry = 0", args, dryRun)
}

// Purge removes dead letters, and returns how many, and whether others are left. One that
// is being delivered again at the moment is delivered all the same. A dry run counts them.
func (b *Book) Purge(ctx context.Context, c Chosen, dryRun bool) (n int, more bool, err error) {
	where, args := c.where()
	return b.change(ctx, "DELETE FROM session_webhook_dead", where, args, dryRun)
}

// change does a statement to the oldest rows that match.
func (b *Book) change(ctx context.Context, statement, where string, args []any, dryRun bool) (n int, more bool, err error) {
	n, more, err = b.count(ctx, "SELECT 1 FROM session_webhook_dead WHERE "+where, deadBatch, args...)
	if err != nil || dryRun {
		return n, more, err
	}
	result, err := b.db.ExecContext(ctx, statement+" WHERE "+where+" ORDER BY id LIMIT ?", append(args, deadBatch)...)
	if err != nil {
		return 0, false, fmt.Errorf("dead letters: %w", err)
	}
	changed, err := result.RowsAffected()
	return int(changed), more, err
}
