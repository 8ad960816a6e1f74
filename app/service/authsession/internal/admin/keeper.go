package admin

import (
	"context"
	"errors"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

const (
	pruneEvery = time.Hour
	pruneBatch = 1000
)

// keeper removes rows of the audit log that are too old. Nodes may do it side
// by side.
type keeper struct {
	rows  *audit.Log
	keep  time.Duration // 0: for ever
	brief time.Duration // of refusals of unknown callers
}

// start starts its worker; nil, where there is no log.
func (k *keeper) start() *worker.Worker {
	if k.rows == nil {
		return nil
	}
	return worker.Start(worker.Job{Name: "admin API, old rows", Spread: pruneEvery, Every: pruneEvery, Run: k.prune})
}

func (k *keeper) prune(ctx context.Context) error {
	var kept error
	if k.keep > 0 {
		kept = batches(ctx, k.keep, k.rows.Prune)
	}
	return errors.Join(kept, batches(ctx, k.brief, k.rows.PruneRefusals), batches(ctx, audit.KeepAnswers, k.rows.PruneAnswers))
}

func batches(ctx context.Context, keep time.Duration, prune func(ctx context.Context, keep time.Duration, limit int) (int, error)) error {
	for ctx.Err() == nil {
		if n, err := prune(ctx, keep, pruneBatch); err != nil || n < pruneBatch {
			return err
		}
	}
	return nil
}
