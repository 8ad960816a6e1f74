package runloop

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

func TestHandover(t *testing.T) {
	type seen struct {
		key     int64
		unbound bool
		in      string
	}
	var mu sync.Mutex
	var log []seen
	hold := make(chan struct{})
	n := newNode(t, func(key int64, unbound bool) Machine {
		return script(func(_ int64, in sess.Input, out *sess.Effects) {
			mu.Lock()
			defer mu.Unlock()
			name := fmt.Sprintf("%T", in)
			if d, ok := in.(*sess.Data); ok {
				name = fmt.Sprint("data ", d.Salt, d.Unbound)
				if d.Salt == 0 {
					mu.Unlock()
					<-hold
					mu.Lock()
					out.Handover = &sess.Handover{To: 100}
				}
			}
			log = append(log, seen{key, unbound, name})
		})
	})
	for salt := range int64(3) {
		require.NoError(t, n.Post(5, true, &sess.Data{Salt: salt, Unbound: true}))
	}
	close(hold)
	n.Wait()
	require.NoError(t, n.Post(5, true, &sess.Data{Salt: 3, Unbound: true}), "resolved before the bind, posted after it")
	n.Wait()
	require.Equal(t, []seen{
		{5, true, "data 0 true"},
		{100, false, "*sess.Adopt"},
		{100, false, "data 1 false"},
		{100, false, "data 2 false"},
		{100, false, "data 3 false"},
	}, log)
	require.Equal(t, 2, n.Count(), "the perm key and a signpost")
	n.pass(signpostTime + time.Second)
	n.Wait()
	require.Equal(t, 1, n.Count())
}

func TestHandoverToAnotherNodesKeyIsDropped(t *testing.T) {
	n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
		out.Handover = &sess.Handover{To: 100}
	}), func(o *Options) {
		o.Cluster = others{Cluster: alone{}, owns: func(key int64) bool { return key != 100 }}
	})
	require.NoError(t, n.Post(5, true, &sess.Data{Unbound: true}))
	n.Wait()
	require.EqualValues(t, 1, n.made.Load())
}

// oneCall makes machines that have a call in flight once a packet has come, and
// are drained when they were asked to and have none.
func oneCall(then func(key int64, in sess.Input, draining bool, out *sess.Effects)) func(int64, bool) Machine {
	return func(key int64, _ bool) Machine {
		draining, inFlight := false, false
		return script(func(_ int64, in sess.Input, out *sess.Effects) {
			switch in.(type) {
			case *sess.Data:
				inFlight = true
				out.Calls = append(out.Calls, sess.Call{Request: &sess.InvokeMethod{}})
			case *sess.CallDone:
				inFlight = false
			case *sess.Drain:
				draining = true
			}
			out.Drained = draining && !inFlight
			then(key, in, draining, out)
		})
	}
}

// Weakness 50: a moved key's status entry, by then the new owner's, was
// deleted by the old owner; weakness 48: its answers were lost.
func TestWeakness50ReleaseAnswersButSaysNothingToStatus(t *testing.T) {
	hold := make(chan struct{})
	machine := oneCall(func(key int64, in sess.Input, _ bool, out *sess.Effects) {
		if _, done := in.(*sess.CallDone); done {
			out.Sends = append(out.Sends, sess.Send{AuthKeyID: key})
		}
		if out.Drained {
			out.Calls = append(out.Calls, sess.Call{Request: &sess.SetOffline{AuthKeyID: key}})
		}
	})
	n := newNode(t, machine, func(o *Options) {
		o.Execute = func(sess.Request) (sess.Result, *sess.RPCError) { <-hold; return nil, nil }
	})
	for key := range int64(10) {
		require.NoError(t, n.Post(key, false, &sess.Data{}))
	}
	require.NoError(t, n.Post(100, true, &sess.Data{}))
	require.Equal(t, 5, n.Release(n.Foreign(func(key int64) bool { return key < 5 })))
	require.Equal(t, 6, n.Count(), "the moved keys are out of reach at once")
	close(hold)
	eventually(t, "all answers", func() bool { return len(n.sends()) == 11 })
	n.Wait()
	require.Empty(t, n.notified)
}

