package config

import (
	"fmt"
	"time"

	"github.com/tgsession/tgsession/app/internal/conf"
)

// Events is the stream that tells what happens to sessions.
type Events struct {
	Stream string        `json:",optional"`       // key of a Redis stream on the KV nodes; empty: no events
	MaxLen int64         `json:",default=100000"` // about as many of the newest events stay on the stream
	Poll   time.Duration `json:",default=500ms"`  // until a new event is looked for
	Batch  int           `json:",default=200"`    // events in one step, 1 to 1000
	// Retain is how long published events stay in MySQL: they are published again
	// when Redis comes back from a dump that is no older. 1m to 720h.
	Retain time.Duration `json:",default=24h"`
	// Webhooks get the events, too. None: off.
	Webhooks []Webhook `json:",optional"`
	// Touched adds session.touched: one event a session and Touch.DBInterval.
	Touched bool `json:",optional"`
}

// Enabled reports whether events are written at all.
func (e Events) Enabled() bool { return e.Stream != "" }

func (e *Events) validate() error {
	return e.validateWebhooks()
}

// Touch says how often a sign of life of a session is passed on.
type Touch struct {
	CacheInterval time.Duration `json:",default=1m"`  // to Redis, for all nodes to see
	DBInterval    time.Duration `json:",default=10m"` // to MySQL
}

func (t Touch) validate() error {
	if t.DBInterval < t.CacheInterval {
		return &conf.KeyError{
			Key: "Touch.DBInterval", Problem: fmt.Sprintf("is %v, less than Touch.CacheInterval (%v)", t.DBInterval, t.CacheInterval),
			Fix: fmt.Sprintf("give CacheInterval to %v", maxDBInterval),
		}
	}
	if t.DBInterval > maxDBInterval {
		return &conf.KeyError{
			Key: "Touch.DBInterval", Problem: fmt.Sprintf("is %v, and sessions in use would end whose TTL is a day (Sessions.TTLDays, or a user's own)", t.DBInterval),
			Fix: fmt.Sprintf("set it to %v or less", maxDBInterval),
		}
	}
	return nil
}

// shortestTTL is that of Sessions.TTLDays and of users' own: both count in days.
const shortestTTL = 24 * time.Hour

// maxDBInterval keeps leastInactive within the shortest TTL.
const maxDBInterval = shortestTTL / 3

// Cleanup is the end of logins that nobody uses, and the removal of what has ended
// long ago.
type Cleanup struct {
	Enabled bool          `json:",default=true"`
	Period  time.Duration `json:",default=1h"` // between two runs of a node
	// InactiveAfter holds for users without a time of their own.
	InactiveAfter time.Duration `json:",default=4320h"`
	BatchSize     int           `json:",default=500"`   // logins, or rows to remove, in one transaction, 1 to 5000
	Sleep         time.Duration `json:",default=200ms"` // between two batches, at most 30s
	JitterPct     int           `json:",default=10"`    // of Period, 0 to 50
	// FirstRun ends unused logins of a stock install, too. Without it a database
	// that came with some is only looked at, until authsession cleanup was run.
	FirstRun bool `json:",optional"`
	// KeepEnded is how long what has ended stays to be looked at: sessions, with their
	// addresses, and devices that nobody is logged in on and that were not heard of.
	// The clean-up removes what is older: by default after a year. At least 24h: what
	// ended lately is still needed to end it again. 0s: everything stays for ever.
	KeepEnded time.Duration `json:",default=8760h"`
}

// leastKept is longer than any copy of an ended login lives, and than a repeated
// revocation reaches back.
const leastKept = 24 * time.Hour

func (c Cleanup) validate(t Touch) error {
	if !c.Enabled {
		return nil
	}
	if least := t.leastInactive(); c.InactiveAfter < least {
		return &conf.KeyError{Key: "Cleanup.InactiveAfter", Problem: fmt.Sprintf("is %v, so short that sessions in use would end", c.InactiveAfter), Fix: "set it to " + least.String() + " or more"}
	}
	return nil
}

// leastInactive is how long a session must be idle to be taken for one: MySQL
// lags behind by DBInterval, and by what a node had not written when it died.
func (t Touch) leastInactive() time.Duration { return max(time.Hour, 3*t.DBInterval) }

// LeastInactive bounds Cleanup.InactiveAfter, and what else is asked for.
func (c *Config) LeastInactive() time.Duration { return c.Touch.leastInactive() }
