package events

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
)

// Keeper removes dead letters that are older than deadKeep, whichever webhooks are
// configured, also where none is any more. Nodes may do it side by side.
type Keeper struct {
	stop context.CancelFunc
	done chan struct{}
}

// StartKeeper starts one on the table in db; Stop ends it.
func StartKeeper(db *sql.DB) *Keeper {
	ctx, stop := context.WithCancel(context.Background())
	k := &Keeper{stop: stop, done: make(chan struct{})}
	go k.loop(ctx, db)
	return k
}

// Stop ends the keeper. The channel is closed when nothing is under way any more.
func (k *Keeper) Stop() (stopped <-chan struct{}) {
	k.stop()
	return k.done
}

func (k *Keeper) loop(ctx context.Context, db *sql.DB) {
	defer close(k.done)
	timer := time.NewTimer(rand.N(deadEvery))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := ForgetDead(ctx, db, time.Now().Add(-deadKeep)); err != nil && ctx.Err() == nil {
			logx.Error(err)
		}
		timer.Reset(deadEvery)
	}
}

// ForgetDead removes dead letters of before.
func ForgetDead(ctx context.Context, db *sql.DB, before time.Time) error {
	for {
		one, cancel := context.WithTimeout(ctx, stepBound)
		result, err := db.ExecContext(one, "DELETE FROM session_webhook_dead WHERE died_at < ? ORDER BY died_at LIMIT ?", before.UnixMilli(), deadBatch)
		cancel()
		if err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n < deadBatch {
			return err
		}
	}
}
