package lease

import (
	"context"
	"time"
)

const (
	// noticed is how long a key has to stand in the ledger until every node that looks there
	// knows of it. A look may have begun just before the key came; the next one begins a period
	// after it, and may take as long as a period.
	noticed = 2 * period
	// waitBound bounds a wait that does not find the ledger. Callers have 2 s, and more.
	waitBound = 3 * time.Second
)

// Untold are changed keys that Redis could not be told of. Other nodes may believe what
// they find there, until they have seen the keys in the ledger. It belongs to one
// goroutine.
type Untold struct {
	c     *Cache
	token string
	keys  []string
	rest  []string  // those that the ledger is not known to have
	ended time.Time // when the change was there for all to see, or soon after
	// listed is when the ledger had those that it has.
	listed time.Time
}

// Wait waits until no node believes Redis for what was before the change: until some node
// has released the keys, or every node has seen them in the ledger. It holds nothing
// meanwhile, neither a connection nor a mutex, so that many may wait beside each other.
// It gives up when ctx ends, when the cache is closed, and three seconds after the change:
// the change itself is made, and goes on to be told of as before.
func (u *Untold) Wait(ctx context.Context) {
	if u == nil {
		return
	}
	ctx, cancel := context.WithDeadline(ctx, u.ended.Add(waitBound))
	defer cancel()
	for len(u.rest) > 0 {
		if u.c.await(ctx, u.keys, period) != late {
			return
		}
		u.remember(ctx)
	}
	u.c.await(ctx, u.keys, time.Until(u.listed.Add(noticed)))
}

// remember has the ledger take the keys that it is not known to have.
func (u *Untold) remember(ctx context.Context) {
	ctx, cancel := context.WithDeadline(ctx, u.ended.Add(waitBound))
	defer cancel()
	if err := u.c.ledger.Remember(ctx, u.rest); err != nil {
		failures.Errorf("cache: changed keys are known to this node alone: %v", err)
		return
	}
	counted.Add(float64(len(u.rest)), "remembered")
	u.c.listed(u.rest, u.token)
	u.rest, u.listed = nil, time.Now()
}

// listed notes that the ledger has keys of the write with that token.
func (c *Cache) listed(keys []string, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		d := c.debts[key]
		if d == nil || d.token != token { // it was released, or another write has come since
			continue
		}
		if d.listed, d.round = true, c.round; !d.doubtful {
			d.token = ""
		}
	}
}

// awaited is how a wait ended.
type awaited int

const (
	released awaited = iota // this node owes nothing of the keys
	late                    // time was up
	ended                   // nobody waits any more, or the cache is closed
)

// await waits until this node owes nothing of keys: then somebody has released them.
func (c *Cache) await(ctx context.Context, keys []string, most time.Duration) awaited {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for {
		changed, owed := c.owesAny(keys)
		if !owed {
			return released
		}
		select {
		case <-changed:
		case <-timer.C:
			return late
		case <-ctx.Done():
			return ended
		case <-c.closing:
			return ended
		}
	}
}

// owesAny reports whether the cache is not to be believed for one of keys. The channel
// is closed when that may have changed.
func (c *Cache) owesAny(keys []string) (changed <-chan struct{}, owed bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.blind {
		return c.eased, true
	}
	for _, key := range keys {
		if c.debts[key] != nil {
			return c.eased, true
		}
	}
	return c.eased, false
}

// ease tells those who wait that less may be owed. The mutex is held.
func (c *Cache) ease() {
	close(c.eased)
	c.eased = make(chan struct{})
}
