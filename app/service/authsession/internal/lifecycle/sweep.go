package lifecycle

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/metric"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
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

// Sweeper removes ended temp keys now and then, on one node at a time.
type Sweeper struct {
	dao  *dao.Dao
	conf config.Sweep
	stop context.CancelFunc
	done chan struct{}
}

// StartSweeper starts one; Stop ends it. Nil, when it is not enabled.
func StartSweeper(d *dao.Dao, c config.Sweep) *Sweeper {
	if !c.Enabled {
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Sweeper{dao: d, conf: c, stop: stop, done: make(chan struct{})}
	go s.loop(ctx)
	return s
}

// Stop makes the batch under way the last. The channel is closed when nothing
// is under way any more.
func (s *Sweeper) Stop() (stopped <-chan struct{}) {
	if s == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	s.stop()
	return s.done
}

func (s *Sweeper) loop(ctx context.Context) {
	defer close(s.done)
	wait := rand.N(min(firstSweep, s.conf.Period))
	for sleep(ctx, wait) {
		s.run(ctx)
		// Nodes that were started together drift apart.
		wait = s.conf.Period - s.conf.Period/10 + rand.N(s.conf.Period/5+1)
	}
}

// run removes all there is to remove, in batches.
func (s *Sweeper) run(ctx context.Context) {
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
func (s *Sweeper) batches(ctx context.Context, remove func(ctx context.Context, limit int) (int, error)) (removed, batches int, result string) {
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
		if !sleep(ctx, pause) {
			return removed, batches, "stopped"
		}
	}
}

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
