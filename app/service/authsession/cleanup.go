package authsession

import (
	"context"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/lifecycle"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
)

// CleanupOptions are those of one clean-up.
type CleanupOptions struct {
	OlderThan time.Duration // idle for, unless the user has a time of their own
	Limit     int           // sessions to end at most; 0: all
	DryRun    bool          // count only
}

// CleanupSummary is what came of it.
type CleanupSummary = lifecycle.CleanupSummary

// Results of a clean-up.
const (
	CleanupDone    = lifecycle.CleanupDone
	CleanupLimit   = lifecycle.CleanupLimit
	CleanupBusy    = lifecycle.CleanupBusy
	CleanupStopped = lifecycle.CleanupStopped
	CleanupError   = lifecycle.CleanupError
)

// Cleanup ends the sessions that nobody uses and removes what has ended before
// Cleanup.KeepEnded, once, as a node does now and
// then: caches, session nodes and events are served as with any revocation.
// When ctx ends it finishes the batch under way.
func Cleanup(ctx context.Context, c Config, o CleanupOptions) (CleanupSummary, error) {
	db, err := lifecycle.OpenDatabase(ctx, database(c))
	if err != nil {
		return CleanupSummary{Result: CleanupError}, err
	}
	svcCtx, err := svc.New(ctx, c, db, time.Now)
	if err != nil {
		return CleanupSummary{Result: CleanupError}, err
	}
	defer func() { _ = svcCtx.Close() }()
	return lifecycle.Cleanup{
		Dao: svcCtx.Dao, Manager: svcCtx.Manager, OlderThan: o.OlderThan, Batch: c.Cleanup.BatchSize,
		Sleep: c.Cleanup.Sleep, Limit: o.Limit, Keep: c.Cleanup.KeepEnded, DryRun: o.DryRun, Allow: true, Actor: "authsession cleanup",
	}.Run(ctx)
}
