package runloop

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// moving is a cluster in which one other node may have keys, and a log of what actors
// do about it.
type moving struct {
	others
	mu     sync.Mutex
	former []string
	lost   bool // updates were let go
	fetch  func(done func(*session.KeyState, error))
	log    []string
}

func newMoving() *moving { return &moving{others: others{Cluster: alone{}}} }

func (c *moving) Former(int64) []string { return c.former }

func (c *moving) Fetch(_ int64, _ []string, _ bool, done func(*session.KeyState, error)) {
	c.fetch(done)
}

func (c *moving) SendAfter(key int64, to string, in sess.Input) {
	c.note("%d after to %s: %s", key, to, describe(in))
}

func (c *moving) Homeless(key int64, in sess.Input) { c.note("%d homeless: %s", key, describe(in)) }

func (c *moving) OnGap(key int64) { c.note("%d gap", key) }

func (c *moving) TakeLost(int64) bool { return c.lost }

func (c *moving) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, fmt.Sprintf(format, args...))
}

func (c *moving) logged() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.log)
}

func (c *moving) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	log := c.log
	c.log = nil
	return log
}

func describe(in sess.Input) string {
	switch in := in.(type) {
	case *sess.Data:
		return fmt.Sprintf("data %d", in.Salt)
	case *sess.PushUpdates:
		return "updates " + string(in.Updates)
	}
	return fmt.Sprintf("%T", in)[6:]
}

// The node that asked for a key left the ring while the key waited for peers. What came for
// the key meanwhile was sent after it, to a node that was no more.
func TestPacketsOfAKeyThatIsBackBeforeItHasLeft(t *testing.T) {
	c := newMoving()
	var mine, free atomic.Bool
	c.owns = func(int64) bool { return mine.Load() }
	c.fetch = func(done func(*session.KeyState, error)) { done(&session.KeyState{}, nil) }
	n := newNode(t, parting(c, free.Load), func(o *Options) {
		o.Cluster = c
		o.Import = func(int64, *session.KeyState) (Machine, error) {
			return script(func(_ int64, in sess.Input, _ *sess.Effects) { c.note("back: %s", describe(in)) }), nil
		}
	})
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	n.Wait()
	n.HandOver(1, "b", 5, func(*session.KeyState) {})
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 2}))
	n.Wait()
	c.former = []string{"b"}
	mine.Store(true)
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 3}))
	n.Wait()
	free.Store(true)
	_, err := n.Tell(1, &sess.Tick{})
	require.NoError(t, err)
	n.Wait()
	require.Equal(t, []string{"1: data 1", "1: CallDone", "1: HandOff", "1: Tick", "back: Arrived", "back: data 2", "back: data 3"}, c.take())
}

// Updates that were refused behind a request to hand a key over were told by nobody: not by
// this node, which has let the key go, and not by the next, which had not heard of them.
func TestUpdatesThatAreLostWhileAKeyLeaves(t *testing.T) {
	c := newMoving()
	began, goOn := make(chan struct{}), make(chan struct{})
	n := newNode(t, func(key int64, _ bool) Machine {
		return script(func(_ int64, in sess.Input, out *sess.Effects) {
			c.note("%d: %s", key, describe(in))
			switch in.(type) {
			case *sess.Data:
				close(began)
				<-goOn
			case *sess.HandOff:
				out.State = &session.KeyState{UserId: key}
			}
		})
	}, func(o *Options) { o.Cluster = c })
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	<-began
	n.HandOver(1, "b", 5, func(*session.KeyState) {})
	require.True(t, n.Owe(1, &sess.PushesLost{}))
	close(goOn)
	n.Wait()
	require.Equal(t, []string{"1: data 1", "1: HandOff", "1 gap"}, c.take())
}

