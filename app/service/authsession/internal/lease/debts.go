package lease

import (
	"context"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

const (
	period      = 500 * time.Millisecond // between two looks into the ledger
	roundBound  = 5 * time.Second
	partingTime = 2 * time.Second
	maxListed   = 1000 // entries that a look reads

	// tellWithin is how old a change may be that session nodes are still told of when its
	// keys are released late. Session nodes read a login in use again once a minute, so
	// older changes have reached them; and after a long outage of Redis there are very
	// many.
	tellWithin = 2 * time.Minute
)

// Ledger remembers, beside the database and as safe as it, keys that Redis could
// not be told of.
type Ledger interface {
	// Remember adds keys. Writes that know of theirs in time add them in their
	// own transaction.
	Remember(ctx context.Context, keys []string) error
	// Listed returns up to limit entries, the oldest first.
	Listed(ctx context.Context, limit int) ([]Entry, error)
	// Forget removes entries.
	Forget(ctx context.Context, ids []int64) error
	// Settled returns those of keys whose writes have ended in the database, one way or
	// the other. The others may still be committed.
	Settled(ctx context.Context, keys []string) ([]string, error)
}

// Entry is a key in the ledger.
type Entry struct {
	ID    int64
	Key   string
	Since time.Time
}

// debt is what a key still needs that has changed, or may have.
type debt struct {
	token    string // of the write, if it was this node's
	doubtful bool   // whether it has changed is not known
	listed   bool   // the ledger has it: whichever node can, releases it
	round    uint64 // the look into the ledger that it was seen in, or came after
}

// owe notes what is to be done about keys. Till then this node does not believe
// the cache for them.
func (c *Cache) owe(keys []string, d debt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		c.note(key, d)
	}
}

// goOn has the follow-up do what can be done now.
func (c *Cache) goOn() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Cache) note(key string, d debt) {
	d.round = c.round
	if before := c.debts[key]; before != nil {
		d.listed = d.listed || before.listed
		d.doubtful = d.doubtful || before.doubtful
		if d.token == "" {
			d.token = before.token
		}
	}
	c.debts[key] = &d
}

// owes reports whether the cache is not to be believed for a key.
func (c *Cache) owes(key string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.blind || c.debts[key] != nil
}

// Owed is how many keys this node does not believe the cache for.
func (c *Cache) Owed() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.debts)
}

// tokens returns the keys whose debts are such, with the tokens of their writes.
func (c *Cache) tokens(such func(*debt) bool) map[string]string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	found := map[string]string{}
	for key, d := range c.debts {
		if such(d) {
			found[key] = d.token
		}
	}
	return found
}

// look looks into the ledger, twice a second. What is to be done about what it finds is
// done beside it, since that takes as long as Redis does: other nodes count on the looks.
func (c *Cache) look(ctx context.Context) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		bounded, cancel := context.WithTimeout(ctx, roundBound)
		entries := c.list(bounded)
		cancel()
		if len(entries) > 0 || c.own() {
			c.goOn()
		}
	}
}

// own reports whether this node has something to do that the ledger does not tell of.
func (c *Cache) own() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, d := range c.debts {
		if d.token != "" {
			return true
		}
	}
	return false
}

// followUp does what is to be done, whenever something is.
func (c *Cache) followUp(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			c.part()
			return
		case <-c.wake:
		}
		for c.lookOnce(ctx) {
		}
	}
}

// part hands to the ledger what this node alone knows of.
func (c *Cache) part() {
	ctx, cancel := context.WithTimeout(context.Background(), partingTime)
	defer cancel()
	c.clear(ctx)
	if c.settle(ctx) {
		c.clear(ctx)
	}
}

// lookOnce does what can be done now. It reports whether there is more. What has to be
// found out comes last, since that waits for other transactions.
func (c *Cache) lookOnce(ctx context.Context) (more bool) {
	ctx, cancel := context.WithTimeout(ctx, roundBound)
	defer cancel()
	c.clear(ctx)
	more = c.clearListed(ctx)
	if c.settle(ctx) {
		c.clear(ctx)
	}
	return more
}

