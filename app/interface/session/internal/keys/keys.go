// Package keys finds out which perm key a transport key speaks for. What a
// packet claims about that is no proof: gateways copy it from a bind request
// before anyone has verified it. So the binding of a temp key is asked of
// authsession, and remembered.
package keys

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/clock"
	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

var (
	// ErrUnregistered says that authsession knows no such key (any more).
	ErrUnregistered = error(rpcerr.ErrKeyUnregistered)
	// ErrBusy says that too many packets wait for a resolution.
	ErrBusy = errors.New("too many keys in resolution")
)

// Key is what a transport key is.
type Key struct {
	Perm  int64 // perm key it speaks for; 0: a temp key that is not bound
	Type  sess.KeyType
	Until uint32 // Unix seconds at which that ends (rule PFS-20); 0: not known, or never
}

// Unbound reports whether the key is a temp key of its own.
func (k Key) Unbound() bool { return k.Perm == 0 }

// Claim is what a packet says of its transport key.
type Claim struct {
	Perm int64
	Type int32 // 0 perm, 1 temp, 2 media temp; else unknown
	Size int   // bytes of the packet, which waits while the key is being resolved
}

// Lookup asks authsession for a transport key. ErrUnregistered is the one
// error that is an answer; every other is a fault.
type Lookup func(ctx context.Context, authKeyID int64, claim Claim) (Key, error)

// Options of a Resolver.
type Options struct {
	Lookup  Lookup
	Timeout time.Duration    // of one lookup
	Now     func() time.Time // by which bindings end; nil: time.Now
	Clock   func() int64     // by which lookups grow old: nanoseconds, must not go back; nil: Now, and without that package clock
	Spawn   lane.Spawn       // starts lookups; nil: goroutines
	Size    int              // keys remembered
	Fresh   time.Duration    // a binding older than this is looked up again behind the back of its use
	// Unbound is how long a temp key is taken for unbound: short, because
	// another node may bind it.
	Unbound time.Duration
	PerKey  int // packets of one key waiting for its resolution
	Bytes   int // their bytes, over all keys; one packet always fits. 0: no bound
	Lookups int // lookups under way at once; 16 times as many may wait
}

// Resolver resolves transport keys. It is safe for concurrent use.
type Resolver struct {
	o      Options
	lookup *lane.Pool
	room   *lane.Room // for the bytes that wait
	shards [64]shard
}

// shard remembers keys in two generations: when the young one is full it
// becomes the old one, and what is used from the old one is young again. That
// is an LRU within a factor of two, without a link per key.
type shard struct {
	mu         sync.Mutex
	young, old map[int64]entry
	pending    map[int64]*pending
}

type entry struct {
	key Key
	at  int64 // when it was looked up, milliseconds of Options.Clock
}

// pending is a key whose packets wait, in order.
type pending struct{ waiting []waiter }

type waiter struct {
	f    func(Key, error)
	size int
}

// New makes a resolver.
func New(o Options) *Resolver {
	switch {
	case o.Now == nil:
		o.Now = time.Now
		if o.Clock == nil {
			o.Clock = clock.Now
		}
	case o.Clock == nil:
		now := o.Now
		o.Clock = func() int64 { return now().UnixNano() }
	}
	r := &Resolver{o: o, room: lane.NewRoom(o.Bytes), lookup: lane.NewPool(o.Lookups, 16*o.Lookups, nil)}
	r.lookup.Spawn = o.Spawn
	for i := range r.shards {
		r.shards[i].young = map[int64]entry{}
		r.shards[i].pending = map[int64]*pending{}
	}
	return r
}

