package runloop

import (
	"runtime"
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
	// go-zero listens for signals from its init on.
	leaktest.Strict(m, goleak.IgnoreCurrent())
}

// script is a machine whose behaviour is one function.
type script func(now int64, in sess.Input, out *sess.Effects)

func (f script) Step(now, _ int64, in sess.Input, out *sess.Effects) { f(now, in, out) }

// node is a manager with a clock of its own and peers that are functions.
type node struct {
	*Manager
	clock atomic.Int64
	made  atomic.Int64

	mu       sync.Mutex
	sent     []sess.Send
	notified []sess.Request
}

func newNode(t testing.TB, machine func(key int64, unbound bool) Machine, change ...func(*Options)) *node {
	n := &node{}
	n.clock.Store(int64(1_700_000_000 * time.Second))
	o := Options{
		New: func(key int64, unbound bool) Machine {
			n.made.Add(1)
			return machine(key, unbound)
		},
		Send: func(_ int64, s sess.Send) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.sent = append(n.sent, s)
		},
		Notify: func(r sess.Request) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.notified = append(n.notified, r)
		},
		Execute:      func(sess.Request) (sess.Result, *sess.RPCError) { return nil, nil },
		Now:          n.clock.Load,
		MailboxItems: 4096,
		MailboxBytes: 1 << 24,
		CallLimit:    16,
		PeerLimit:    16,
		PeerQueue:    64,
	}
	for _, f := range change {
		f(&o)
	}
	n.Manager = New(o)
	t.Cleanup(n.Wait)
	return n
}

func (n *node) sends() []sess.Send {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]sess.Send(nil), n.sent...)
}

func (n *node) pass(d time.Duration) {
	n.clock.Add(int64(d))
	n.Advance()
}

func always(f script) func(int64, bool) Machine { return func(int64, bool) Machine { return f } }

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// Weakness 16: a full channel was answered as if the packet had been taken.
func TestWeakness16FullMailboxIsAnErrorAndLosesNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int
		items int
	}{
		{"by count", 8, 4096},
		{"by bytes", 1 << 16, 1 << 24 >> 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			hold := make(chan struct{})
			var seen, ticks atomic.Int64
			n := newNode(t, always(func(_ int64, in sess.Input, _ *sess.Effects) {
				<-hold
				switch in.(type) {
				case *sess.Data:
					seen.Add(1)
				case *sess.SendFailed:
					ticks.Add(1)
				}
			}))
			accepted, refused := 0, 0
			for range c.items + 100 {
				switch err := n.Post(1, false, &sess.Data{Payload: make([]byte, c.size)}); err {
				case nil:
					accepted++
				default:
					require.ErrorIs(t, err, ErrDataChannelFull)
					refused++
				}
			}
			require.Equal(t, c.items, accepted)
			require.Equal(t, 100, refused)
			known, err := n.Tell(1, &sess.PushUpdates{})
			require.True(t, known)
			if c.size == 8 {
				require.ErrorIs(t, err, ErrDataChannelFull, "pushes are told too")
			}
			_, err = n.Tell(1, &sess.SendFailed{})
			require.NoError(t, err, "control inputs are never refused")
			close(hold)
			n.Wait()
			require.EqualValues(t, accepted, seen.Load())
			require.EqualValues(t, 1, ticks.Load())
			require.NoError(t, n.Post(1, false, &sess.Data{}), "room again")
		})
	}
}

func TestOneOversizedItemFits(t *testing.T) {
	n := newNode(t, always(func(int64, sess.Input, *sess.Effects) {}), func(o *Options) { o.MailboxBytes = 10 })
	require.NoError(t, n.Post(1, false, &sess.Data{Payload: make([]byte, 100)}))
}

// Weakness 43: an idle key had two goroutines, two channels of 64 KiB and a
// ticker.
func TestWeakness43IdleKeysHaveNoGoroutine(t *testing.T) {
	const keys = 10_000
	before, heapBefore := runtime.NumGoroutine(), heap()
	n := newNode(t, always(func(now int64, _ sess.Input, out *sess.Effects) { out.WakeAt = now + int64(time.Minute) }))
	for key := range int64(keys) {
		require.NoError(t, n.Post(key, false, &sess.Data{}))
	}
	n.Wait()
	require.Equal(t, keys, n.Count())
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	require.Less(t, int(heap()-heapBefore), 4096*keys, "bytes")
}

// Weakness 19: calls of one key ran one after the other.
func TestWeakness19CallsOfOneKeyRunConcurrently(t *testing.T) {
	slow := make(chan struct{})
	answered := make(chan sess.Ticket, 3)
	n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
		switch in := in.(type) {
		case *sess.Data:
			for ticket := range sess.Ticket(3) {
				out.Calls = append(out.Calls, sess.Call{Ticket: ticket, Request: &sess.InvokeMethod{Meta: sess.Meta{MsgID: int64(ticket)}}})
			}
		case *sess.CallDone:
			answered <- in.Ticket
		}
	}), func(o *Options) {
		o.Execute = func(r sess.Request) (sess.Result, *sess.RPCError) {
			if r.(*sess.InvokeMethod).Meta.MsgID == 0 {
				<-slow
			}
			return &sess.MethodResult{}, nil
		}
	})
	require.NoError(t, n.Post(1, false, &sess.Data{}))
	require.NotZero(t, <-answered)
	require.NotZero(t, <-answered)
	close(slow)
	require.Zero(t, <-answered)
}

