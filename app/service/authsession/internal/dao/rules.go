package dao

import "github.com/tgsession/tgsession/app/service/authsession/internal/logins"

// SetRules replaces the rules for users without settings of their own, from the next call on.
// When a login ends by TTLDays stands in its copy in the cache, too: a copy that is there keeps
// the old end for the hour that it lives, at most.
func (d *Dao) SetRules(r logins.Rules) { d.rules.Store(&r) }
