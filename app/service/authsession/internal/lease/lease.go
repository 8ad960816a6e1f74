// Package lease is a cache-aside cache in Redis that never shows a state older
// than a finished write, however long a read of the database is delayed, on
// any of the nodes that share the Redis.
//
// Beside each value stands a guard, guard{<key>}, that holds a token:
//
//	read    the value; else take the guard's token (or put an own one), read the
//	        database, store the value only if the guard still holds that token
//	write   hold: remove the value, put a writer's token, which no reader fills;
//	        change the database; release: remove value and guard
//
// A reader that began before a write holds a token that is gone by the time it
// wants to store. Should a writer die between hold and release, its token runs
// out by itself.
//
// # What is believed
//
// A value is believed only where it was written: it begins with the epoch of its
// Redis (the first half of master_replid), and every read compares the two. A
// Redis gets a new epoch whenever its data may have gone back: when it starts,
// from whatever dump or backup, and when a replica becomes the primary, with or
// without the last writes. A replica is not believed, and neither is a Redis that
// refuses writes, since it could not have been told of one: every
// read counts as a write there.
//
// Most reads find JSON that is believed, and a look is enough (redisring.Ring.Look):
// the value, and after it, on the same connection, the epoch. While a Redis has an
// epoch, its values are as its writers left them, so the value was right when it was
// told. Where the epoch was asked on the same connection less than 100 ms before the
// value came, it is not asked again: a restart ends the connection, and a replica
// refuses the look. A look touches no guard: a writer may put one right after the value
// was told. All else is asked of a script, also "*", which counts beside its mark
// alone. A script costs Redis at least four times as much, and what is missing takes
// both round trips before the database is read. A Redis cluster, and a Redis that does
// not say its epoch, are asked by scripts alone.
//
// Values are JSON objects for an hour, and "*" for "not found" for a minute, both
// ±5 %. The epoch is their first member, cache_epoch, so that a node of a stock
// install reads them; what such a node has written is not believed, and replaced.
// Where Redis does not say its epoch (no INFO), values live for a minute.
//
// # What Redis could not be told
//
// A key that could not be held is remembered in the ledger, with the write and in
// its transaction; so is, afterwards, one that could not be released. Every node
// looks into the ledger twice a second, does not believe the cache for what
// stands there, and removes it from Redis and then from the ledger as soon as it
// can: also what a node has left behind that is no more.
//
// A hold may also be lost, with a primary that dies before its replica has it. Then
// readers may fill the new primary with what was before the COMMIT. The release
// empties it after the COMMIT; where that fails, too, the key goes into the ledger.
//
// A write that has ended is one that no node shows the state before. So a write whose
// keys are in the ledger ends when some node has released them, or when every node must
// have seen them there: they have stood there for one second. A look that began just
// before they came has not seen them; the next one begins half a second after it, and has
// as long to end. What one node does about its debts takes as long as Redis does, so
// looks do not wait for that.
//
// Where it is not known whether a write has happened, its token is kept in
// place, for as long as a value lives, and its keys are released only when the
// database has settled it.
//
// # Limits
//
// What Redis was not told of may be believed after the write has ended by a node whose
// look into the ledger takes longer than half a second, or that stood still for so
// long, until its look ends. Other nodes may believe it for a second more where the
// wait was cut short (its caller had no time left, or the node was stopped), and where
// a write does not wait at all (Change.Release). Where the database has taken the write
// and then, for three seconds, does not take the key of a release that failed, they may
// until it does.
//
// A node that reaches Redis but not the database cannot look; whoever writes an old value
// back into a Redis that goes on running (RESTORE, a snapshot of the whole machine) brings
// back its epoch, too. A primary that was cut off and replaced goes on answering those that
// are cut off with it, and they may release there what the new one was to hear: then it
// answers with what it was filled with before. All of these end with the value's life,
// after an hour; a primary that refuses writes without its replicas is not believed.
//
// What a Loader has read is stored as it is. From a database that may be behind, as the
// former primary is, it has to say that it is not to be stored.
//
// For the 100 ms in which it does not ask for the epoch a look may believe a Redis that
// has lost writes: one that becomes a replica, takes another's state and is a primary
// again, or a replica that takes writes (replica-read-only no), all within them and with
// its connections left standing. Sentinel breaks them. Where the machine of the node is
// halted, the 100 ms stand still. A proxy that has one connection lead to several
// processes may answer any look with the value of one and the epoch of another.
package lease

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/syncx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

const (
	valueLife    = time.Hour
	notFoundLife = time.Minute
	blindLife    = time.Minute      // of a value in a Redis that does not say its epoch
	tokenLife    = 60 * time.Second // longer than any read or write of ours
	loadTimeout  = 5 * time.Second  // of a read that several callers share
	notFound     = "*"
)

// failures are logged once a second: an outage makes one of every call.
var failures = logx.NewLessLogger(1000)

// Cache is a lease cache on a ring of Redis nodes. Its methods may be called
// from any goroutine.
type Cache struct {
	ring    *redisring.Ring
	ledger  Ledger
	late    func(keys []string)
	flights syncx.SingleFlight

	mu     sync.RWMutex
	debts  map[string]*debt
	blind  bool          // what the ledger has is not known, or not all of it
	round  uint64        // of the look that began last
	looked uint64        // of the one that this is from
	eased  chan struct{} // closed when less may be owed

	stop    context.CancelFunc
	closing <-chan struct{}
	wake    chan struct{}
	work    sync.WaitGroup
}

