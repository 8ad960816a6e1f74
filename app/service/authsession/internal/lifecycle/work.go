package lifecycle

import (
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

// Work is all that a node does beside answering calls.
type Work struct{ parts []part }

type part interface {
	Stop() (stopped <-chan struct{})
}

// StartWork starts what c enables: the sweep, the clean-up, the relay of
// events, the webhooks.
func StartWork(d *dao.Dao, m *sessions.Manager, c config.Config) *Work {
	if c.Cleanup.Enabled && c.Mysql.Active < 2 { // one holds the lock, another does the work
		logx.Error("config key Cleanup: off, since it needs two connections and Mysql.Active is 1")
		c.Cleanup.Enabled = false
	}
	w := &Work{parts: []part{
		StartSweeper(d, c.Sweep),
		StartCleaner(d, m, c.Cleanup),
		d.StartRelay(c.Events),
	}}
	if hooks := len(c.Events.Webhooks); hooks > 0 && c.Mysql.Active < hooks+2 { // each holds a lock, and thereby a connection
		logx.Errorf("config key Events.Webhooks: off, since %d of them need %d connections and Mysql.Active is %d", hooks, hooks+2, c.Mysql.Active)
		c.Events.Webhooks = nil
	}
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