func TestOverloadedNodeRefusesCallsAndSaysSo(t *testing.T) {
	hold := make(chan struct{})
	codes := make(chan int32, 100)
	n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
		switch in := in.(type) {
		case *sess.Data:
			out.Calls = append(out.Calls, sess.Call{Request: &sess.InvokeMethod{}})
		case *sess.CallDone:
			if in.Err != nil {
				codes <- in.Err.Code
			}
		}
	}), func(o *Options) {
		o.CallLimit = 2
		o.Execute = func(sess.Request) (sess.Result, *sess.RPCError) { <-hold; return nil, nil }
	})
	for key := range int64(5) { // two run, two wait, one is too many
		require.NoError(t, n.Post(key, false, &sess.Data{}))
	}
	require.EqualValues(t, 420, <-codes)
	close(hold)
	n.Wait()
	require.Empty(t, codes)
}

// A BFF that hangs held as many parts of files as calls may be under way: by number
// alone that was 16 GiB.
func TestCallsAreBoundedByBytes(t *testing.T) {
	hold := make(chan struct{})
	refused := make(chan *sess.RPCError, 100)
	n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
		switch in := in.(type) {
		case *sess.Data:
			out.Calls = append(out.Calls, sess.Call{Request: &sess.InvokeMethod{PB: make([]byte, in.Salt)}})
		case *sess.CallDone:
			if in.Err != nil {
				refused <- in.Err
			}
		}
	}), func(o *Options) {
		o.CallLimit, o.CallBytes = 3, 100<<10
		o.Execute = func(sess.Request) (sess.Result, *sess.RPCError) {
			<-hold
			panic("gives its room back")
		}
	})
	sizes := []int64{60 << 10, 30 << 10, 20 << 10, smallCall - 1, 10 << 10, smallCall, 100}
	want := []bool{true, true, false, true, true, false, true}
	taken := 0
	for i, size := range sizes { // three run, two wait
		require.NoError(t, n.Post(int64(i), false, &sess.Data{Salt: size}))
		if !want[i] {
			require.Equal(t, errBusy, <-refused, "%d bytes", size)
			continue
		}
		taken++
		eventually(t, "taken", func() bool {
			running, waiting := n.Load()
			return running+waiting == taken
		})
	}
	require.Empty(t, refused)
	require.Equal(t, 100<<10, n.CallBytes())
	close(hold)
	n.Wait()
	require.Zero(t, n.CallBytes())
}

func TestPanicCostsOneInput(t *testing.T) {
	var seen atomic.Int64
	n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
		if d := in.(*sess.Data); d.Salt == 1 {
			panic("defect")
		}
		seen.Add(1)
	}))
	for salt := range int64(3) {
		require.NoError(t, n.Post(1, false, &sess.Data{Salt: salt}))
	}
	n.Wait()
	require.EqualValues(t, 2, seen.Load())
	require.EqualValues(t, 1, n.made.Load())
}

func TestPanicInACallIsItsAnswer(t *testing.T) {
	answered := make(chan *sess.RPCError, 1)
	n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
		switch in := in.(type) {
		case *sess.Data:
			out.Calls = append(out.Calls, sess.Call{Request: &sess.GetSalts{}})
		case *sess.CallDone:
			answered <- in.Err
		}
	}), func(o *Options) {
		o.Execute = func(sess.Request) (sess.Result, *sess.RPCError) { panic("defect") }
	})
	require.NoError(t, n.Post(1, false, &sess.Data{}))
	require.EqualValues(t, 500, (<-answered).Code)
}

// Weakness 45: a packet that met a dying wrapper was lost, and its sender told
// that it was taken.
func TestWeakness45NothingIsLostBetweenTwoLives(t *testing.T) {
	var seen atomic.Int64
	n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
		seen.Add(1)
		out.Done = true
	}), func(o *Options) { o.MailboxItems = 1 << 20 })
	const writers, each = 8, 5000
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if err := n.Post(7, false, &sess.Data{}); err != nil {
					t.Error(err)
					return
				}
				runtime.Gosched() // so that lives end between packets
			}
		})
	}
	wg.Wait()
	n.Wait()
	require.EqualValues(t, writers*each, seen.Load())
	require.Zero(t, n.Count())
	require.Greater(t, n.made.Load(), int64(1))
}

// life is a machine that says after every third input that it is done.
type life struct {
	inputs atomic.Int64
	latest *atomic.Pointer[life]
	clash  *atomic.Bool
}

func (l *life) Step(_, _ int64, _ sess.Input, out *sess.Effects) {
	if before := l.latest.Swap(l); before != nil && before != l && before.inputs.Load()%3 != 0 {
		l.clash.Store(true) // the one before was not done
	}
	out.Done = l.inputs.Add(1)%3 == 0
}

