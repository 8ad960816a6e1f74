// Package touch remembers when keys were used, and passes it on in three
// steps, each rarer than the one before:
//
//	Seen           process memory   every sign of life, no call anywhere
//	CacheInterval  Redis            one small value a key, shared by all nodes
//	DBInterval     MySQL            one statement for many keys
//
// An entry keeps what was seen apart from what MySQL has (synced): however
// steadily a key is used, its row is written when synced is DBInterval old. (To
// measure the age of what was seen instead would never write a busy key.) In
// Redis the nodes agree who of them writes.
//
// A row so lags behind by little more than DBInterval; a node that dies leaves
// it at that. Without Redis every node writes by itself; without MySQL what is
// due waits, a sign of life a key.
package touch

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

const (
	maxEntries = 1 << 20 // about 100 MiB; more keys than that wait for their next sign of life
	shardCount = 64
	batchSize  = 500
	maxTick    = 10 * time.Second
	stopTime   = 5 * time.Second // of the last flush
)

// lost is logged once a second: an outage makes one of every batch.
var lost = logx.NewLessLogger(1000)

// Touch is a sign of life of a perm key. Times are Unix seconds.
type Touch struct {
	AuthKeyID int64
	Seen      int64
	IP        string // empty: not known
}

// Shared is what the nodes share. Its methods may be called from any
// goroutine.
type Shared interface {
	// Share notes signs of life and answers for each of them, in their order.
	Share(ctx context.Context, list []Touch, interval time.Duration) ([]Noted, error)
}

// Noted is what the nodes know of a key.
type Noted struct {
	Seen  int64 // by any of them, in Unix seconds
	Write bool  // the caller is to write it: one node is, once in an interval
}

// Store is MySQL.
type Store interface {
	// Store writes signs of life, never moving a date back.
	Store(ctx context.Context, list []Touch) error
}

// Options say how often a sign of life is passed on. Less than a second counts as one.
type Options struct {
	CacheInterval time.Duration // to Redis, for all nodes to see
	DBInterval    time.Duration // to MySQL
}

// entry is a key's state in this process. Times are Unix seconds.
type entry struct {
	seen   int64
	synced int64 // what this node has written of it; 0: nothing
	cached int64 // what Redis has of it
	asked  int64 // when Redis was asked
	ip     string
	moved  bool // ip is another one than before
	owed   bool // this node has undertaken to write
}

func (e *entry) dirty() bool { return e.owed || e.moved || e.seen > e.synced }

type shard struct {
	mu      sync.Mutex
	entries map[int64]*entry
}

// Recorder remembers and passes on. Its methods may be called from any
// goroutine.
type Recorder struct {
	shared Shared
	store  Store
	conf   Options
	now    func() time.Time
	limit  int // entries of a shard
	shards [shardCount]shard

	flushes *worker.Worker
}

// New starts a recorder; Close ends it.
func New(shared Shared, store Store, c Options, now func() time.Time) *Recorder {
	r := newRecorder(shared, store, c, now)
	tick := min(r.conf.CacheInterval, maxTick)
	r.flushes = worker.Start(worker.Job{Name: "signs of life", First: tick, Every: tick, Run: func(ctx context.Context) error { r.Flush(ctx); return nil }})
	return r
}

func newRecorder(shared Shared, store Store, c Options, now func() time.Time) *Recorder {
	c.CacheInterval, c.DBInterval = max(c.CacheInterval, time.Second), max(c.DBInterval, time.Second)
	r := &Recorder{shared: shared, store: store, conf: c, now: now, limit: maxEntries / shardCount}
	for i := range r.shards {
		r.shards[i].entries = map[int64]*entry{}
	}
	return r
}

// Close writes what MySQL does not have yet, for up to five seconds.
func (r *Recorder) Close() {
	<-r.flushes.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	r.flush(ctx, true)
}

