package lifecycle

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

// Work is all that a node does beside answering calls.
type Work struct{ workers []*worker.Worker }

// Options say what of it there is, and how often.
type Options struct {
	Warmup  WarmupOptions
	Sweep   SweepOptions
	Cleanup CleanupOptions
	Events  events.Options
}

// StartWork starts what o enables: the warm-up of the cache, the sweep, the
// clean-up, the relay of events, the webhooks, the keeper of their dead letters.
func StartWork(d *dao.Dao, m *sessions.Manager, o Options) *Work {
	w := &Work{workers: []*worker.Worker{
		StartWarmer(d, o.Warmup),
		StartSweeper(d, o.Sweep),
		StartCleaner(d, m, o.Cleanup),
		d.StartRelay(o.Events),
		d.StartKeeper(),
	}}
	w.workers = append(w.workers, d.StartHooks(o.Events)...)
	return w
}

// Stop ends all of it after the batches under way. The channel is closed when
// nothing is under way any more. Nil has nothing to stop.
func (w *Work) Stop() (stopped <-chan struct{}) {
	all := make(chan struct{})
	go func() {
		defer close(all)
		if w == nil {
			return
		}
		for _, one := range w.workers {
			one.Stop()
		}
		for _, one := range w.workers {
			<-one.Done()
		}
	}()
	return all
}