func TestDrainWaitsForAnswers(t *testing.T) {
	hold := make(chan struct{})
	n := newNode(t, func(key int64, _ bool) Machine {
		draining, inFlight := false, 0
		return script(func(_ int64, in sess.Input, out *sess.Effects) {
			switch in.(type) {
			case *sess.Data:
				inFlight++
				out.Calls = append(out.Calls, sess.Call{Request: &sess.InvokeMethod{}})
			case *sess.CallDone:
				inFlight--
				out.Sends = append(out.Sends, sess.Send{AuthKeyID: key})
			case *sess.Drain:
				draining = true
			}
			out.Drained = draining && inFlight == 0
		})
	}, func(o *Options) {
		o.CallLimit = 100
		o.Execute = func(sess.Request) (sess.Result, *sess.RPCError) { <-hold; return nil, nil }
	})
	for key := range int64(50) {
		require.NoError(t, n.Post(key, false, &sess.Data{}))
	}
	expired, cancel := context.WithCancel(t.Context())
	cancel()
	late, err := n.Drain(expired)
	require.Error(t, err)
	require.Equal(t, 50, late)
	time.AfterFunc(10*time.Millisecond, func() { close(hold) })
	late, err = n.Drain(t.Context())
	require.NoError(t, err)
	require.Zero(t, late)
	require.Len(t, n.sends(), 50)
}

func TestOfflineTellsStatusOnceOfWhoWasOnline(t *testing.T) {
	n := newNode(t, func(key int64, _ bool) Machine {
		return script(func(_ int64, in sess.Input, out *sess.Effects) {
			if _, ok := in.(*sess.Data); ok && key%2 == 0 {
				out.Calls = append(out.Calls, sess.Call{Request: &sess.SetOnline{UserID: 100 + key, AuthKeyID: key}})
			}
		})
	})
	for key := range int64(6) {
		require.NoError(t, n.Post(key, false, &sess.Data{}))
	}
	n.Wait()
	require.Len(t, n.notified, 3)
	require.Equal(t, 3, n.Offline(t.Context()))
	require.Zero(t, n.Offline(t.Context()))
	require.Len(t, n.notified, 6)
	for _, r := range n.notified[3:] {
		off := r.(*sess.SetOffline)
		require.Equal(t, 100+off.AuthKeyID, off.UserID)
	}
}

func TestDrainOfAnEmptyNode(t *testing.T) {
	n := newNode(t, always(func(int64, sess.Input, *sess.Effects) {}))
	_, err := n.Drain(t.Context())
	require.NoError(t, err)
}

// A key that was another node's for a while is told so before anything that
// comes afterwards, once; and at the latest when the node takes its keys back.
func TestKeysThatReturnAreToldFirst(t *testing.T) {
	var mu sync.Mutex
	log := map[int64][]string{}
	n := newNode(t, func(key int64, _ bool) Machine {
		return script(func(_ int64, in sess.Input, _ *sess.Effects) {
			mu.Lock()
			defer mu.Unlock()
			log[key] = append(log[key], fmt.Sprintf("%T", in)[len("*sess."):])
		})
	}, func(o *Options) {
		o.Cluster = others{Cluster: alone{}, epoch: 1, reacquired: func(key int64, last uint32) (uint32, bool) { return 2, last < 2 && key != 3 }} // which alone never moved
	})
	for _, c := range []struct {
		key     int64
		unbound bool
	}{{1, false}, {3, false}, {4, true}} {
		require.NoError(t, n.Post(c.key, c.unbound, &sess.Data{}))
		require.NoError(t, n.Post(c.key, c.unbound, &sess.Data{}))
	}
	n.obtain(2, false)
	n.Wait()
	n.Converged()
	n.Converged()
	require.Equal(t, map[int64][]string{1: {"Returned", "Data", "Data"}, 2: {"Returned"}, 3: {"Data", "Data"}, 4: {"Data", "Data"}}, log)
}

