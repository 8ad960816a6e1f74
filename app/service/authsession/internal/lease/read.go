package lease

import (
	"context"
	"strings"

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

// ReadAll asks Redis for several keys at once. It looks at all of them first, in one
// round trip. What that does not find, or not to be believed, is asked of the script, in
// another one.
func (c *Cache) ReadAll(ctx context.Context, keys ...string) Read {
	r := make(Read, len(keys))
	var rest []*reading
	for i, s := range c.ring.Look(ctx, keys...) {
		one := &r[i]
		if one.key, one.err = s.Key, s.Err; s.Err != nil {
			continue
		}
		if writtenAt(s.Value, s.Origin) {
			one.text = s.Value
			continue
		}
		rest = append(rest, one)
	}
	if len(rest) > 0 {
		c.ask(ctx, rest)
	}
	return r
}

// writtenAt reports whether text is a value that was written to the Redis with that
// replication ID, as readScript does.
func writtenAt(text, origin string) bool {
	rest, found := strings.CutPrefix(text, valuePrefix)
	return found && len(origin) >= epochLength && len(rest) > epochLength && rest[:epochLength] == origin[:epochLength] && rest[epochLength] == '"'
}

// ask runs the script for several keys: once where it may have them all, which looks
// for the epoch once.
func (c *Cache) ask(ctx context.Context, list []*reading) {
	keys := make([]string, len(list))
	for i, one := range list {
		keys[i] = one.key
	}
	if c.ring.Together(keys) {
		call := readCall("", keys...)
		result, err := c.ring.Run(ctx, readScript, call.Keys, call.Args...)
		for i, one := range list {
			if one.err = err; err == nil {
				one.token, one.text = readResult(result, i)
			}
		}
		return
	}
	calls := make([]redisring.Call, len(keys))
	for i, key := range keys {
		calls[i] = readCall("", key)
	}
	results, errs := c.ring.RunEach(ctx, readScript, calls)
	for i, one := range list {
		if errs != nil {
			one.err = errs[i]
		}
		if one.err == nil {
			one.token, one.text = readResult(results[i], 0)
		}
	}
}

// take returns what was said of key, once, and asks Redis after that.
func (r Read) take(ctx context.Context, c *Cache, key, unreadable string) (token, text string, err error) {
	for i := range r {
		if one := &r[i]; one.key == key && !one.taken {
			one.taken = true
			return one.token, one.text, one.err
		}
	}
	if unreadable == "" {
		one := c.ReadAll(ctx, key)[0]
		return one.token, one.text, one.err
	}
	return c.askFor(ctx, key, unreadable)
}