// New returns a cache that keeps its debts in ledger, into which it looks at
// once; late, where there is one, hears of keys that were released after their
// write had returned. Close ends it.
func New(ring *redisring.Ring, ledger Ledger, late func(keys []string)) *Cache {
	ctx, stop := context.WithCancel(context.Background())
	c := &Cache{
		ring:    ring,
		ledger:  ledger,
		late:    late,
		flights: syncx.NewSingleFlight(),
		debts:   map[string]*debt{},
		blind:   true,
		eased:   make(chan struct{}),
		stop:    stop,
		closing: ctx.Done(),
		wake:    make(chan struct{}, 1),
	}
	bounded, cancel := context.WithTimeout(ctx, roundBound)
	defer cancel()
	if len(c.list(bounded)) > 0 {
		c.goOn()
	}
	c.work.Go(func() { c.look(ctx) })
	c.work.Go(func() { c.followUp(ctx) })
	return c
}

// Close ends the follow-up of debts, and whatever waits for other nodes. Ring and ledger
// stay open.
func (c *Cache) Close() {
	c.stop()
	c.work.Wait()
}

// Loader reads a value from the database; nil means that there is none. Store
// false keeps the result out of the cache.
type Loader[T any] func(ctx context.Context) (value *T, store bool, err error)

// Load returns the value at key, from the cache or by load; nil when there is
// none. The value is shared: it must not be changed. Kind labels the metrics. T
// is a struct.
func Load[T any](ctx context.Context, c *Cache, kind, key string, load Loader[T]) (*T, error) {
	return LoadAfter(ctx, c, nil, kind, key, load)
}

// LoadAfter is Load where a Read may have asked for key already; nil: none has. What
// it was told is used once.
func LoadAfter[T any](ctx context.Context, c *Cache, r Read, kind, key string, load Loader[T]) (*T, error) {
	if c.owes(key) {
		requests.Inc(kind, "bypass")
		value, _, err := load(ctx)
		return value, err
	}
	unreadable := ""
	for range 2 {
		token, text, err := r.take(ctx, c, key, unreadable)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			requests.Inc(kind, "error")
			value, _, err := load(ctx)
			return value, err
		}
		if token != "" {
			requests.Inc(kind, "miss")
			return missed(ctx, c, key, token, load)
		}
		if value, ok := decode[T](text); ok {
			requests.Inc(kind, hitLabel(text))
			return value, nil
		}
		unreadable = text
	}
	requests.Inc(kind, "miss") // somebody keeps writing what we cannot read
	value, _, err := load(ctx)
	return value, err
}

// Prefetched is what a Prefetch found or did.
type Prefetched int

// Outcomes of a Prefetch.
const (
	Stored Prefetched = iota // it was missing, and is there now
	There                    // it was there, and is believed
	Left                     // nothing may be stored of it now, or there is nothing to store
)

// Prefetch stores the value at key where it is missing, as the miss of a Load
// does. The database is not read for what could not be stored: while the key
// waits for its release, while a write of it is under way, or while Redis does
// not answer, which is an error.
func Prefetch[T any](ctx context.Context, c *Cache, key string, load Loader[T]) (Prefetched, error) {
	if c.owes(key) {
		return Left, nil
	}
	token, _, err := c.askFor(ctx, key, "")
	switch {
	case err != nil:
		return Left, err
	case token == "":
		return There, nil
	case !strings.HasPrefix(token, "r"):
		return Left, nil
	}
	stored := false
	_, err = missed(ctx, c, key, token, func(ctx context.Context) (*T, bool, error) {
		value, store, err := load(ctx)
		stored = store && err == nil
		return value, store, err
	})
	if err != nil || !stored { // a call may have been faster
		return Left, err
	}
	return Stored, nil
}

// missed reads the database, whoever else wants the same value with it.
func missed[T any](ctx context.Context, c *Cache, key, token string, load Loader[T]) (*T, error) {
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

// askFor returns what the script says: the value that is believed, or the token to fill
// it with.
func (c *Cache) askFor(ctx context.Context, key, unreadable string) (token, text string, err error) {
	call := readCall(unreadable, key)
	result, err := c.ring.Run(ctx, readScript, call.Keys, call.Args...)
	if err != nil {
		return "", "", err
	}
	token, text = readResult(result, 0)
	return token, text, nil
}

func readCall(unreadable string, keys ...string) redisring.Call {
	guarded := make([]string, 0, 2*len(keys))
	for _, key := range keys {
		guarded = append(guarded, key, guard(key))
	}
	return redisring.Call{Keys: guarded, Args: []any{newToken('r'), tokenLife.Milliseconds(), unreadable}}
}

// readResult is what a readCall found of its i-th key.
func readResult(result any, i int) (token, text string) {
	found, _ := result.([]any)
	if len(found) < 2*i+2 {
		return "w", "" // nothing that we know of: not to be filled
	}
	there, _ := found[2*i].(int64)
	s, _ := found[2*i+1].(string)
	if there == 1 {
		return "", s
	}
	return s, ""
}

func (c *Cache) fill(ctx context.Context, key, token string, value any) {
	text, life := encode(value), valueLife
	if text == "" {
		text, life = notFound, notFoundLife
	}
	_, err := c.ring.Run(ctx, fillScript, []string{key, guard(key)}, token, text, around(life).Milliseconds(), around(blindLife).Milliseconds())
	if err != nil {
		failures.Errorf("cache: cannot store a value: %v", err)
	}
}

// guard is the key of a value's guard, in one slot of a Redis cluster with it.
func guard(key string) string { return "guard{" + key + "}" }
