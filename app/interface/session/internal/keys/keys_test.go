package keys

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"go.uber.org/goleak"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/internal/leaktest"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Strict(m, goleak.IgnoreCurrent()) // go-zero listens for signals from its init on
}

// store plays authsession.
type store struct {
	mu    sync.Mutex
	keys  map[int64]Key
	err   error
	hold  chan struct{}
	asked atomic.Int64
	clock atomic.Int64
}

func (s *store) lookup(_ context.Context, id int64, _ Claim) (Key, error) {
	s.asked.Add(1)
	if s.hold != nil {
		<-s.hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return Key{}, s.err
	}
	k, ok := s.keys[id]
	if !ok {
		return Key{}, ErrUnregistered
	}
	return k, nil
}

func (s *store) set(id int64, k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[id] = k
}

func newResolver(t *testing.T, s *store) *Resolver {
	if s.keys == nil {
		s.keys = map[int64]Key{}
	}
	r := New(Options{
		Lookup: s.lookup, Timeout: time.Second, Now: func() time.Time { return time.UnixMilli(s.clock.Load()) },
		Size: 1 << 16, Fresh: time.Minute, Unbound: time.Second, PerKey: 4, Lookups: 8,
	})
	t.Cleanup(r.Wait)
	return r
}

type answer struct {
	key Key
	err error
}

// resolve returns when nobody waits for the key any more: who asks for it while an answer
// is being delivered is given the same one, whatever has changed meanwhile.
func resolve(t *testing.T, r *Resolver, id int64, claim Claim) (got answer) {
	t.Helper()
	answered := make(chan struct{})
	require.NoError(t, r.Resolve(id, claim, func(k Key, err error) {
		got = answer{k, err}
		close(answered)
	}))
	select {
	case <-answered:
	case <-time.After(time.Minute):
		t.Fatal("no answer")
	}
	s := r.shard(id)
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.pending[id] == nil
	}, time.Minute, 50*time.Microsecond)
	return got
}

const (
	perm    = 0x1111
	victim  = 0x2222
	temp    = 0x3333
	media   = 0x4444
	unbound = 0x5555
)

// Weakness 2: the perm key was believed to be the one
// that the packet named.
func TestWeakness02ClaimsAreVerified(t *testing.T) {
	s := &store{keys: map[int64]Key{
		perm:    {Perm: perm, Type: sess.PermKey},
		temp:    {Perm: perm, Type: sess.TempKey},
		media:   {Perm: perm, Type: sess.MediaTempKey},
		unbound: {Perm: 0, Type: sess.TempKey},
	}}
	r := newResolver(t, s)
	for _, c := range []struct {
		name  string
		id    int64
		claim Claim
		want  answer
	}{
		{"perm key, own id", perm, Claim{Perm: perm, Type: 0}, answer{Key{Perm: perm, Type: sess.PermKey}, nil}},
		{"perm key over HTTP", perm, Claim{Perm: 0, Type: 0}, answer{Key{Perm: perm, Type: sess.PermKey}, nil}},
		{"perm key that names another's", perm, Claim{Perm: victim, Type: 0}, answer{Key{Perm: perm, Type: sess.PermKey}, nil}},
		{"temp key", temp, Claim{Perm: perm, Type: 1}, answer{Key{Perm: perm, Type: sess.TempKey}, nil}},
		{"temp key that names another's", temp, Claim{Perm: victim, Type: 1}, answer{Key{Perm: perm, Type: sess.TempKey}, nil}},
		{"temp key that names none", temp, Claim{Perm: 0, Type: 1}, answer{Key{Perm: perm, Type: sess.TempKey}, nil}},
		{"media temp key", media, Claim{Perm: perm, Type: 2}, answer{Key{Perm: perm, Type: sess.MediaTempKey}, nil}},
		{"unbound key that names another's", unbound, Claim{Perm: victim, Type: 1}, answer{Key{Perm: 0, Type: sess.TempKey}, nil}},
		{"unknown key", 0x9999, Claim{Perm: victim, Type: 1}, answer{Key{}, ErrUnregistered}},
		{"unknown key type", temp, Claim{Perm: perm, Type: -1}, answer{Key{Perm: perm, Type: sess.TempKey}, nil}},
		{"no key", 0, Claim{Perm: 0, Type: 0}, answer{Key{}, ErrUnregistered}},
	} {
		require.Equal(t, c.want, resolve(t, r, c.id, c.claim), c.name)
	}
}

