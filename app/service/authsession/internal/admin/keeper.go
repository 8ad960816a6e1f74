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
	alive context.Context
	stop  context.CancelFunc
}

func newKeeper(rows *audit.Log, keep time.Duration) *keeper {
	k := &keeper{rows: rows, keep: keep}
	k.alive, k.stop = context.WithCancel(context.Background())
	return k
}

func (k *keeper) run() {
	if k.keep == 0 {
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
	for k.alive.Err() == nil {
		n, err := k.rows.Prune(k.alive, k.keep, pruneBatch)
		if err != nil && k.alive.Err() == nil {
			logx.Error(err)
		}
		if err != nil || n < pruneBatch {
			return
		}
	}
}
