package admin

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
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
	alive context.Context
	stop  context.CancelFunc
}

func newKeeper(rows *audit.Log, keep, brief time.Duration) *keeper {
	k := &keeper{rows: rows, keep: keep, brief: brief}
	k.alive, k.stop = context.WithCancel(context.Background())
	return k
}

func (k *keeper) run() {
	if k.rows == nil {
		return
	}
	timer := time.NewTimer(rand.N(pruneEvery))
	defer timer.Stop()
	for {
		select {
		case <-k.alive.Done():
			return
		case <-timer.C:
		}
		k.prune()
		timer.Reset(pruneEvery)
	}
}

func (k *keeper) prune() {
	if k.keep > 0 {
		k.batches(k.keep, k.rows.Prune)
	}
	k.batches(k.brief, k.rows.PruneRefusals)
	k.batches(audit.KeepAnswers, k.rows.PruneAnswers)
}

func (k *keeper) batches(keep time.Duration, prune func(ctx context.Context, keep time.Duration, limit int) (int, error)) {
	for k.alive.Err() == nil {
		n, err := prune(k.alive, keep, pruneBatch)
		if err != nil && k.alive.Err() == nil {
			logx.Error(err)
		}
		if err != nil || n < pruneBatch {
			return
		}
	}
}