// Status had lost the entry of a key, and the announcement that found this has made it anew. Its
// answer came when the key had just left, and told nobody: the next node finds an entry.
func TestAnEntryThatWasLostWhileAKeyLeaves(t *testing.T) {
	c := newMoving()
	c.owns = func(int64) bool { return false }
	n := newNode(t, parting(c, func() bool { return true }), func(o *Options) { o.Cluster = c })
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	n.Wait()
	n.HandOver(1, "b", 5, func(*session.KeyState) {})
	n.Wait()
	c.take()
	for _, lost := range []bool{true, false} {
		_, err := n.Tell(1, &sess.Announced{At: 1, Lost: lost})
		require.NoError(t, err)
	}
	require.Equal(t, []string{"1 gap"}, c.take())
}

// A node that crashed when it had just given a key away was pushed to for as long as status
// named it. What went there was lost, and the key's client not told.
func TestANodeIsGoneThatHadAKeyAMomentAgo(t *testing.T) {
	for name, x := range map[string]struct {
		gone  []string
		after time.Duration
		want  []string
	}{
		"at once":            {[]string{"c", "a"}, 10 * time.Second, []string{"1: PushesLost"}},
		"another one":        {[]string{"c"}, time.Second, nil},
		"a good while later": {[]string{"a"}, stray, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := newMoving()
			c.former = []string{"a"}
			c.fetch = func(done func(*session.KeyState, error)) { done(&session.KeyState{OnlineNode: "a"}, nil) }
			var now atomic.Int64
			now.Store(1)
			logs := func(key int64, _ bool) Machine {
				return script(func(_ int64, in sess.Input, _ *sess.Effects) { c.note("%d: %s", key, describe(in)) })
			}
			n := newNode(t, logs, func(o *Options) {
				o.Cluster, o.Now = c, now.Load
				o.Import = func(key int64, _ *session.KeyState) (Machine, error) { return logs(key, false), nil }
			})
			require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
			c.former = nil
			require.NoError(t, n.Post(2, false, &sess.Data{Salt: 2}), "which began here")
			n.Wait()
			c.take()
			now.Add(int64(x.after))
			n.NodesGone(x.gone)
			n.Wait()
			require.Equal(t, x.want, c.take())
		})
	}
}

// parting makes machines that log what they get, have one call in flight after the
// first packet, and give their key away when free says so.
func parting(c *moving, free func() bool) func(int64, bool) Machine {
	return func(key int64, _ bool) Machine {
		asked, calling := false, false
		return script(func(_ int64, in sess.Input, out *sess.Effects) {
			c.note("%d: %s", key, describe(in))
			switch in.(type) {
			case *sess.HandOff:
				asked = true
			case *sess.Data:
				if !calling {
					calling = true
					out.Calls = append(out.Calls, sess.Call{Ticket: 7, Request: &sess.InvokeMethod{}})
				}
			}
			if asked && free() {
				out.State = &session.KeyState{UserId: key}
			}
		})
	}
}

// A key that leaves takes all along: what comes before it is gone waits and goes after
// it, the outcome of its call, too, and whoever brings more is told where it is.
func TestAKeyLeaves(t *testing.T) {
	c := newMoving()
	c.owns = func(int64) bool { return false } // by now
	hold := make(chan struct{})
	var free atomic.Bool
	n := newNode(t, parting(c, free.Load), func(o *Options) {
		o.Cluster = c
		o.Execute = func(sess.Request) (sess.Result, *sess.RPCError) { <-hold; return nil, nil }
	})
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	eventually(t, "the packet is taken", func() bool { return c.logged() == 1 })
	got := make(chan *session.KeyState, 4)
	take := func(st *session.KeyState) { got <- st }
	n.HandOver(1, "b", 5, take)
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 2}))
	eventually(t, "it is asked for", func() bool { return c.logged() == 2 })
	require.Empty(t, got, "peers are asked for something still")
	free.Store(true)
	_, err := n.Tell(1, &sess.Tick{})
	require.NoError(t, err)
	require.EqualValues(t, 1, (<-got).GetUserId())
	eventually(t, "away", func() bool { return n.Count() == 0 })
	require.Equal(t, []string{"1: data 1", "1: HandOff", "1: Tick", "1 after to b: data 2"}, c.take())

	moved := new(MovedError)
	require.ErrorAs(t, n.Post(1, false, &sess.Data{Salt: 3}), &moved)
	require.Equal(t, "b", moved.To)
	known, err := n.Tell(1, &sess.PushUpdates{})
	require.True(t, known)
	require.ErrorAs(t, err, &moved)
	require.True(t, n.Owe(1, &sess.PushUpdates{Updates: []byte("u")}), "what the node has answered for goes after it")
	close(hold)
	n.Wait()
	require.Equal(t, []string{"1 after to b: updates u", "1 after to b: CallDone"}, c.take())

	n.HandOver(1, "b", 5, take)
	require.EqualValues(t, 1, (<-got).GetUserId(), "its answer was lost, and it asks again")
	n.HandOver(1, "b", 6, take)
	require.Nil(t, <-got, "it begins again, and that past is over")
	n.HandOver(1, "c", 5, take)
	require.Nil(t, <-got)
	n.HandOver(2, "b", 5, take)
	require.Nil(t, <-got, "of a key that is not here there is nothing")

	n.pass(awayTime + time.Second)
	n.Wait()
	require.Zero(t, n.Count())
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 4}), "it begins anew")
	n.Wait()
	require.Equal(t, 1, n.Count())
}

