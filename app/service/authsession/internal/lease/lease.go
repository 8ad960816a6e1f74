// Package lease is a cache-aside cache in Redis that never shows a state older
// than a finished write, however long a read of the database is delayed, on
// any of the nodes that share the Redis.
//
// Beside each value stands a guard, guard{<key>}, that holds a token:
//
//	read    miss: take the guard's token (or put an own one), read the database,
//	        store the value only if the guard still holds that token
//	write   hold: remove the value, put a writer's token, which no reader fills;
//	        change the database; release: remove value and guard
//
// A reader that began before a write holds a token that is gone by the time it
// wants to store. Should a writer die between hold and release, its token runs
// out by itself. Values, their keys and their lives are those of go-zero's
// cache (a JSON text for 7 days, "*" for "not found" for a minute, both ±5 %),
// which therefore reads them and is read.
//
// When Redis does not answer, reads go to the database. A write that could not
// release its keys is followed up until it could; till then this node does not
// ask the cache for them.
//
// The promise has one limit: a node that loses Redis for a whole write, while
// others still reach it, cannot tell them. They may be shown the value of
// before until the node is back, which it tries every second, or until the
// value's life ends, should the node not come back.
package lease

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/syncx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

const (
	valueLife    = 7 * 24 * time.Hour
	notFoundLife = time.Minute
	tokenLife    = 30 * time.Second // longer than any read or write of ours
	loadTimeout  = 5 * time.Second  // of a read that several callers share
	notFound     = "*"

	releaseTimeout = 2 * time.Second
	retryPeriod    = time.Second
	maxUnclean     = 100_000 // keys to follow up
)

// failures are logged once a second: an outage makes one of every call.
var failures = logx.NewLessLogger(1000)

// Cache is a lease cache on a ring of Redis nodes. Its methods may be called
// from any goroutine.
type Cache struct {
	ring    *redisring.Ring
	flights syncx.SingleFlight

	mu      sync.Mutex
	unclean map[string]struct{} // keys whose release failed
	closed  chan struct{}
	wake    chan struct{}
	done    sync.WaitGroup
}

// New returns a cache; Close ends it.
func New(ring *redisring.Ring) *Cache {
	c := &Cache{
		ring:    ring,
		flights: syncx.NewSingleFlight(),
		unclean: map[string]struct{}{},
		closed:  make(chan struct{}),
		wake:    make(chan struct{}, 1),
	}
	c.done.Go(c.followUp)
	return c
}

// Close ends the follow-up of failed releases. The ring stays open.
func (c *Cache) Close() {
	close(c.closed)
	c.done.Wait()
}

// Loader reads a value from the database; nil means that there is none. Store
// false keeps the result out of the cache.
type Loader[T any] func(ctx context.Context) (value *T, store bool, err error)

// Load returns the value at key, from the cache or by load; nil when there is
// none. The value is shared: it must not be changed. Kind labels the metrics.
func Load[T any](ctx context.Context, c *Cache, kind, key string, load Loader[T]) (*T, error) {
	if c.isUnclean(key) {
		requests.Inc(kind, "bypass")
		value, _, err := load(ctx)
		return value, err
	}
	unreadable := ""
	text, found, err := c.ring.Get(ctx, key)
	if err == nil && found {
		value, ok := decode[T](text)
		if ok {
			requests.Inc(kind, hitLabel(text))
			return value, nil
		}
		unreadable = text
	}
	token := ""
	if err == nil {
		token, text, err = c.miss(ctx, key, unreadable)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		requests.Inc(kind, "error")
		value, _, err := load(ctx)
		return value, err
	}
	if token == "" { // someone stored it meanwhile
		if value, ok := decode[T](text); ok {
			requests.Inc(kind, hitLabel(text))
			return value, nil
		}
	}
	requests.Inc(kind, "miss")
	if !strings.HasPrefix(token, "r") {
		// A write is under way: this read may not be stored, nor shared with a
		// reader that comes after another write's end.
		value, _, err := load(ctx)
		return value, err
	}
	// Whoever was given the same token saw no write begin in between.
	shared, err := c.flights.Do(key+token, func() (any, error) {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
		defer cancel()
		value, store, err := load(bounded)
		if err == nil && store {
			c.fill(bounded, key, token, value)
		}
		return value, err
	})
	if err != nil {
		return nil, err
	}
	return shared.(*T), nil
}

