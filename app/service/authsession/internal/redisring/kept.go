package redisring

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// recent is for how long a look does without INFO on a connection that has told it.
const recent = 100 * time.Millisecond

// keeper keeps, out of the pool, the connections on which INFO was asked a short while
// ago. A connection leads to one process all its life, so what INFO said there holds
// until that process becomes a replica. One that is older goes back to the pool, which
// finds out whether it still stands before it lends it again. A pool that ends, or is
// told of a new primary, closes those that are out of it, too.
type keeper struct {
	client *redis.Client
	now    func() time.Time
	most   int // half of the pool: who waits for one of its connections is not given a kept one

	mu   sync.Mutex
	held int     // how many are out of the pool, in use or not
	free []*kept // those that are not in use; the last one was used last
}

// kept is a connection that is kept. It belongs to one look at a time.
type kept struct {
	conn   *redis.Conn
	origin string    // what INFO said; empty: it was not asked yet
	asked  time.Time // when INFO was sent
}

// newKeeper returns nil for a Redis cluster, which is not looked at.
func newKeeper(client redis.UniversalClient) *keeper {
	single, ok := client.(*redis.Client)
	if !ok {
		return nil
	}
	return &keeper{client: single, now: time.Now, most: single.Options().PoolSize / 2}
}

// current reports whether INFO was asked on c a short while ago.
func (k *keeper) current(c *kept) bool { return k.now().Sub(c.asked) < recent }

// take returns a connection, where there is none with INFO one without; nil where so
// many are kept as may be.
func (k *keeper) take() (c *kept) {
	var old []*kept
	defer func() {
		for _, c := range old {
			_ = c.conn.Close()
		}
	}()
	k.mu.Lock()
	defer k.mu.Unlock()
	for n := len(k.free); n > 0; n = len(k.free) {
		c, k.free = k.free[n-1], k.free[:n-1]
		if k.current(c) {
			return c
		}
		k.held--
		old = append(old, c)
	}
	if k.held >= k.most {
		return nil
	}
	k.held++
	return &kept{conn: k.client.Conn()}
}

// put keeps c for the next look.
func (k *keeper) put(c *kept) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.free = append(k.free, c)
}

// drop gives c back to the pool, which closes it where a call on it got no answer: one
// that came after all would be taken for the next call's.
func (k *keeper) drop(c *kept) {
	k.mu.Lock()
	k.held--
	k.mu.Unlock()
	_ = c.conn.Close()
}

// look asks for the values alone on a connection where INFO was asked a short while ago,
// and else for INFO, too.
func (k *keeper) look(ctx context.Context, list []*Sight) (origin string, able bool, err error) {
	c := k.take()
	if c == nil {
		return lookWith(ctx, k.client.Pipeline(), list)
	}
	if c.origin != "" {
		able, err = getWith(ctx, c.conn.Pipeline(), list)
		if err != nil || !able {
			k.drop(c)
			if err != nil && !refused(err) && !timedOut(err) { // Redis has closed it since; the pool knows such ones
				return lookWith(ctx, k.client.Pipeline(), list)
			}
			return "", able, err
		}
		if k.current(c) { // still, now that the values have been told
			origin = c.origin
			k.put(c)
			return origin, true, nil
		}
	}
	c.asked = k.now()
	origin, able, err = lookWith(ctx, c.conn.Pipeline(), list)
	if c.origin = origin; origin == "" {
		k.drop(c)
	} else {
		k.put(c)
	}
	return origin, able, err
}