// A key that has gone to a node which has ended meanwhile is this node's again: nothing
// is sent after it any more.
func TestAKeyComesBack(t *testing.T) {
	for name, x := range map[string]struct{ mine, unsure, back bool }{
		"it is the other node's still":           {},
		"it is this node's":                      {mine: true, back: true},
		"it is, for a node that others may miss": {mine: true, unsure: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newMoving()
			mine, back := true, x.back
			c.owns = func(int64) bool { return mine }
			c.unsure = &x.unsure
			n := newNode(t, parting(c, func() bool { return true }), func(o *Options) { o.Cluster = c })
			require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
			n.Wait()
			mine = false
			n.HandOver(1, "b", 5, func(*session.KeyState) {})
			n.Wait()
			c.take()
			mine = x.mine
			err := n.Post(1, false, &sess.Data{Salt: 2})
			n.Wait()
			if !back {
				require.ErrorAs(t, err, new(*MovedError))
				return
			}
			require.NoError(t, err)
			require.Equal(t, "1: data 2", c.take()[0])
			require.Equal(t, 1, n.Count())
		})
	}
}

// A key that comes waits for what there is of it on another node. If there is nothing,
// it begins anew; if only updates came for it, they find no home here, and if only word of a
// closed connection, that is nobody's.
func TestArrival(t *testing.T) {
	for name, c := range map[string]struct {
		state *session.KeyState
		err   error
		in    []sess.Input
		want  []string
	}{
		"with its past":           {&session.KeyState{UserId: 9}, nil, []sess.Input{&sess.Data{Salt: 1}, &sess.PushUpdates{}}, []string{"import 9", "1: Arrived", "1: data 1", "1: updates "}},
		"anew":                    {nil, nil, []sess.Input{&sess.Data{Salt: 1}, &sess.PushUpdates{}}, []string{"1: data 1", "1: updates "}},
		"of a state nobody reads": {&session.KeyState{UserId: 13}, nil, []sess.Input{&sess.Data{Salt: 1}}, []string{"import 13", "1: data 1", "1: PushesLost"}},
		"only updates":            {nil, nil, []sess.Input{&sess.PushUpdates{Updates: []byte("u")}}, []string{"1 homeless: updates u"}},
		"a node gives no answer":  {nil, ErrNoAnswer, []sess.Input{&sess.Data{Salt: 1}}, []string{"1: data 1", "1: PushesLost"}},
		"another is its owner": {
			nil, &MovedError{"b"},
			[]sess.Input{&sess.PushUpdates{Updates: []byte("u")}, &sess.Data{Salt: 1}},
			[]string{"1 after to b: updates u", "1 after to b: data 1"},
		},
		"another is its owner, updates were refused": {
			nil, &MovedError{"b"},
			[]sess.Input{&sess.Data{Salt: 1}, &sess.PushesLost{}},
			[]string{"1 after to b: data 1", "1 gap"},
		},
		"updates were let go, another is its owner": {nil, &MovedError{"b"}, []sess.Input{&sess.Data{Salt: 1}}, []string{"1 after to b: data 1", "1 gap"}},
		"updates were let go before it came":        {&session.KeyState{UserId: 9}, nil, []sess.Input{&sess.PushUpdates{Updates: []byte("u")}}, []string{"import 9", "1: Arrived", "1: PushesLost", "1: updates u"}},
		"updates were let go before it began":       {nil, nil, []sess.Input{&sess.Data{Salt: 1}}, []string{"1: data 1", "1: PushesLost"}},
		"updates were let go, and more follow":      {nil, nil, []sess.Input{&sess.PushUpdates{Updates: []byte("u")}}, []string{"1 homeless: updates u"}},
		"only word of updates that were let go":     {nil, nil, []sess.Input{&sess.PushUpdates{Updates: []byte("u")}, &sess.PushesLost{}}, []string{"1 homeless: updates u", "1 gap"}},
		"word of a closed connection":               {&session.KeyState{UserId: 9}, nil, []sess.Input{&sess.ConnClosed{}}, []string{"import 9", "1: Arrived", "1: ConnClosed"}},
		"only word of a closed connection":          {nil, nil, []sess.Input{&sess.ConnClosed{}, &sess.PushUpdates{Updates: []byte("u")}}, []string{"1 homeless: updates u"}},
		"that word, a node gives no answer":         {nil, ErrNoAnswer, []sess.Input{&sess.ConnClosed{}}, nil},
		"that word, another is its owner":           {nil, &MovedError{"b"}, []sess.Input{&sess.ConnClosed{}}, []string{"1 after to b: ConnClosed"}},
		"updates for its past":                      {&session.KeyState{UserId: 9}, nil, []sess.Input{&sess.PushUpdates{Updates: []byte("u")}}, []string{"import 9", "1: Arrived", "1: updates u"}},
	} {
		t.Run(name, func(t *testing.T) {
			cl := newMoving()
			cl.former, cl.lost = []string{"a"}, strings.HasPrefix(name, "updates were let go")
			var arrived func(*session.KeyState, error)
			cl.fetch = func(done func(*session.KeyState, error)) { arrived = done }
			logs := func(key int64, _ bool) Machine {
				return script(func(_ int64, in sess.Input, _ *sess.Effects) { cl.note("%d: %s", key, describe(in)) })
			}
			n := newNode(t, logs, func(o *Options) {
				o.Cluster = cl
				o.Import = func(key int64, st *session.KeyState) (Machine, error) {
					cl.note("import %d", st.GetUserId())
					if st.GetUserId() == 13 {
						return nil, sess.ErrState
					}
					return logs(key, false), nil
				}
			})
			for i, in := range c.in {
				if d, ok := in.(*sess.Data); ok {
					require.NoError(t, n.Post(1, false, d))
					continue
				}
				if i == 0 {
					require.True(t, n.Expect(1))
				}
				known, err := n.Tell(1, in)
				require.True(t, known)
				require.NoError(t, err)
			}
			n.Wait()
			require.Empty(t, cl.take(), "nothing is served before")
			arrived(c.state, c.err)
			n.Wait()
			require.Equal(t, c.want, cl.take())
		})
	}
}

