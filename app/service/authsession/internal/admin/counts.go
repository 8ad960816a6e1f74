package admin

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/syncx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

// countEvery is how often the logins are counted at most: a count reads an index
// from end to end, which for a million logins takes a third of a second.
const countEvery = 15 * time.Second

// counter counts all logins, at most once in countEvery however often it is asked.
// Those who ask while it counts wait for that one count.
type counter struct {
	sessions Sessions
	within   time.Duration // a login that was used within it is online
	timeout  time.Duration
	now      func() time.Time

	flight syncx.SingleFlight
	last   atomic.Pointer[counts]
}

// counts are what a count came to.
type counts struct {
	sessions.Statistics
	online int64
	at     time.Time
}

func newCounter(s Sessions, within, timeout time.Duration, now func() time.Time) *counter {
	return &counter{sessions: s, within: within, timeout: timeout, now: now, flight: syncx.NewSingleFlight()}
}

func (c *counter) get(ctx context.Context) (*counts, error) {
	if kept := c.last.Load(); kept != nil && c.now().Sub(kept.at) < countEvery {
		return kept, nil
	}
	counted, err := c.flight.Do("", func() (any, error) { return c.count(ctx) })
	if err != nil {
		return nil, err
	}
	return counted.(*counts), nil
}

// count serves others than the caller, too, whose leaving must not end it.
func (c *counter) count(ctx context.Context) (*counts, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
	defer cancel()
	n := &counts{at: c.now()}
	var err error
	if n.Statistics, err = c.sessions.Statistics(ctx); err == nil {
		n.online, err = c.sessions.Online(ctx, c.within)
	}
	if err != nil {
		return nil, err
	}
	c.last.Store(n)
	return n, nil
}