// A key that came before the nodes agreed whose it is hears when they do, once.
func TestKeysThatCameEarlyAreToldWhenAllHasSettled(t *testing.T) {
	var mu sync.Mutex
	settled := map[int64]int{}
	unsettled := true
	n := newNode(t, func(key int64, _ bool) Machine {
		return script(func(_ int64, in sess.Input, _ *sess.Effects) {
			mu.Lock()
			defer mu.Unlock()
			if _, ok := in.(*sess.Settled); ok {
				settled[key]++
			}
		})
	}, func(o *Options) { o.Cluster = others{Cluster: alone{}, converging: &unsettled} })
	require.NoError(t, n.Post(1, false, &sess.Data{}))
	require.NoError(t, n.Post(2, true, &sess.Data{})) // a temp key moves nowhere
	unsettled = false
	require.NoError(t, n.Post(3, false, &sess.Data{}))
	n.Wait()
	n.Converged()
	n.Converged()
	require.Equal(t, map[int64]int{1: 1}, settled)
}

// Packets that are resolved as bound while their temp key is still about to
// hand over its sessions do not overtake these.
func TestPacketsDoNotOvertakeAHandover(t *testing.T) {
	var mu sync.Mutex
	var log []string
	hold := make(chan struct{})
	n := newNode(t, func(key int64, unbound bool) Machine {
		return script(func(_ int64, in sess.Input, out *sess.Effects) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf("%d %T", key, in))
			switch in.(type) {
			case *sess.Data:
				if len(log) == 1 {
					out.Calls = append(out.Calls, sess.Call{Request: &sess.BindTempKey{}}, sess.Call{Request: &sess.InvokeMethod{}})
				}
			case *sess.CallDone:
				if len(log) > 3 {
					out.Handover = &sess.Handover{To: 100}
				}
			}
		})
	}, func(o *Options) {
		o.Execute = func(r sess.Request) (sess.Result, *sess.RPCError) {
			if _, ok := r.(*sess.InvokeMethod); ok {
				<-hold
			}
			return nil, nil
		}
	})
	logged := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(log)
	}
	require.NoError(t, n.Post(5, true, &sess.Data{AuthKeyID: 5, Unbound: true}))
	eventually(t, "bound", func() bool { return logged() == 2 })
	require.NoError(t, n.Post(100, false, &sess.Data{AuthKeyID: 5}))
	eventually(t, "taken", func() bool { return logged() == 3 })
	close(hold)
	n.Wait()
	require.NoError(t, n.Post(100, false, &sess.Data{AuthKeyID: 5}))
	n.Wait()
	require.Equal(t, []string{
		"5 *sess.Data", "5 *sess.CallDone", "5 *sess.Data", "5 *sess.CallDone", "100 *sess.Adopt", "100 *sess.Data",
	}, log)
}

// A temp key that is dropped right after it was bound has nothing of its perm key
// any more.
func TestDeadKeyFollowsNoSignpost(t *testing.T) {
	var log []int64
	n := newNode(t, func(key int64, _ bool) Machine {
		return script(func(_ int64, in sess.Input, out *sess.Effects) {
			d, ok := in.(*sess.Data)
			if !ok {
				return
			}
			if d.Salt == 0 {
				out.Handover = &sess.Handover{To: 100}
			}
			log = append(log, key)
		})
	})
	for salt := range int64(2) {
		require.NoError(t, n.Post(5, true, &sess.Data{Salt: salt}))
		n.Wait()
	}
	require.NoError(t, n.PostDead(5, &sess.Data{Salt: 2}))
	n.Wait()
	require.Equal(t, []int64{5, 100, 5}, log)
}