// Weakness 46: a dying wrapper took its successor out of the map, so that a key
// had two, each with half of its state.
func TestWeakness46AKeyHasOneLifeAtATime(t *testing.T) {
	var latest atomic.Pointer[life]
	var clash atomic.Bool
	n := newNode(t, func(int64, bool) Machine { return &life{latest: &latest, clash: &clash} },
		func(o *Options) { o.MailboxItems = 1 << 20 })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 6000 {
				if err := n.Post(7, false, &sess.Data{}); err != nil {
					t.Error(err)
					return
				}
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	n.Wait()
	require.False(t, clash.Load(), "two lives of a key at once")
	require.Greater(t, n.made.Load(), int64(1))
	require.LessOrEqual(t, n.Count(), 1)
}

// A timer that comes late for a key's last life leaves the next one alone.
func TestWeakness46LateTimersLeaveTheNextLife(t *testing.T) {
	inputs := 0
	n := newNode(t, always(func(_ int64, _ sess.Input, out *sess.Effects) {
		inputs++
		out.Done = inputs == 2
	}))
	post := func() {
		require.NoError(t, n.Post(7, false, &sess.Data{}))
		n.Wait()
	}
	post()
	last := n.find(7)
	post()
	require.Zero(t, n.Count())
	post()
	n.forget(last)
	require.Equal(t, 1, n.Count())
}

func TestTellDoesNotMakeActors(t *testing.T) {
	n := newNode(t, always(func(int64, sess.Input, *sess.Effects) {}))
	known, err := n.Tell(1, &sess.PushUpdates{})
	require.False(t, known)
	require.NoError(t, err)
	require.Zero(t, n.Count())
}

func TestHTTPSlots(t *testing.T) {
	n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
		out.Replies = append(out.Replies, sess.Reply{Slot: in.(*sess.Data).HTTP, Payload: []byte("answer")})
	}))
	slot, answer := n.Slots.Open()
	require.NoError(t, n.Post(1, false, &sess.Data{HTTP: slot}))
	require.Equal(t, "answer", string(<-answer))
	require.False(t, n.Slots.Close(slot))

	slot, _ = n.Slots.Open()
	require.True(t, n.Slots.Close(slot))
	require.NoError(t, n.Post(1, false, &sess.Data{HTTP: slot}), "a reader that is gone hurts nobody")
}

// An answer for an HTTP request whose reader had gone was dropped, and the machine
// thought it delivered.
func TestAnswerWithoutAReaderIsTold(t *testing.T) {
	lost := make(chan *sess.HTTPGone, 1)
	n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
		switch in := in.(type) {
		case *sess.Data:
			out.Replies = append(out.Replies, sess.Reply{Slot: in.HTTP, Payload: in.Payload})
		case *sess.HTTPGone:
			lost <- in
		}
	}))
	slot, answer := n.Slots.Open()
	require.NoError(t, n.Post(1, false, &sess.Data{HTTP: slot, Payload: []byte("a")}))
	n.Wait()
	require.Equal(t, []byte("a"), <-answer)

	slot, _ = n.Slots.Open()
	require.True(t, n.Slots.Close(slot))
	require.NoError(t, n.Post(1, false, &sess.Data{HTTP: slot, Payload: []byte("b")}))
	n.Wait()
	require.Equal(t, &sess.HTTPGone{Slot: slot, Lost: []byte("b")}, <-lost)
	require.NoError(t, n.Post(1, false, &sess.Data{HTTP: slot}))
	n.Wait()
	require.Empty(t, lost, "nothing was lost")
}

// A push that found the mailbox full was lost: sync does not come again, and nothing
// told the client to ask for what it had missed.
func TestPushThatFindsNoRoomIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		in   sess.Input
		told int // how often, whatever the number of pushes that find no room at a time
	}{
		"updates":             {&sess.PushUpdates{}, 1},
		"updates of sessions": {&sess.PushSessionUpdates{}, 1},
		"a promised result":   {&sess.PushRPCResult{}, 0}, // its call has a deadline
		"a packet":            {&sess.Data{}, 0},          // it is repeated
	} {
		t.Run(name, func(t *testing.T) {
			begun, hold := make(chan struct{}, 20), make(chan struct{})
			var told, after atomic.Int64
			n := newNode(t, always(func(_ int64, in sess.Input, _ *sess.Effects) {
				begun <- struct{}{}
				<-hold
				switch in.(type) {
				case *sess.PushesLost:
					told.Add(1)
				case *sess.SendFailed:
					after.Store(told.Load())
				}
			}), func(o *Options) { o.MailboxItems = 10 })
			for range 10 {
				require.NoError(t, n.Post(1, false, &sess.Data{}))
			}
			<-begun // it looks into its mailbox again when that is done
			for range 5 {
				_, err := n.Tell(1, c.in)
				require.ErrorIs(t, err, ErrDataChannelFull)
			}
			_, err := n.Tell(1, &sess.SendFailed{})
			require.NoError(t, err)
			close(hold)
			n.Wait()
			require.EqualValues(t, c.told, told.Load())
			require.EqualValues(t, c.told, after.Load(), "in its place")
		})
	}
}
