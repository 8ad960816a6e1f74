package lifecycle

import (
	"context"
	"errors"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/metric"
	"golang.org/x/time/rate"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

var (
	warmedValues = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "warmup",
		Name:      "values_total",
		Help:      "Values of the cache that a start looked at: stored (it was missing), there.",
		Labels:    []string{"result"},
	})
	warmupRuns = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "warmup",
		Name:      "runs_total",
		Help:      "Runs by result: done, limit (Warmup.Logins), busy (another node is at it), stopped, error.",
		Labels:    []string{"result"},
	})
)

// Results of a warm-up.
const (
	warmupDone    = "done"
	warmupLimit   = "limit"
	warmupBusy    = "busy"
	warmupStopped = "stopped"
	warmupError   = "error"
)

// warmupPage is how many logins a statement finds.
const warmupPage = 200

// WarmupOptions are those of the warm-up.
type WarmupOptions struct {
	Enabled      bool
	Logins       int           // that it looks at, at most
	PerSecond    int           // of them, at most
	ActiveWithin time.Duration // who was active before is left out
}

// warmer fills the cache once, after a start, with the logins that were active
// last. A Redis that came back empty would otherwise have MySQL answer the first
// call of every key. It stores nothing that a call would not have stored, one
// login after the other.
type warmer struct {
	dao  *dao.Dao
	conf WarmupOptions
}

// StartWarmer starts one. Stop ends it at once. Nil, when it is not enabled.
func StartWarmer(d *dao.Dao, c WarmupOptions) *worker.Worker {
	if !c.Enabled {
		return nil
	}
	w := &warmer{dao: d, conf: c}
	return worker.Start(worker.Job{Name: "warm-up", Run: func(ctx context.Context) error { w.run(ctx); return nil }})
}

// warmed is what came of a run.
type warmed struct{ logins, stored, there int }

func (w *warmer) run(ctx context.Context) {
	began := time.Now()
	n, result, err := w.fill(ctx)
	switch {
	case ctx.Err() != nil:
		result, err = warmupStopped, nil
	case errors.Is(err, dao.ErrWarming):
		result, err = warmupBusy, nil
	}
	warmupRuns.Inc(result)
	warmedValues.Add(float64(n.stored), "stored")
	warmedValues.Add(float64(n.there), "there")
	took := time.Since(began).Round(time.Millisecond)
	switch {
	case err != nil:
		logx.Errorf("warm-up: of %d logins, %d values stored and %d found in %v, then: %v", n.logins, n.stored, n.there, took, err)
	case result != warmupBusy:
		logx.Infof("warm-up: of %d logins, %d values stored and %d found in %v: %s", n.logins, n.stored, n.there, took, result)
	}
}

// fill goes through the logins until there are no more, or as many as wanted were
// looked at.
func (w *warmer) fill(ctx context.Context) (n warmed, result string, err error) {
	run, err := w.dao.StartWarmup(ctx, w.conf.ActiveWithin)
	if err != nil {
		return n, warmupError, err
	}
	defer run.Close()
	pace := rate.NewLimiter(rate.Limit(w.conf.PerSecond), 1)
	for n.logins < w.conf.Logins {
		limit := min(warmupPage, w.conf.Logins-n.logins)
		page, err := run.Next(ctx, limit)
		if err != nil {
			return n, warmupError, err
		}
		for _, login := range page {
			if err := pace.Wait(ctx); err != nil {
				return n, warmupError, err
			}
			stored, there, err := run.Fill(ctx, login)
			n.stored, n.there = n.stored+stored, n.there+there
			if err != nil {
				return n, warmupError, err
			}
			n.logins++
		}
		if len(page) < limit {
			return n, warmupDone, nil
		}
	}
	return n, warmupLimit, nil
}
