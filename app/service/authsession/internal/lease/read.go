package lease

import (
	"context"

	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

// Read is what Redis said of several keys that were asked for in one round trip, for
// LoadAfter. It belongs to one call: what is old has to be asked for again.
type Read []reading

type reading struct {
	key         string
	token, text string
	err         error
	taken       bool
}

// ReadAll asks Redis for several keys at once: in one run of the script where one has
// them all, which looks for the epoch once.
func (c *Cache) ReadAll(ctx context.Context, keys ...string) Read {
	r := make(Read, len(keys))
	for i, key := range keys {
		r[i].key = key
	}
	if c.ring.Together(keys) {
		call := readCall("", keys...)
		result, err := c.ring.Run(ctx, readScript, call.Keys, call.Args...)
		for i := range r {
			if r[i].err = err; err == nil {
				r[i].token, r[i].text = readResult(result, i)
			}
		}
		return r
	}
	calls := make([]redisring.Call, len(keys))
	for i, key := range keys {
		calls[i] = readCall("", key)
	}
	results, errs := c.ring.RunEach(ctx, readScript, calls)
	for i := range r {
		if errs != nil {
			r[i].err = errs[i]
		}
		if r[i].err == nil {
			r[i].token, r[i].text = readResult(results[i], 0)
		}
	}
	return r
}

// take returns what was said of key, once, and asks Redis after that.
func (r Read) take(ctx context.Context, c *Cache, key, unreadable string) (token, text string, err error) {
	for i := range r {
		if one := &r[i]; one.key == key && !one.taken {
			one.taken = true
			return one.token, one.text, one.err
		}
	}
	return c.read(ctx, key, unreadable)
}