// settle finds out about writes whose outcome is not known, and reports whether it has
// for some. Until they are settled, nothing is cached: their tokens are renewed.
func (c *Cache) settle(ctx context.Context) (some bool) {
	tokens := c.tokens(func(d *debt) bool { return d.doubtful })
	if len(tokens) == 0 {
		return false
	}
	keys, calls := callsOf(tokens, valueLife.Milliseconds())
	if _, errs := c.ring.RunEach(ctx, holdScript, calls); errs != nil {
		failures.Errorf("cache: cannot hold keys of writes whose outcome is not known: %v", redisring.First(errs))
	}
	settled, err := c.ledger.Settled(ctx, keys)
	if err != nil {
		failures.Errorf("cache: the outcome of writes is not known yet: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range settled {
		if d := c.debts[key]; d.token == tokens[key] { // else another write has come since
			d.doubtful, some = false, true
		}
	}
	return some
}

// clear releases what this node alone knows of, or has the ledger remember it.
func (c *Cache) clear(ctx context.Context) {
	tokens := c.tokens(func(d *debt) bool { return !d.doubtful && d.token != "" })
	if len(tokens) == 0 {
		return
	}
	keys, calls := callsOf(tokens)
	_, errs := c.ring.RunEach(ctx, releaseScript, calls)
	remembered := false
	if failed := failedOf(keys, errs); len(failed) > 0 {
		err := c.ledger.Remember(ctx, failed)
		if remembered = err == nil; remembered {
			counted.Add(float64(len(failed)), "remembered")
		} else {
			failures.Errorf("cache: changed keys are known to this node alone: %v", err)
		}
	}
	var released []string
	c.mu.Lock()
	for i, key := range keys {
		d := c.debts[key]
		switch {
		case d == nil || d.token != tokens[key]: // the ledger has it, or another write has come since
		case errs == nil || errs[i] == nil:
			released = append(released, key)
			if d.token = ""; !d.listed {
				delete(c.debts, key)
			}
		case remembered:
			d.token, d.listed, d.round = "", true, c.round
		}
	}
	c.ease()
	c.mu.Unlock()
	counted.Add(float64(len(released)), "released")
	c.tellLate(released)
}

// callsOf are the calls of a script with the token of each key.
func callsOf(tokens map[string]string, more ...any) (keys []string, calls []redisring.Call) {
	for key, token := range tokens {
		keys = append(keys, key)
		calls = append(calls, redisring.Call{Keys: []string{key, guard(key)}, Args: append([]any{token}, more...)})
	}
	return keys, calls
}

// list looks into the ledger. Until it could for the first time, nothing is
// believed.
func (c *Cache) list(ctx context.Context) (entries []Entry) {
	c.mu.Lock()
	c.round++
	round := c.round
	c.mu.Unlock()
	entries, err := c.ledger.Listed(ctx, maxListed)
	if err != nil {
		if ctx.Err() == nil {
			failures.Errorf("cache: the ledger of changed keys cannot be read: %v", err)
		}
		return nil
	}
	waiting.Set(float64(len(entries)))
	oldest.Set(0)
	if len(entries) > 0 {
		oldest.Set(max(0, time.Since(entries[0].Since).Seconds()))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if round < c.looked {
		return entries // a look that began later has ended
	}
	c.looked = round
	c.blind = len(entries) == maxListed // what comes after these is not known
	for _, e := range entries {
		c.note(e.Key, debt{listed: true})
	}
	for key, d := range c.debts {
		if d.listed && d.round < round { // another node has released it
			if d.listed = false; d.token == "" && !d.doubtful {
				delete(c.debts, key)
			}
		}
	}
	c.ease()
	return entries
}

// clearListed releases what the ledger has. It reports whether there is more
// that could be released now.
func (c *Cache) clearListed(ctx context.Context) (more bool) {
	entries := c.list(ctx)
	if len(entries) == 0 {
		return false
	}
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	errs := c.runEach(ctx, releaseScript, keys, "") // holds of writes under way stay
	var ids []int64
	var released []string
	for i, e := range entries {
		if errs == nil || errs[i] == nil {
			ids = append(ids, e.ID)
			if time.Since(e.Since) < tellWithin {
				released = append(released, e.Key)
			}
		}
	}
	if len(ids) < len(entries) {
		failures.Errorf("cache: %d changed keys wait for Redis: %v", len(entries)-len(ids), redisring.First(errs))
	}
	if len(ids) == 0 {
		return false
	}
	if err := c.ledger.Forget(ctx, ids); err != nil {
		failures.Errorf("cache: released keys stay in the ledger: %v", err)
		return false
	}
	counted.Add(float64(len(ids)), "released")
	c.tellLate(released)
	return true
}

func (c *Cache) tellLate(keys []string) {
	if len(keys) > 0 && c.late != nil {
		c.late(keys)
	}
}