func TestBindingsAreRememberedFaultsAreNot(t *testing.T) {
	fault := errors.New("down")
	s := &store{err: fault}
	r := newResolver(t, s)
	require.ErrorIs(t, resolve(t, r, temp, Claim{Perm: perm, Type: 1}).err, fault)
	s.err = nil
	require.ErrorIs(t, resolve(t, r, temp, Claim{Perm: perm, Type: 1}).err, ErrUnregistered)
	s.set(temp, Key{Perm: perm, Type: sess.TempKey})
	for range 5 {
		require.EqualValues(t, perm, resolve(t, r, temp, Claim{Perm: perm, Type: 1}).key.Perm)
	}
	require.EqualValues(t, 3, s.asked.Load())
}

func TestRefreshBehindTheBackOfUse(t *testing.T) {
	s := &store{keys: map[int64]Key{temp: {Perm: perm, Type: sess.TempKey}}}
	r := newResolver(t, s)
	resolve(t, r, temp, Claim{Perm: perm, Type: 1})

	s.clock.Add(int64(time.Minute / time.Millisecond))
	s.err = errors.New("down")
	require.EqualValues(t, perm, resolve(t, r, temp, Claim{Perm: perm, Type: 1}).key.Perm)
	r.Wait()
	require.EqualValues(t, perm, resolve(t, r, temp, Claim{Perm: perm, Type: 1}).key.Perm, "a fault changes nothing")
	require.EqualValues(t, 2, s.asked.Load())

	s.clock.Add(int64(time.Minute / time.Millisecond))
	s.err = nil
	delete(s.keys, temp) // expired
	resolve(t, r, temp, Claim{Perm: perm, Type: 1})
	r.Wait()
	require.ErrorIs(t, resolve(t, r, temp, Claim{Perm: perm, Type: 1}).err, ErrUnregistered)
}

func TestUnboundIsBelievedForAMoment(t *testing.T) {
	s := &store{keys: map[int64]Key{temp: {Perm: 0, Type: sess.MediaTempKey}}}
	r := newResolver(t, s)
	require.True(t, resolve(t, r, temp, Claim{Perm: 0, Type: 2}).key.Unbound())
	s.set(temp, Key{Perm: perm, Type: sess.MediaTempKey}) // by another node
	require.True(t, resolve(t, r, temp, Claim{Perm: 0, Type: 2}).key.Unbound())
	s.clock.Add(1000)
	require.EqualValues(t, perm, resolve(t, r, temp, Claim{Perm: 0, Type: 2}).key.Perm)

	s.set(unbound, Key{Perm: 0, Type: sess.MediaTempKey})
	resolve(t, r, unbound, Claim{Perm: 0, Type: 2})
	r.Bound(unbound, perm, 0)
	require.Equal(t, Key{Perm: perm, Type: sess.MediaTempKey}, resolve(t, r, unbound, Claim{Perm: 0, Type: 2}).key)
	r.Forget(unbound)
	delete(s.keys, unbound)
	require.ErrorIs(t, resolve(t, r, unbound, Claim{Perm: 0, Type: 2}).err, ErrUnregistered)
}

// A bound temp key was served for up to a minute and one packet after its end.
func TestBoundKeysEndWhenTheySaid(t *testing.T) {
	for name, learn := range map[string]func(s *store, r *Resolver){
		"looked up": func(s *store, r *Resolver) {
			s.set(temp, Key{Perm: perm, Type: sess.TempKey, Until: 1000})
			resolve(t, r, temp, Claim{Type: 1})
		},
		"bound here": func(_ *store, r *Resolver) { r.Bound(temp, perm, 1000) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &store{}
			r := newResolver(t, s)
			s.clock.Store(990_000)
			learn(s, r)
			s.clock.Store(999_999)
			require.EqualValues(t, perm, resolve(t, r, temp, Claim{Type: 1}).key.Perm)
			s.mu.Lock()
			delete(s.keys, temp)
			s.mu.Unlock()
			s.clock.Store(1_000_000)
			require.ErrorIs(t, resolve(t, r, temp, Claim{Type: 1}).err, ErrUnregistered, "not one packet more")
		})
	}

	// authsession's clock may be behind: what it says counts.
	s := &store{}
	r := newResolver(t, s)
	s.set(temp, Key{Perm: perm, Type: sess.TempKey, Until: 1000})
	s.clock.Store(1_001_000)
	require.EqualValues(t, perm, resolve(t, r, temp, Claim{Type: 1}).key.Perm)
	require.EqualValues(t, perm, resolve(t, r, temp, Claim{Type: 1}).key.Perm)
	require.EqualValues(t, 2, s.asked.Load())
	s.err = errors.New("away")
	require.Error(t, resolve(t, r, temp, Claim{Type: 1}).err, "nobody can say that it is one still")
}