// Change runs a write of the database. Inside, before the write can be seen by
// others, hold must be called with every key that the write makes stale; after
// an error too the keys are released. The keys are clean when Change returns.
func (c *Cache) Change(ctx context.Context, write func(hold func(keys ...string)) error) error {
	token := newToken('w')
	var held []string
	defer func() { c.release(ctx, held, token) }()
	down := map[string]bool{} // nodes are asked in vain once
	return write(func(more ...string) {
		for _, key := range more {
			held = append(held, key)
			node := c.ring.Node(key)
			if down[node] {
				continue
			}
			if err := c.ring.Insist(ctx, holdScript, keys(key), token, tokenLife.Milliseconds()); err != nil {
				failures.Errorf("cache: cannot hold a key before its change: %v", err)
				down[node] = true // the release has to do the whole work
			}
		}
	})
}

// release ends a write's holds; what cannot be released is followed up.
func (c *Cache) release(ctx context.Context, held []string, token string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	down := map[string]error{}
	for _, key := range held {
		node := c.ring.Node(key)
		if down[node] == nil {
			down[node] = c.ring.Insist(ctx, releaseScript, keys(key), token)
		}
		if down[node] != nil {
			c.markUnclean(key, down[node])
		}
	}
}

// miss returns the value that is there after all, or the guard's token.
func (c *Cache) miss(ctx context.Context, key, unreadable string) (token, text string, err error) {
	result, err := c.ring.Run(ctx, missScript, keys(key), newToken('r'), tokenLife.Milliseconds(), unreadable)
	if err != nil {
		return "", "", err
	}
	pair, _ := result.([]any)
	if len(pair) != 2 {
		return "", "", nil
	}
	there, _ := pair[0].(int64)
	s, _ := pair[1].(string)
	if there == 1 {
		return "", s, nil
	}
	return s, "", nil
}

func (c *Cache) fill(ctx context.Context, key, token string, value any) {
	text, life := encode(value), valueLife
	if text == "null" {
		text, life = notFound, notFoundLife
	}
	if _, err := c.ring.Run(ctx, fillScript, keys(key), token, text, around(life).Milliseconds()); err != nil {
		failures.Errorf("cache: cannot store a value: %v", err)
	}
}

// followUp releases the unclean keys as soon as Redis lets it.
func (c *Cache) followUp() {
	tick := time.NewTicker(retryPeriod)
	defer tick.Stop()
	for {
		select {
		case <-c.closed:
			return
		case <-c.wake:
		}
		for c.releaseUnclean() {
			select {
			case <-c.closed:
				return
			case <-tick.C:
			}
		}
	}
}

// releaseUnclean reports whether keys are left.
func (c *Cache) releaseUnclean() bool {
	c.mu.Lock()
	pending := make([]string, 0, len(c.unclean))
	for key := range c.unclean {
		pending = append(pending, key)
	}
	c.mu.Unlock()
	for _, key := range pending {
		ctx, cancel := context.WithTimeout(context.Background(), retryPeriod)
		// No token: only readers' guards end, holds of other writes stay.
		err := c.ring.Insist(ctx, releaseScript, keys(key), "")
		cancel()
		if err != nil {
			return true
		}
		c.mu.Lock()
		delete(c.unclean, key)
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.unclean) > 0
}

func (c *Cache) markUnclean(key string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unclean) >= maxUnclean {
		failures.Errorf("cache: more than %d keys wait for Redis; a stale value may stay for its life: %v", maxUnclean, err)
		return
	}
	if len(c.unclean) == 0 {
		logx.Errorf("cache: cannot release changed keys, retrying every %v: %v", retryPeriod, err)
	}
	c.unclean[key] = struct{}{}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Cache) isUnclean(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, unclean := c.unclean[key]
	return unclean
}

// keys are a value's key and its guard's, in one slot of a Redis cluster.
func keys(key string) []string { return []string{key, "guard{" + key + "}"} }

func newToken(kind byte) string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return string(kind) + hex.EncodeToString(b[:])
}

func hitLabel(text string) string {
	if text == notFound {
		return "hit-not-found"
	}
	return "hit"
}

// decode returns nil for the not-found mark; ok is false for unreadable text.
func decode[T any](text string) (value *T, ok bool) {
	if text == notFound {
		return nil, true
	}
	value = new(T)
	if json.Unmarshal([]byte(text), value) != nil {
		return nil, false
	}
	return value, true
}

// encode is JSON without HTML escaping, as stock writes it.
func encode(value any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil {
		return "null"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// around returns d ±5 %, so that values stored together do not end together.
func around(d time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(d)/10))
	if err != nil {
		return d
	}
	return d - d/20 + time.Duration(n.Int64())
}
