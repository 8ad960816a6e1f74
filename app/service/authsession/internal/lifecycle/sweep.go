package lifecycle

import (
	"context"
	"errors"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/metric"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

// sweptKeys and sweepRuns (by result: done, busy, stopped, error) count what
// sweepers do.
var (
	sweptKeys = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "sweep",
		Name:      "keys_total",
		Help:      "Ended temporary keys that were removed.",
	})
	sweepRuns = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "sweep",
		Name:      "runs_total",
		Help:      "Runs of the sweeper of ended temporary keys by result: done, busy (another node was at it), stopped, error.",
		Labels:    []string{"result"},
	})
)

// firstSweep is when a node sweeps first, at the latest: soon enough for nodes
// that never live for a whole period.
const firstSweep = time.Minute

// SweepOptions are those of the removal of temp keys whose time is over.
type SweepOptions struct {
	Enabled bool
	Period  time.Duration // between two runs of a node, ±10 %
	Batch   int           // keys in one transaction
	Pause   time.Duration // between two batches
	Grace   time.Duration // how long an ended key stays; more than clocks differ
}

// sweeper removes ended temp keys now and then, on one node at a time.
type sweeper struct {
	dao  *dao.Dao
	conf SweepOptions
}

// StartSweeper starts one. Stop makes the batch under way the last. Nil, when it is not enabled.
func StartSweeper(d *dao.Dao, c SweepOptions) *worker.Worker {
	if !c.Enabled {
		return nil
	}
	s := &sweeper{dao: d, conf: c}
	return worker.Start(worker.Job{
		Name: "sweep", Spread: min(firstSweep, c.Period), Every: c.Period, JitterPct: 10,
		Run: func(ctx context.Context) error { s.run(ctx); return nil },
	})
}

// run removes all there is to remove, in batches.
func (s *sweeper) run(ctx context.Context) {
	began := time.Now()
	sweep, err := s.dao.StartSweep(ctx, s.conf.Grace)
	switch {
	case errors.Is(err, dao.ErrSweeping):
		sweepRuns.Inc("busy")
		return
	case err != nil && ctx.Err() != nil:
		return
	case err != nil:
		sweepRuns.Inc("error")
		logx.Error(err)
		return
	}
	defer sweep.Close()
	keys, batches, result := s.batches(ctx, sweep.Batch)
	sweptKeys.Add(float64(keys))
	if result == "done" {
		_, _, result = s.batches(ctx, sweep.Marks)
	}
	sweepRuns.Inc(result)
	logx.Infof("sweep: %d ended temp keys removed in %d batches and %v: %s", keys, batches, time.Since(began).Round(time.Millisecond), result)
}

// batches removes until nothing is left to remove.
func (s *sweeper) batches(ctx context.Context, remove func(ctx context.Context, limit int) (int, error)) (removed, batches int, result string) {
	for {
		// What has begun is finished: a batch is short.
		n, err := remove(context.WithoutCancel(ctx), s.conf.Batch)
		if err != nil {
			logx.Error(err)
			return removed, batches, "error"
		}
		if n == 0 {
			return removed, batches, "done"
		}
		removed, batches = removed+n, batches+1
		pause := s.conf.Pause
		if n < s.conf.Batch {
			pause = 0 // little is left
		}
		if !worker.Sleep(ctx, pause) {
			return removed, batches, "stopped"
		}
	}
}
