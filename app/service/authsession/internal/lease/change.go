package lease

import (
	"context"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

const releaseTimeout = 2 * time.Second

// Outcome is what came of a write.
type Outcome int

// Outcomes.
const (
	Undone  Outcome = iota // it has changed nothing
	Written                // it is there for all to see
	Unknown                // the database did not say
)

// Change is a write of the database that makes cached values stale. It belongs
// to one goroutine.
type Change struct {
	c     *Cache
	token string
	keys  []string        // in the order in which they came
	held  map[string]bool // by key: Redis was told
}

// Begin begins one. End must follow.
func (c *Cache) Begin() *Change {
	return &Change{c: c, token: newToken('w'), held: map[string]bool{}}
}

// Hold keeps keys from being cached. It must be called with every key that the
// write makes stale, before the write can be seen by others; best with all at
// once, which takes one round trip for 256 keys of a Redis node. It returns the
// keys that Redis could not be told of: the ledger has to have them when the
// write is there.
func (w *Change) Hold(ctx context.Context, keys ...string) (missed []string) {
	fresh := make([]string, 0, len(keys))
	for _, key := range keys {
		held, known := w.held[key]
		switch {
		case held:
			continue
		case !known:
			w.keys = append(w.keys, key)
		}
		w.held[key] = false
		fresh = append(fresh, key)
	}
	errs := w.c.runEach(ctx, holdScript, fresh, w.token, tokenLife.Milliseconds())
	for i, key := range fresh {
		if errs == nil || errs[i] == nil {
			w.held[key] = true
		} else {
			missed = append(missed, key)
		}
	}
	if err := redisring.First(errs); err != nil {
		failures.Errorf("cache: cannot hold %d keys before their change: %v", len(missed), err)
	}
	return missed
}

// End ends the change. When it returns, no node shows what was before a change that is
// Written, but for the limits of the package: the keys are clean, or whoever looks into
// the ledger has seen them there. That takes about a second more where Redis could not
// be told. Less is promised when ctx ends or the cache is closed meanwhile.
func (w *Change) End(ctx context.Context, outcome Outcome) { w.Release(ctx, outcome).Wait(ctx) }

// Release is the part of End that does not wait for other nodes; Wait does. nil: there
// is nothing to wait for.
func (w *Change) Release(ctx context.Context, outcome Outcome) *Untold {
	if len(w.keys) == 0 {
		return nil
	}
	ended := time.Now()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if outcome == Unknown {
		counted.Add(float64(len(w.keys)), "unknown")
		w.c.owe(w.keys, debt{token: w.token, doubtful: true})
		w.c.goOn()
		return nil
	}
	var held, missed []string
	for _, key := range w.keys {
		if w.held[key] {
			held = append(held, key)
		} else {
			missed = append(missed, key)
		}
	}
	if outcome == Written && len(missed) > 0 {
		counted.Add(float64(len(missed)), "remembered")
		w.c.owe(missed, debt{listed: true})
		w.c.goOn()
	}
	errs := w.c.runEach(bounded, releaseScript, held, w.token)
	failed := failedOf(held, errs)
	if outcome != Written || len(missed)+len(failed) == 0 {
		return nil
	}
	u := &Untold{c: w.c, token: w.token, keys: slices.Concat(missed, failed), ended: ended, listed: ended}
	if len(failed) > 0 {
		failures.Errorf("cache: cannot release changed keys, going on in the background: %v", redisring.First(errs))
		w.c.owe(failed, debt{token: w.token}) // first: Close hands it on
		u.rest = failed
		u.remember(ctx)
		w.c.goOn()
	}
	return u
}

// runEach runs a script on values and their guards.
func (c *Cache) runEach(ctx context.Context, script *redisring.Script, keys []string, args ...any) (errs []error) {
	calls := make([]redisring.Call, len(keys))
	for i, key := range keys {
		calls[i] = redisring.Call{Keys: []string{key, guard(key)}, Args: args}
	}
	_, errs = c.ring.RunEach(ctx, script, calls)
	return errs
}

func failedOf(keys []string, errs []error) (failed []string) {
	for i, key := range keys {
		if errs != nil && errs[i] != nil {
			failed = append(failed, key)
		}
	}
	return failed
}

// Drop takes a value out of the cache that is not stale, but of no use.
func (c *Cache) Drop(ctx context.Context, key string) {
	w := c.Begin()
	w.Hold(ctx, key)
	w.End(ctx, Undone)
}
