package dao

import (
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// SetRules takes Sessions and Concurrency from c, from the next call on. When a login
// ends by TTLDays stands in its copy in the cache, too: a copy that is there keeps the
// old end for the hour that it lives, at most.
func (d *Dao) SetRules(c config.Config) {
	d.rules.Store(&logins.Rules{
		TTLDays:       int64(c.Sessions.TTLDays),
		ConfirmWithin: int64(c.Sessions.ConfirmWithin / time.Second),
		Strategy:      logins.Strategy(c.Concurrency.Strategy),
		Limit:         c.Concurrency.Limit,
		Total:         c.Concurrency.Total,
	})
}
