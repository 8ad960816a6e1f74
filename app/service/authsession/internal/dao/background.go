package dao

import (
	"context"
	"fmt"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dblock"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

// appendEvents writes events in the transaction of their change, unless no stream
// is configured: then nobody would ever take them off their table.
func (d *Dao) appendEvents(ctx context.Context, tx sqlx.Session, list ...events.Event) error {
	if !d.announces {
		return nil
	}
	return events.Append(ctx, tx, list...)
}

// StartHooks starts the webhooks; Stop each before Close.
func (d *Dao) StartHooks(c events.Options) []*worker.Worker { return events.StartHooks(d.db, knows, c) }

// knows reports whether anything is stored of a user. Nothing is of one who was erased, and of
// one whose logins ended so long ago that they were removed.
func knows(ctx context.Context, tx sqlx.Session, userID int64) (known bool, err error) {
	err = tx.QueryRowCtx(ctx, &known, "SELECT EXISTS (SELECT 1 FROM auth_users WHERE user_id = ?) OR EXISTS (SELECT 1 FROM auth_user_history WHERE user_id = ?)"+
		" OR EXISTS (SELECT 1 FROM auth_user_settings WHERE user_id = ?)", userID, userID, userID)
	return known, err
}

// StartKeeper starts removing old dead letters of webhooks; Stop it before Close.
func (d *Dao) StartKeeper() *worker.Worker { return events.StartKeeper(d.db) }

// StartRelay starts publishing what was announced; Stop it before Close.
func (d *Dao) StartRelay(c events.Options) *worker.Worker { return events.StartRelay(d.db, d.kv, c) }

// cleanupWaits names the row that says that the clean-up waits.
const cleanupWaits = "authsession.cleanup.waits"

// CleanupWaits reports whether the database has logins of a stock install, which
// no clean-up by itself ends until AllowCleanup was called.
func (d *Dao) CleanupWaits(ctx context.Context) (waits bool, err error) {
	if err := d.conn.QueryRowCtx(ctx, &waits, "SELECT COUNT(*) FROM session_fences WHERE name = ?", cleanupWaits); err != nil {
		return false, fmt.Errorf("whether the clean-up waits: %w", err)
	}
	return waits, nil
}

// AllowCleanup ends the waiting, for all nodes and for good.
func (d *Dao) AllowCleanup(ctx context.Context) error {
	if _, err := d.conn.ExecCtx(ctx, "DELETE FROM session_fences WHERE name = ?", cleanupWaits); err != nil {
		return fmt.Errorf("allowing the clean-up: %w", err)
	}
	return nil
}

// Lock takes a lock of the database for a piece of background work; see
// package dblock.
func (d *Dao) Lock(ctx context.Context, name string) (*dblock.Lock, error) {
	return dblock.Take(ctx, d.db, name)
}
