package cluster

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// still is a connection to a node that stands still for a while, and then has every key.
type still struct{ until time.Time }

func (s still) Invoke(ctx context.Context, method string, _, out any, _ ...grpc.CallOption) error {
	if time.Now().Before(s.until) {
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err()
	}
	if reply, ok := out.(*session.HandOverReply); ok && strings.HasSuffix(method, "HandOver") {
		reply.State = &session.KeyState{}
	}
	return nil
}

func (still) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "")
}

func (still) Close() error { return nil }

// logging is a machine that says what it gets.
type logging func(in sess.Input)

func (l logging) Step(_, _ int64, in sess.Input, _ *sess.Effects) { l(in) }

// waiting is a node whose keys another node has, which stands still.
type waiting struct {
	*Cluster
	keys *runloop.Manager
	key  int64 // one of its own, of which got tells

	mu  sync.Mutex
	got []string // by machines
}

func updates(text string) sess.Input { return &sess.PushUpdates{Updates: []byte(text)} }

const formerNode = "10.0.0.2:20120"

// waits runs f with such a node, from the moment of the change on.
func waits(t *testing.T, stillFor time.Duration, f func(t *testing.T, w *waiting)) {
	synctest.Test(t, func(t *testing.T) {
		now := func() int64 { return time.Now().UnixNano() }
		until := time.Now().Add(stillFor)
		w := &waiting{Cluster: New("10.0.0.1:20120")}
		machine := func(key int64, name string) runloop.Machine {
			return logging(func(in sess.Input) {
				w.mu.Lock()
				defer w.mu.Unlock()
				if key != w.key {
					return
				}
				what := strings.TrimPrefix(fmt.Sprintf("%T", in), "*sess.")
				if p, ok := in.(*sess.PushUpdates); ok {
					what = string(p.Updates)
				}
				w.got = append(w.got, name+": "+what)
			})
		}
		w.keys = runloop.New(runloop.Options{
			New:     func(key int64, _ bool) runloop.Machine { return machine(key, "anew") },
			Import:  func(key int64, _ *session.KeyState) (runloop.Machine, error) { return machine(key, "moved"), nil },
			Cluster: w.Cluster, Now: now, MailboxItems: 100, MailboxBytes: 1 << 20,
		})
		w.Join(w.keys, Options{
			PeerTimeout: 2 * time.Second, ReleaseAfter: 3 * time.Second, Now: now,
			Dial: func(string) (Conn, error) { return still{until}, nil },
		})
		w.Update([]string{formerNode})
		for w.key = 1; !w.Owns(w.key); w.key++ {
		}
		f(t, w)
		w.StopMoves()
		w.Close()
		w.keys.Wait()
	})
}

// push is what the server does with a push that another node has sent on.
func (w *waiting) push(in sess.Input) {
	known, _ := w.keys.Tell(w.key, in)
	if !known && w.keys.Expect(w.key) {
		known, _ = w.keys.Tell(w.key, in)
	}
	if !known {
		w.Park(w.key, in)
	}
}

// has waits for a time, and says what machines have got until then.
func (w *waiting) has(d time.Duration) []string {
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got
}

// A node stood still while it was asked for a key that updates had come for. They were let
// go when their time was over, though the node went on with the key: nobody asked it again,
// and the client was not told.
func TestUpdatesWaitForAKeyWhoseNodeStandsStill(t *testing.T) {
	waits(t, 2500*time.Millisecond, func(t *testing.T, w *waiting) {
		w.push(updates("one"))
		require.Equal(t, []string{"moved: Arrived", "moved: one"}, w.has(12*time.Second))
		require.Zero(t, w.Parked.Waiting())
	})
}

// asleep is a connection to a node that stands still, and then does what it was asked
// meanwhile: it gives a key to the first attempt that asked for it, and to no other.
type asleep struct {
	still
	mu      sync.Mutex
	attempt uint64
}

func (a *asleep) Invoke(ctx context.Context, method string, in, out any, opts ...grpc.CallOption) error {
	ask, ok := in.(*session.HandOverRequest)
	if !ok {
		return a.still.Invoke(ctx, method, in, out, opts...)
	}
	a.mu.Lock()
	a.attempt = cmp.Or(a.attempt, ask.GetRequestId())
	first := a.attempt == ask.GetRequestId()
	a.mu.Unlock()
	if first || time.Now().Before(a.until) {
		return a.still.Invoke(ctx, method, in, out, opts...)
	}
	return nil
}