// awaiting is a node whose keys another may have, and whose machines say what they get. arrived
// answers the last question for a key.
func awaiting(t *testing.T, change ...func(*Options)) (cl *moving, n *node, arrived func(*session.KeyState, error)) {
	cl = newMoving()
	cl.former = []string{"a"}
	var answer func(*session.KeyState, error)
	cl.fetch = func(done func(*session.KeyState, error)) { answer = done }
	n = newNode(t, func(key int64, _ bool) Machine {
		return script(func(_ int64, in sess.Input, _ *sess.Effects) { cl.note("%d: %s", key, describe(in)) })
	}, append(change, func(o *Options) { o.Cluster = cl })...)
	return cl, n, func(st *session.KeyState, err error) { answer(st, err) }
}

// A key that only updates came for is asked for once more, with patience, when its client has
// spoken meanwhile and a node gave no answer. If no node may have it any more by then, the key
// begins, and its client hears that updates may be missing: nobody was asked, and it did not.
func TestAKeyThatNobodyMayHaveAnyMore(t *testing.T) {
	cl, n, arrived := awaiting(t)
	require.True(t, n.Expect(1))
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	cl.former = nil
	cl.fetch = func(func(*session.KeyState, error)) { t.Error("there is nobody to ask") }
	arrived(nil, ErrNoAnswer)
	n.Wait()
	require.Equal(t, []string{"1: data 1", "1: PushesLost"}, cl.take())
}

