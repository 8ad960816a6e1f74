package events

import (
	"context"
	"database/sql"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

// StartKeeper starts a worker that removes dead letters which are older than deadKeep, whichever
// webhooks are configured, also where none is any more. Nodes may do it side by side.
func StartKeeper(db *sql.DB) *worker.Worker {
	return worker.Start(worker.Job{Name: "webhooks, old dead letters", Spread: deadEvery, Every: deadEvery, Run: func(ctx context.Context) error {
		return ForgetDead(ctx, db, time.Now().Add(-deadKeep))
	}})
}

// ForgetDead removes dead letters of before.
func ForgetDead(ctx context.Context, db *sql.DB, before time.Time) error {
	return removeDead(ctx, db, "died_at < ? ORDER BY died_at", before.UnixMilli())
}
