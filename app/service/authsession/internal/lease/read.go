package lease

import (
	"context"

	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

// Read is what Redis said of several keys that were asked for in one round trip, for
// LoadAfter. It belongs to one call: what is old has to be asked for again.
type Read map[string]*reading

type reading struct {
	token, text string
	err         error
}

// ReadAll asks Redis for several keys at once.
func (c *Cache) ReadAll(ctx context.Context, keys ...string) Read {
	calls := make([]redisring.Call, len(keys))
	for i, key := range keys {
		calls[i] = readCall(key, "")
	}
	results, errs := c.ring.RunEach(ctx, readScript, calls)
	r := make(Read, len(keys))
	for i, key := range keys {
		one := &reading{}
		if errs != nil {
			one.err = errs[i]
		}
		if one.err == nil {
			one.token, one.text = readResult(results[i])
		}
		r[key] = one
	}
	return r
}

// take returns what was said of key, once, and asks Redis after that.
func (r Read) take(ctx context.Context, c *Cache, key, unreadable string) (token, text string, err error) {
	if one := r[key]; one != nil {
		delete(r, key)
		return one.token, one.text, one.err
	}
	return c.read(ctx, key, unreadable)
}