// What comes while a temp key is handed over stays behind what came before.
func TestNothingOvertakesAHandoverUnderWay(t *testing.T) {
	var log []int64
	hold := make(chan struct{})
	var n *node
	asked := 0
	n = newNode(t, func(int64, bool) Machine {
		return script(func(_ int64, in sess.Input, out *sess.Effects) {
			switch d, _ := in.(*sess.Data); {
			case d == nil:
			case d.Salt == 0:
				<-hold
				out.Handover = &sess.Handover{To: 100}
			default:
				log = append(log, d.Salt)
			}
		})
	}, func(o *Options) {
		o.Cluster = others{Cluster: alone{}, owns: func(int64) bool { // asked of each that moves
			if asked++; asked == 2 {
				require.NoError(t, n.Post(5, true, &sess.Data{Salt: 4}))
			}
			return true
		}}
	})
	for salt := range int64(4) {
		require.NoError(t, n.Post(5, true, &sess.Data{Salt: salt}))
	}
	close(hold)
	n.Wait()
	require.Equal(t, []int64{1, 2, 3, 4}, log)
}

// A timer that was due when a temp key was handed over does not take the
// signpost away.
func TestSignpostOutlivesTheTimerBeforeIt(t *testing.T) {
	n := newNode(t, always(func(now int64, in sess.Input, out *sess.Effects) {
		if d, ok := in.(*sess.Data); ok && d.Salt == 1 {
			out.Handover = &sess.Handover{To: 100}
		}
		out.WakeAt = now + int64(time.Second)
	}))
	require.NoError(t, n.Post(5, true, &sess.Data{}))
	n.Wait()
	now := n.clock.Add(int64(2 * time.Second))
	due := n.wheel.advance(now)
	require.Len(t, due, 1)
	require.NoError(t, n.Post(5, true, &sess.Data{Salt: 1}))
	n.Wait()
	n.wake(due, now)
	require.NotNil(t, n.find(5))
	n.pass(signpostTime + time.Second)
	n.Wait()
	require.Nil(t, n.find(5))
}

// A key that was let go a moment ago has answers in flight, too.
func TestDrainWaitsForReleasedKeys(t *testing.T) {
	hold := make(chan struct{})
	n := newNode(t, oneCall(func(key int64, in sess.Input, _ bool, out *sess.Effects) {
		if _, done := in.(*sess.CallDone); done {
			out.Sends = append(out.Sends, sess.Send{AuthKeyID: key})
		}
	}), func(o *Options) {
		o.Execute = func(sess.Request) (sess.Result, *sess.RPCError) { <-hold; return nil, nil }
	})
	let := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(let)
	require.NoError(t, n.Post(1, false, &sess.Data{}))
	require.Equal(t, 1, n.Release(n.Foreign(func(int64) bool { return false })))
	expired, cancel := context.WithCancel(t.Context())
	cancel()
	late, err := n.Drain(expired)
	require.Error(t, err)
	require.Equal(t, 1, late)
	let()
	_, err = n.Drain(t.Context())
	require.NoError(t, err)
	require.Len(t, n.sends(), 1)
}

// A key that is let go with updates on their way says so, when it has nothing
// else to do.
func TestReleaseTellsOfUpdatesLeftBehind(t *testing.T) {
	hold := make(chan struct{})
	var mu sync.Mutex
	var behind []int64
	n := newNode(t, oneCall(func(key int64, _ sess.Input, draining bool, out *sess.Effects) {
		out.Behind = draining && key%2 == 0
	}), func(o *Options) {
		o.Execute = func(sess.Request) (sess.Result, *sess.RPCError) { <-hold; return nil, nil }
		o.Cluster = others{Cluster: alone{}, onGap: func(key int64) {
			mu.Lock()
			defer mu.Unlock()
			behind = append(behind, key)
		}}
	})
	for key := range int64(4) {
		require.NoError(t, n.Post(key, false, &sess.Data{}))
	}
	require.Equal(t, 3, n.Release(n.Foreign(func(key int64) bool { return key == 0 })))
	close(hold)
	n.Wait()
	require.Equal(t, []int64{2}, behind)
	_, err := n.Drain(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int64{2}, behind, "a node that stops is missed by all")
}