// Known returns what authKeyID is, if that is known and nobody waits for it: what was
// asked before must not be overtaken.
func (r *Resolver) Known(authKeyID int64, claim Claim) (key Key, known bool) {
	// perm_auth_key_id == auth_key_id claims nothing beyond the key that has encrypted the
	// packet, and whoever has a key may speak for it. So authsession need not be asked.
	if claim.Type == int32(sess.PermKey) && claim.Perm == authKeyID && authKeyID != 0 {
		return Key{Perm: authKeyID, Type: sess.PermKey}, true
	}
	s := r.shard(authKeyID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[authKeyID] != nil {
		return Key{}, false
	}
	return r.remembered(s, authKeyID, claim)
}

// remembered is what s remembers of a key, and still holds. s.mu is held.
func (r *Resolver) remembered(s *shard, authKeyID int64, claim Claim) (key Key, known bool) {
	now := r.now()
	e, known := s.get(authKeyID, r.generation())
	age := time.Duration(now-e.at) * time.Millisecond
	switch {
	case !known:
		return Key{}, false
	case e.key.Until != 0 && r.o.Now().Unix() >= int64(e.key.Until): // the binding has ended, as far as is known here: ask authsession again
		return Key{}, false
	case e.key.Unbound():
		return e.key, age < r.o.Unbound
	case age >= r.o.Fresh:
		e.at = now // one refresh at a time
		s.young[authKeyID] = e
		r.lookup.Go(func() { r.refresh(authKeyID, claim) })
	}
	return e.key, true
}

// Resolve calls f with what authKeyID is: at once when that is known, else
// when authsession has answered. Calls for one key come in the order of their
// Resolve. An error of Resolve itself means that f will not be called.
func (r *Resolver) Resolve(authKeyID int64, claim Claim, f func(Key, error)) error {
	if key, known := r.Known(authKeyID, claim); known {
		f(key, nil)
		return nil
	}
	s := r.shard(authKeyID)
	s.mu.Lock()
	if p := s.pending[authKeyID]; p != nil {
		defer s.mu.Unlock()
		if len(p.waiting) >= r.o.PerKey || !r.room.Take(claim.Size) {
			return ErrBusy
		}
		p.waiting = append(p.waiting, waiter{f, claim.Size})
		return nil
	}
	if key, known := r.remembered(s, authKeyID, claim); known { // since a moment ago
		s.mu.Unlock()
		f(key, nil)
		return nil
	}
	if !r.room.Take(claim.Size) {
		s.mu.Unlock()
		return ErrBusy
	}
	s.pending[authKeyID] = &pending{waiting: []waiter{{f, claim.Size}}}
	s.mu.Unlock()
	if !r.lookup.Go(func() { r.resolve(authKeyID, claim) }) {
		r.deliver(authKeyID, Key{}, ErrBusy)
	}
	return nil
}

// Bound notes that a temp key was bound just now, until a time in Unix seconds.
func (r *Resolver) Bound(tempAuthKeyID, permAuthKeyID int64, until uint32) {
	s := r.shard(tempAuthKeyID)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.get(tempAuthKeyID, r.generation())
	if !known {
		e.key.Type = sess.TempKey
	}
	e.key.Perm, e.key.Until = permAuthKeyID, until
	e.at = r.now()
	s.put(tempAuthKeyID, e, r.generation())
}

// Forget drops what is known of keys, because they were destroyed.
func (r *Resolver) Forget(authKeyIDs ...int64) {
	for _, id := range authKeyIDs {
		s := r.shard(id)
		s.mu.Lock()
		delete(s.young, id)
		delete(s.old, id)
		s.mu.Unlock()
	}
}

// Waiting is how many bytes wait for keys.
func (r *Resolver) Waiting() int { return r.room.Held() }

// Wait returns when no lookup is under way.
func (r *Resolver) Wait() { r.lookup.Wait() }

func (r *Resolver) resolve(id int64, claim Claim) {
	key, err := r.ask(id, claim)
	if err == nil {
		s := r.shard(id)
		s.mu.Lock()
		s.put(id, entry{key, r.now()}, r.generation())
		s.mu.Unlock()
	}
	r.deliver(id, key, err)
}

// refresh replaces what is remembered. A fault changes nothing: a key that
// was good a minute ago is good while authsession is away.
func (r *Resolver) refresh(id int64, claim Claim) {
	key, err := r.ask(id, claim)
	s := r.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.put(id, entry{key, r.now()}, r.generation())
	case errors.Is(err, ErrUnregistered):
		delete(s.young, id)
		delete(s.old, id)
	}
}

func (r *Resolver) ask(id int64, claim Claim) (key Key, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.o.Timeout)
	defer cancel()
	key, err = r.o.Lookup(ctx, id, claim)
	switch {
	case err == nil:
		metrics.KeyLookups.Inc("found")
	case errors.Is(err, ErrUnregistered):
		metrics.KeyLookups.Inc("unregistered")
	default:
		metrics.KeyLookups.Inc("fault")
	}
	return key, err
}

// deliver calls who waits, and who comes while it does, in order.
func (r *Resolver) deliver(id int64, key Key, err error) {
	s := r.shard(id)
	for {
		s.mu.Lock()
		p := s.pending[id]
		if len(p.waiting) == 0 {
			delete(s.pending, id)
			s.mu.Unlock()
			return
		}
		waiting := p.waiting
		p.waiting = nil
		s.mu.Unlock()
		for _, w := range waiting {
			r.room.Leave(w.size)
			w.f(key, err)
		}
	}
}

func (r *Resolver) shard(id int64) *shard {
	return &r.shards[uint64(id)*0x9e3779b97f4a7c15>>58]
}

// now is the time by which what is known grows old, milliseconds.
func (r *Resolver) now() int64 { return r.o.Clock() / 1e6 }

// generation is how many keys the young generation of a shard may hold.
func (r *Resolver) generation() int { return max(1, r.o.Size/len(r.shards)/2) }

func (s *shard) get(id int64, generation int) (entry, bool) {
	if e, ok := s.young[id]; ok {
		return e, true
	}
	e, ok := s.old[id]
	if ok {
		s.put(id, e, generation)
	}
	return e, ok
}

func (s *shard) put(id int64, e entry, generation int) {
	if _, there := s.young[id]; !there && len(s.young) >= generation {
		s.old, s.young = s.young, make(map[int64]entry, generation/4)
	}
	s.young[id] = e
	delete(s.old, id)
}