// A key is let go while it is on its way, and turns out to be another node's. A node that
// stopped waited for it in vain, for all of the time that it had.
func TestAKeyThatIsLetGoWhileItIsOnItsWay(t *testing.T) {
	cl := newMoving()
	cl.former = []string{"a"}
	var arrived func(*session.KeyState, error)
	cl.fetch = func(done func(*session.KeyState, error)) { arrived = done }
	n := newNode(t, nil, func(o *Options) { o.Cluster = cl })
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	require.Equal(t, 1, n.Release([]int64{1}))
	arrived(nil, &MovedError{"b"})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := n.Drain(ctx)
	require.NoError(t, err)
	n.Wait()
}

// A packet that waits for its key came when it was taken, not when the key had come: a
// BFF was told that it came after its temp key had ended.
func TestWhenAPacketCame(t *testing.T) {
	cl := newMoving()
	cl.former = []string{"a"}
	var arrived func(*session.KeyState, error)
	cl.fetch = func(done func(*session.KeyState, error)) { arrived = done }
	var wall, came atomic.Int64
	n := newNode(t, func(int64, bool) Machine {
		return script(func(_ int64, in sess.Input, _ *sess.Effects) {
			if d, ok := in.(*sess.Data); ok {
				came.Store(d.Taken)
			}
		})
	}, func(o *Options) { o.Cluster, o.Wall = cl, wall.Load })
	wall.Store(1000e9)
	require.NoError(t, n.Post(1, false, &sess.Data{}))
	wall.Store(1004e9)
	arrived(nil, nil)
	n.Wait()
	require.Equal(t, int64(1000), came.Load())
}

// A key that is on its way here, and asked for by a third node, goes on to it when it
// has come.
func TestAKeyThatGoesOnAtOnce(t *testing.T) {
	cl := newMoving()
	cl.former = []string{"a"}
	var arrived func(*session.KeyState, error)
	cl.fetch = func(done func(*session.KeyState, error)) { arrived = done }
	machine := parting(cl, func() bool { return true })
	n := newNode(t, machine, func(o *Options) {
		o.Cluster = cl
		o.Import = func(key int64, _ *session.KeyState) (Machine, error) { return machine(key, false), nil }
	})
	cl.owns = func(int64) bool { return false }
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	got := make(chan *session.KeyState, 1)
	n.HandOver(1, "c", 3, func(st *session.KeyState) { got <- st })
	arrived(&session.KeyState{}, nil)
	require.EqualValues(t, 1, (<-got).GetUserId())
	n.Wait()
	require.Equal(t, []string{"1: Arrived", "1: data 1", "1: HandOff", "1 after to c: CallDone"}, cl.take())
}

// An offer of a key that lives here anew is taken, but the life that it has goes on:
// its client is told to fetch what it may have missed.
func TestOfferOfAKeyThatHasBegunAnew(t *testing.T) {
	cl := newMoving()
	n := newNode(t, func(key int64, _ bool) Machine {
		return script(func(_ int64, in sess.Input, _ *sess.Effects) { cl.note("%d: %s", key, describe(in)) })
	}, func(o *Options) { o.Cluster = cl })
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	n.Wait()
	n.Arrive(1, "b", func() (*session.KeyState, error) { return &session.KeyState{}, nil })
	n.Wait()
	require.Equal(t, []string{"1: data 1", "1: PushesLost"}, cl.take())
}