// Seen notes a sign of life. It returns at once, and reports whether it is the
// key's first in CacheInterval: time to look whether the login is still one.
func (r *Recorder) Seen(t Touch) (first bool) {
	t.Seen = min(t.Seen, r.now().Unix())
	s := r.shard(t.AuthKeyID)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[t.AuthKeyID]
	if e == nil {
		if len(s.entries) >= r.limit {
			dropped.Inc()
			return true
		}
		e = &entry{}
		s.entries[t.AuthKeyID] = e
		entries.Add(1)
	}
	interval := seconds(r.conf.CacheInterval)
	first = e.seen/interval != t.Seen/interval
	e.seen = max(e.seen, t.Seen)
	if t.IP != "" && t.IP != e.ip {
		e.ip, e.moved = t.IP, true
	}
	return first
}

// Flush passes on what is due. It is called now and then by the recorder
// itself; calls must not overlap.
func (r *Recorder) Flush(ctx context.Context) { r.flush(ctx, false) }

// flush passes on what is due; at the end, all there is.
func (r *Recorder) flush(ctx context.Context, end bool) {
	now := r.now().Unix()
	share, write := r.collect(now, end)
	for batch := range slices.Chunk(share, batchSize) {
		notes, err := r.shared.Share(ctx, batch, r.conf.DBInterval)
		if err != nil {
			failures.Inc("redis")
			notes = nil
		}
		write = append(write, r.judge(now, batch, notes)...)
	}
	// Sorted, so that two nodes lock their rows in one order.
	slices.SortFunc(write, func(a, b Touch) int { return cmp.Compare(a.AuthKeyID, b.AuthKeyID) })
	for batch := range slices.Chunk(write, batchSize) {
		if err := r.store.Store(ctx, batch); err != nil {
			failures.Inc("mysql")
			lost.Errorf("signs of life wait for MySQL: %v", err)
			continue
		}
		written.Add(float64(len(batch)))
		r.written(batch)
	}
}

// collect returns what Redis is to be told or asked, and what MySQL is owed;
// and forgets what is long over.
func (r *Recorder) collect(now int64, end bool) (share, write []Touch) {
	cacheInterval, dbInterval := seconds(r.conf.CacheInterval), seconds(r.conf.DBInterval)
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for id, e := range s.entries {
			t := Touch{AuthKeyID: id, Seen: e.seen, IP: e.ip}
			switch {
			case e.owed, end && e.dirty():
				write = append(write, t)
			case !e.dirty():
				if now-e.seen >= dbInterval {
					delete(s.entries, id)
					entries.Add(-1)
				}
			case now-e.asked < cacheInterval:
			case e.seen > e.cached, e.moved, now-e.synced >= dbInterval:
				e.asked = now
				share = append(share, t)
			}
		}
		s.mu.Unlock()
	}
	return share, write
}

// judge takes in Redis's answers (nil: it did not answer) and returns what this
// node is to write.
func (r *Recorder) judge(now int64, batch []Touch, notes []Noted) (write []Touch) {
	for i, t := range batch {
		r.update(t.AuthKeyID, func(e *entry) {
			if notes == nil {
				e.owed = e.moved || now-e.synced >= seconds(r.conf.DBInterval)
			} else {
				e.cached = t.Seen
				e.owed = e.moved || notes[i].Write
				t.Seen = max(t.Seen, notes[i].Seen)
			}
			if e.owed {
				write = append(write, t)
			}
		})
	}
	return write
}

func (r *Recorder) written(batch []Touch) {
	for _, t := range batch {
		r.update(t.AuthKeyID, func(e *entry) {
			e.owed, e.synced = false, max(e.synced, t.Seen)
			e.moved = e.moved && e.ip != t.IP
		})
	}
}

func (r *Recorder) update(id int64, f func(*entry)) {
	s := r.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[id]; e != nil {
		f(e)
	}
}

func (r *Recorder) shard(id int64) *shard { return &r.shards[uint64(id)%shardCount] }

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