// The sessions that updates of a key go to are presented when another node gets
// it: that one cannot know of them else.
func TestSessionsOfReleasedKeysArePresented(t *testing.T) {
	var mu sync.Mutex
	presented := map[int64][]sess.ConnNew{}
	n := newNode(t, func(key int64, _ bool) Machine {
		return script(func(_ int64, in sess.Input, out *sess.Effects) {
			if _, out.Drained = in.(*sess.Drain); out.Drained && key%2 == 0 {
				out.Present = append(out.Present, sess.ConnNew{SessionID: 100 + key})
			}
		})
	}, func(o *Options) {
		o.Cluster = others{Cluster: alone{}, introduce: func(key int64, sessions []sess.ConnNew) {
			mu.Lock()
			defer mu.Unlock()
			presented[key] = sessions
		}}
	})
	for key := range int64(6) {
		require.NoError(t, n.Post(key, false, &sess.Data{}))
	}
	n.Wait()
	require.Equal(t, 3, n.Release(n.Foreign(func(key int64) bool { return key < 3 })))
	n.Wait()
	require.Equal(t, map[int64][]sess.ConnNew{4: {{SessionID: 104}}}, presented)
	_, err := n.Drain(t.Context())
	require.NoError(t, err)
	require.Len(t, presented, 3, "and those of a node that stops")
}

// The outcome of a bind may be lost, and the key be bound by it: then the temp key is
// told of it by its first packet that is its perm key's, once, and hands over what it
// has before that packet. A temp key that is dead hands over nothing.
func TestBoundWithoutAnOutcome(t *testing.T) {
	for _, c := range []struct {
		name string
		dead bool
		want []string
	}{
		{"bound", false, []string{"5 *sess.Data", "5 *sess.CallDone", "5 *sess.Bound", "100 *sess.Adopt", "100 *sess.Data", "100 *sess.Data"}},
		{"dead", true, []string{"5 *sess.Data", "5 *sess.CallDone", "100 *sess.Data", "100 *sess.Data"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			var log []string
			n := newNode(t, func(key int64, _ bool) Machine {
				return script(func(_ int64, in sess.Input, out *sess.Effects) {
					mu.Lock()
					defer mu.Unlock()
					log = append(log, fmt.Sprintf("%d %T", key, in))
					switch in := in.(type) {
					case *sess.Data:
						require.Equal(t, c.dead && key == 5, in.Dead)
						if key == 5 {
							out.Calls = append(out.Calls, sess.Call{Request: &sess.BindTempKey{}})
						}
					case *sess.Bound:
						require.Equal(t, &sess.Bound{To: 100, KeyType: sess.TempKey, Until: 7}, in)
						out.Handover = &sess.Handover{To: in.To}
					}
				})
			}, func(o *Options) {
				o.Execute = func(sess.Request) (sess.Result, *sess.RPCError) {
					return nil, &sess.RPCError{Code: -503, Message: "Timeout"}
				}
			})
			first := &sess.Data{AuthKeyID: 5, Unbound: true}
			if c.dead {
				require.NoError(t, n.PostDead(5, first))
			} else {
				require.NoError(t, n.Post(5, true, first))
			}
			n.Wait()
			for range 2 {
				require.NoError(t, n.Post(100, false, &sess.Data{AuthKeyID: 5, KeyType: sess.TempKey, BoundUntil: 7}))
				n.Wait()
			}
			require.Equal(t, c.want, log)
		})
	}
}
