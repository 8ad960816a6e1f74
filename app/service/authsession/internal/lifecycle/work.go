package lifecycle

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

// Work is all that a node does beside answering calls.
type Work struct{ parts []part }

type part interface {
	Stop() (stopped <-chan struct{})
}

// StartWork starts what c enables: the warm-up of the cache, the sweep, the
// clean-up, the relay of events, the webhooks, the keeper of their dead letters.
func StartWork(d *dao.Dao, m *sessions.Manager, c config.Config) *Work {
	w := &Work{parts: []part{
		StartWarmer(d, c.Warmup),
		StartSweeper(d, c.Sweep),
		StartCleaner(d, m, c.Cleanup),
		d.StartRelay(c.Events),
		d.StartKeeper(),
	}}
	for _, h := range d.StartHooks(c.Events) {
		w.parts = append(w.parts, h)
	}
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
		waits := make([]<-chan struct{}, len(w.parts))
		for i, p := range w.parts {
			waits[i] = p.Stop()
		}
		for _, wait := range waits {
			<-wait
		}
	}()
	return all
}