// Weakness 56: one slow key held up all keys of its gateway.
func TestWeakness56PacketsOfOneKeyWaitInOrderOthersDoNot(t *testing.T) {
	s := &store{keys: map[int64]Key{temp: {Perm: perm, Type: sess.TempKey}}, hold: make(chan struct{})}
	r := newResolver(t, s)
	var got []int
	done := make(chan struct{})
	for i := range 4 {
		require.NoError(t, r.Resolve(temp, Claim{Perm: perm, Type: 1}, func(Key, error) {
			got = append(got, i)
			if i == 0 { // comes while the others are being delivered
				require.NoError(t, r.Resolve(temp, Claim{Perm: perm, Type: 1}, func(Key, error) {
					got = append(got, 4)
					close(done)
				}))
			}
		}))
	}
	require.ErrorIs(t, r.Resolve(temp, Claim{Perm: perm, Type: 1}, nil), ErrBusy)
	require.EqualValues(t, perm, resolve(t, r, perm, Claim{Perm: perm, Type: 0}).key.Perm)
	close(s.hold)
	<-done
	require.Equal(t, []int{0, 1, 2, 3, 4}, got)
	require.EqualValues(t, 1, s.asked.Load(), "one lookup for all")
}

// What waits for keys is bounded by bytes, too, over all keys; one packet always
// fits.
func TestWaitingPacketsAreBoundedByBytes(t *testing.T) {
	release := make(chan struct{})
	r := New(Options{
		Lookup:  func(context.Context, int64, Claim) (Key, error) { <-release; return Key{Perm: perm}, nil },
		Timeout: time.Minute, Size: 1024, Fresh: time.Minute, Unbound: time.Second, PerKey: 100, Lookups: 4, Bytes: 1000,
	})
	var served atomic.Int64
	claim := func(size int) Claim { return Claim{Type: int32(sess.TempKey), Size: size} }
	take := func(Key, error) { served.Add(1) }
	require.NoError(t, r.Resolve(1, claim(1500), take), "the only one")
	require.ErrorIs(t, r.Resolve(1, claim(1), take), ErrBusy)
	require.ErrorIs(t, r.Resolve(2, claim(1), take), ErrBusy, "of whichever key")
	require.Equal(t, 1500, r.Waiting())
	close(release)
	r.Wait()
	require.Zero(t, r.Waiting())
	require.NoError(t, r.Resolve(2, claim(600), take))
	r.Wait()
	require.EqualValues(t, 2, served.Load())
}

// Weakness 57: what was remembered of keys grew with every key ever seen.
func TestWeakness57RememberedKeysAreBounded(t *testing.T) {
	s := &store{keys: map[int64]Key{}}
	r := newResolver(t, s)
	r.o.Size = 1024
	for id := range int64(20_000) {
		r.Bound(id+1, perm, 0)
	}
	n := 0
	for i := range r.shards {
		n += len(r.shards[i].young) + len(r.shards[i].old)
	}
	require.LessOrEqual(t, n, 1024)
	require.Greater(t, n, 256)
}

// The clock of the machine was set back by an hour, and for an hour no binding was
// looked up again.
func TestLookupsGrowOldWhateverTheMachinesClock(t *testing.T) {
	for name, set := range map[string]time.Duration{"back": -time.Hour, "not": 0, "forward": time.Hour} {
		t.Run(name, func(t *testing.T) {
			s := &store{keys: map[int64]Key{temp: {Perm: perm, Type: sess.TempKey}}}
			var passed atomic.Int64
			r := New(Options{
				Lookup: s.lookup, Timeout: time.Second, Now: func() time.Time { return time.UnixMilli(s.clock.Load()) },
				Clock: passed.Load, Size: 1 << 16, Fresh: time.Minute, Unbound: time.Second, PerKey: 4, Lookups: 8,
			})
			s.clock.Store(1_700_000_000_000)
			resolve(t, r, temp, Claim{})
			s.clock.Add(set.Milliseconds())
			passed.Add(int64(59 * time.Second))
			resolve(t, r, temp, Claim{})
			r.Wait()
			require.EqualValues(t, 1, s.asked.Load())
			passed.Add(int64(2 * time.Second))
			resolve(t, r, temp, Claim{})
			r.Wait()
			require.EqualValues(t, 2, s.asked.Load())
		})
	}
}