// Such a node gave the key to an attempt that was over, and nobody had it any more: the
// updates were let go, and an idle client heard nothing until its next word.
func TestUpdatesWaitForAKeyThatWasGivenToAnEarlierAttempt(t *testing.T) {
	waits(t, 0, func(t *testing.T, w *waiting) {
		node := &asleep{still: still{time.Now().Add(2500 * time.Millisecond)}}
		w.Nodes.dial = func(string) (Conn, error) { return node, nil }
		w.push(updates("one"))
		require.Equal(t, []string{"moved: Arrived", "moved: one"}, w.has(12*time.Second))
	})
}

// An attempt is not gone on with once the key may have begun here: what a node gives to it is
// of a time before.
func TestAnAttemptEnds(t *testing.T) {
	for name, c := range map[string]struct {
		then func(w *waiting)
		same bool
	}{
		"asked again soon":      {func(w *waiting) { time.Sleep(3 * time.Second) }, true},
		"asked again late":      {func(w *waiting) { time.Sleep(time.Minute) }, false},
		"somebody waits for it": {func(w *waiting) { _, _ = w.fetch(w.key, []string{formerNode}, 0, 0, true) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			waits(t, time.Hour, func(t *testing.T, w *waiting) {
				first := w.openAttempt(w.key)
				w.keepAttempt(w.key, first)
				c.then(w)
				require.Equal(t, c.same, w.openAttempt(w.key) == first)
				require.NotEqual(t, first, w.openAttempt(w.key), "each is gone on with once")
			})
		})
	}
}

// Where it stands still for longer, or there is no room for the updates, the key hears of
// that when it comes.
func TestAKeyHearsOfUpdatesThatWereLetGo(t *testing.T) {
	lost := []string{"moved: Arrived", "moved: PushesLost"}
	t.Run("it comes late", func(t *testing.T) {
		waits(t, 15*time.Second, func(t *testing.T, w *waiting) {
			w.push(updates("one"))
			require.Empty(t, w.has(16*time.Second))
			require.Zero(t, w.Parked.Waiting(), "nobody may have the key any more")
			require.Empty(t, w.Offered(formerNode, []int64{w.key}))
			require.Equal(t, lost, w.has(time.Second))
		})
	})
	t.Run("it comes too late", func(t *testing.T) {
		waits(t, 15*time.Second, func(t *testing.T, w *waiting) {
			w.push(updates("one"))
			w.has(40 * time.Second)
			require.Empty(t, w.Offered(formerNode, []int64{w.key}))
			require.Equal(t, lost[:1], w.has(time.Second), "it is no former owner by then")
		})
	})
	t.Run("there is no room", func(t *testing.T) {
		waits(t, 2500*time.Millisecond, func(t *testing.T, w *waiting) {
			other := w.key + 1
			for !w.Owns(other) {
				other++
			}
			w.Park(other, &sess.PushUpdates{Updates: make([]byte, parkedBytes-parkedExtra)})
			w.push(updates("one"))
			require.Empty(t, w.has(8*time.Second))
			w.push(updates("two"))
			require.Equal(t, append(lost, "moved: two"), w.has(time.Second))
		})
	})
	t.Run("an answer is no update", func(t *testing.T) {
		waits(t, 15*time.Second, func(t *testing.T, w *waiting) {
			w.push(&sess.PushRPCResult{})
			w.has(16 * time.Second)
			require.Empty(t, w.Offered(formerNode, []int64{w.key}))
			require.Equal(t, lost[:1], w.has(time.Second))
		})
	})
}

// Keys are remembered for a while, and not too many of them.
func TestLossesAreBounded(t *testing.T) {
	const later = 10
	var l losses
	for key := range int64(2 * lostKeys) {
		l.note(7, 0, later)
		l.note(key, 0, later)
	}
	require.Len(t, l.keys, lostKeys)
	require.Equal(t, lostKeys, l.order.Len())
	require.False(t, l.take(lostKeys, 0), "the oldest is forgotten first")
	require.True(t, l.take(lostKeys+1, 0))
	require.False(t, l.take(lostKeys+1, 0), "it has been told")
	require.True(t, l.take(7, later-1), "its updates were let go again and again")
	require.False(t, l.take(2*lostKeys-1, later), "no node brings it any more")
	require.Empty(t, l.takeIf(lostKeys, later, func(int64) bool { return true }))
	require.Equal(t, []int64{lostKeys + 2}, l.takeIf(1, 0, func(key int64) bool { return key > lostKeys+1 }))
	l.note(1, later, 2*later)
	require.Len(t, l.keys, 1, "what is over takes no room")
	require.Equal(t, 1, l.order.Len())
}
