package dao

import (
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
)

// rules are what holds for users without settings of their own.
type rules struct {
	ttlDays       int64 // 0: none
	confirmWithin int64 // seconds; 0: every login counts as confirmed
	policy        Policy
	total         int // logins of a user without a strategy of their own; 0: no bound
}

// SetRules takes Sessions and Concurrency from c, from the next call on. When a login
// ends by TTLDays stands in its copy in the cache, too: a copy that is there keeps the
// old end for the hour that it lives, at most.
func (d *Dao) SetRules(c config.Config) {
	d.rules.Store(&rules{
		ttlDays:       int64(c.Sessions.TTLDays),
		confirmWithin: int64(c.Sessions.ConfirmWithin / time.Second),
		policy:        Policy{Strategy: c.Concurrency.Strategy, Limit: c.Concurrency.Limit},
		total:         c.Concurrency.Total,
	})
}
