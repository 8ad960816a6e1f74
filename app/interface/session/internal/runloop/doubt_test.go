package runloop

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// lives makes machines for the two lives of a key, which log what they get: here is the
// one that begins on this node, and makes a call at once; there is the one that another
// node had.
func lives(c *moving) func(o *Options) {
	life := func(where string, st *session.KeyState) Machine {
		began := false
		return script(func(_ int64, in sess.Input, out *sess.Effects) {
			c.note("%s: %s", where, describe(in))
			_, out.Drained = in.(*sess.Drain)
			if _, off := in.(*sess.HandOff); off {
				out.State = st
			}
			if !began && where == "here" {
				out.Calls = append(out.Calls, sess.Call{Ticket: 7, Request: &sess.InvokeMethod{}})
			}
			began = true
		})
	}
	return func(o *Options) {
		o.Cluster = c
		o.New = func(int64, bool) Machine { return life("here", &session.KeyState{}) }
		o.Import = func(_ int64, st *session.KeyState) (Machine, error) { return life("there", st), nil }
	}
}

// of is what one life got: the two run beside each other.
func of(where string, log []string) (got []string) {
	for _, line := range log {
		if in, found := strings.CutPrefix(line, where+": "); found {
			got = append(got, in)
		}
	}
	return got
}

// A node that the others have not seen for a time asks them for a key before anything
// that comes from outside reaches it. Where they had it, their life of it goes on. Before,
// the node went on with its own, and did again what had been done there.
func TestKeysThatMayHaveLivedElsewhere(t *testing.T) {
	for name, x := range map[string]struct {
		st          *session.KeyState
		err         error
		here, there []string
	}{
		"another did not":         {here: []string{"data 2", "CallDone", "updates u", "data 3"}},
		"another does not answer": {err: ErrNoAnswer, here: []string{"PushesLost", "data 2", "CallDone", "updates u", "data 3"}},
		"another did": {
			st:    &session.KeyState{},
			here:  []string{"CallDone", "Drain"},
			there: []string{"Arrived", "PushesLost", "data 2", "updates u", "data 3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newMoving()
			var answers []func(*session.KeyState, error)
			c.fetch = func(done func(*session.KeyState, error)) { answers = append(answers, done) }
			hold := make(chan struct{})
			n := newNode(t, nil, lives(c), func(o *Options) {
				o.Execute = func(sess.Request) (sess.Result, *sess.RPCError) { <-hold; return nil, nil }
			})
			require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
			c.former = []string{"b"}
			n.Missed()
			require.True(t, n.Owe(1, &sess.SendFailed{}), "no word from outside")
			eventually(t, "it is taken", func() bool { return c.logged() == 2 })
			require.Equal(t, []string{"data 1", "SendFailed"}, of("here", c.take()))
			require.Empty(t, answers)

			require.NoError(t, n.Post(1, false, &sess.Data{Salt: 2}))
			close(hold)
			n.Wait()
			_, err := n.Tell(1, &sess.PushUpdates{Updates: []byte("u")})
			require.NoError(t, err)
			require.Empty(t, c.take(), "all waits for the answer")
			require.Len(t, answers, 1)
			answers[0](x.st, x.err)
			require.NoError(t, n.Post(1, false, &sess.Data{Salt: 3}))
			n.Wait()
			log := c.take()
			require.Equal(t, x.here, of("here", log))
			require.Equal(t, x.there, of("there", log))
			require.Len(t, answers, 1, "once is enough")
			require.Equal(t, 1, n.Count())
		})
	}
}

// A node that lost a key for a moment went on with its own life of it, though the other
// node had begun with it meanwhile, and did again what had been done there.
func TestAKeyThatWasAnothersForAMoment(t *testing.T) {
	for name, converged := range map[string]bool{"something comes for it": false, "nodes agree before": true} {
		t.Run(name, func(t *testing.T) {
			c := newMoving()
			c.fetch = func(done func(*session.KeyState, error)) { done(&session.KeyState{}, nil) }
			n := newNode(t, nil, lives(c))
			require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
			n.Wait()
			c.former = []string{"b"}
			now := uint32(1)
			c.reacquired = func(_ int64, since uint32) (uint32, bool) { return now, since < now }
			if converged {
				n.Converged()
			}
			require.NoError(t, n.Post(1, false, &sess.Data{Salt: 2}))
			n.Wait()
			log := c.take()
			require.Equal(t, []string{"Arrived", "PushesLost", "data 2"}, of("there", log))
			require.NotContains(t, of("here", log), "data 2")
		})
	}
}

// A key began on a node that had not heard yet of being its owner. When it heard, the life
// that the old owner had of the key took the place of the one here, and what had been done
// here was done again.
func TestAKeyThatBeganBeforeItsNodeKnewOfIt(t *testing.T) {
	c := newMoving()
	c.fetch = func(func(*session.KeyState, error)) { t.Error("the life here is the later one") }
	mine := false
	c.owns = func(int64) bool { return mine }
	n := newNode(t, nil, lives(c))
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	n.Wait()
	c.former, mine = []string{"b"}, true
	now := uint32(1)
	c.reacquired = func(_ int64, since uint32) (uint32, bool) { return now, since < now }
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 2}))
	n.Wait()
	n.Arrive(1, "b", func() (*session.KeyState, error) { return &session.KeyState{}, nil })
	n.Wait()
	require.Equal(t, []string{"data 1", "CallDone", "Returned", "data 2", "PushesLost"}, of("here", c.take()))

	// From then on it is as any other.
	c.fetch = func(done func(*session.KeyState, error)) { done(&session.KeyState{}, nil) }
	now = 2
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 3}))
	n.Wait()
	require.Equal(t, []string{"Arrived", "PushesLost", "data 3"}, of("there", c.take()))
}

// Where the others have been told of this node again for long, nobody has its keys.
func TestNobodyIsAskedForAKeyThatNobodyCanHave(t *testing.T) {
	c := newMoving()
	n := newNode(t, nil, lives(c))
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	n.Wait()
	n.Missed()
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 2}))
	n.Wait()
	require.Equal(t, []string{"data 1", "CallDone", "data 2"}, of("here", c.take()))
}

// The node that had a key offers it before its client says anything.
func TestAnOfferOfAKeyThatMayHaveLivedElsewhere(t *testing.T) {
	c := newMoving()
	c.fetch = func(func(*session.KeyState, error)) { t.Error("it has been offered") }
	n := newNode(t, nil, lives(c))
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	n.Wait()
	c.former = []string{"b"}
	n.Missed()
	n.Arrive(1, "b", func() (*session.KeyState, error) {
		require.NoError(t, n.Post(1, false, &sess.Data{Salt: 2})) // meanwhile
		return &session.KeyState{}, nil
	})
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 3}))
	n.Wait()
	log := c.take()
	require.Equal(t, []string{"data 1", "CallDone", "Drain"}, of("here", log))
	require.Equal(t, []string{"Arrived", "PushesLost", "data 2", "data 3"}, of("there", log))
}

// So it is with a key that the ring gave to that node for a while, and has given back, where
// nothing has come for it since. An update that came while the node that had it was asked made
// this node ask a second time: the other life had been given away by then, and was lost.
func TestAnOfferOfAKeyThatTheRingHasGivenBack(t *testing.T) {
	for name, guest := range map[string]bool{"it stood still here": false, "it began here meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			c := newMoving()
			c.fetch = func(func(*session.KeyState, error)) { t.Error("it has been offered") }
			c.owns = func(int64) bool { return !guest }
			n := newNode(t, nil, lives(c))
			require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
			n.Wait()
			c.former, c.owns = []string{"b"}, nil
			c.reacquired = func(_ int64, since uint32) (uint32, bool) { return 1, since < 1 }
			n.Arrive(1, "b", func() (*session.KeyState, error) {
				_, err := n.Tell(1, &sess.PushUpdates{Updates: []byte("u")})
				require.NoError(t, err)
				return &session.KeyState{}, nil
			})
			n.Wait()
			log := c.take()
			if guest {
				require.Equal(t, []string{"data 1", "CallDone", "Returned", "updates u", "PushesLost"}, of("here", log))
				return
			}
			require.Equal(t, []string{"data 1", "CallDone", "Returned", "Drain"}, of("here", log))
			require.Equal(t, []string{"Arrived", "PushesLost", "updates u"}, of("there", log))
		})
	}
}

// inDoubt is a node that asks others for a key, for which a packet has come. answer is theirs to
// the oldest question.
func inDoubt(t *testing.T) (c *moving, n *node, answer func(*session.KeyState, error)) {
	c = newMoving()
	var asked []func(*session.KeyState, error)
	c.fetch = func(done func(*session.KeyState, error)) { asked = append(asked, done) }
	n = newNode(t, nil, lives(c))
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	n.Wait()
	c.former = []string{"b"}
	n.Missed()
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 2}))
	return c, n, func(st *session.KeyState, err error) {
		done := asked[0]
		asked = asked[1:]
		done(st, err)
	}
}

// What comes for a key in doubt is sent to its owner, where that keeps it: the life that it
// has there goes on. The next input is in doubt again.
func TestAKeyInDoubtThatItsOwnerKeeps(t *testing.T) {
	c, n, answer := inDoubt(t)
	require.True(t, n.Owe(1, &sess.SendFailed{}))
	require.True(t, n.Owe(1, &sess.PushesLost{})) // updates were refused
	var third []*session.KeyState
	n.HandOver(1, "c", 5, func(st *session.KeyState) { third = append(third, st) })
	c.take()
	answer(nil, &MovedError{"b"})
	n.Wait()
	require.Equal(t, []string{"1 after to b: data 2", "1 gap", "here: SendFailed"}, c.take())
	require.Equal(t, []*session.KeyState{nil}, third, "the life that stood still is not given away")
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 3}))
	n.Wait()
	require.Empty(t, c.take())
	answer(nil, nil)
	n.Wait()
	require.Equal(t, []string{"data 3"}, of("here", c.take()))
}

// The sessions of a temp key that is bound while its perm key is in doubt go on in the life
// that goes on. They were given to the one that ends, began anew, and made their calls again.
func TestSessionsJoinTheLifeThatGoesOn(t *testing.T) {
	c, n, answer := inDoubt(t)
	require.True(t, n.Owe(1, &sess.Adopt{}))
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 3}))
	answer(&session.KeyState{}, nil)
	n.Wait()
	log := c.take()
	require.Equal(t, []string{"Arrived", "PushesLost", "data 2", "Adopt", "data 3"}, of("there", log))
	require.Equal(t, []string{"data 1", "CallDone", "Drain"}, of("here", log))
}

// A node that asks for a key in doubt gets the life that goes on, whether the doubt is
// there already or its question is what makes the node look. It once got the life that had
// stood still, and what had been done in the other was done again.
func TestAKeyInDoubtIsNotGivenAway(t *testing.T) {
	for name, x := range map[string]struct {
		asked, here, there []string // asked: beside the node that asks; log of the two lives
		packet             bool     // comes before the question
	}{
		"a packet has come": {
			packet: true, asked: []string{"b"},
			here: []string{"data 1", "CallDone", "Stay", "Drain"}, there: []string{"Arrived", "PushesLost", "data 2", "HandOff"},
		},
		"nothing has come": {
			asked: []string{"b"},
			here:  []string{"data 1", "CallDone", "Stay", "Drain"}, there: []string{"Arrived", "PushesLost", "HandOff"},
		},
		"the node that asks may have it itself": {here: []string{"data 1", "CallDone", "HandOff"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newMoving()
			var answer func(*session.KeyState, error)
			c.fetch = func(done func(*session.KeyState, error)) { answer = done }
			n := newNode(t, nil, lives(c))
			require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
			n.Wait()
			c.former = append([]string{"c"}, x.asked...)
			n.Missed()
			if x.packet {
				require.NoError(t, n.Post(1, false, &sess.Data{Salt: 2}))
			}
			given := make(chan *session.KeyState, 1)
			n.HandOver(1, "c", 5, func(st *session.KeyState) { given <- st })
			if x.asked != nil {
				require.Empty(t, given)
				answer(&session.KeyState{UserId: 9}, nil)
				require.EqualValues(t, 9, (<-given).GetUserId())
			} else {
				require.EqualValues(t, 0, (<-given).GetUserId())
				require.Nil(t, answer)
			}
			n.Wait()
			log := c.take()
			require.Equal(t, x.here, of("here", log))
			require.Equal(t, x.there, of("there", log))
		})
	}
}

// A key whose machine waits for peers before it leaves was found to live elsewhere: the
// node that had asked got nothing, and when the peers had answered the process ended.
func TestAKeyThatIsLeavingGivesWay(t *testing.T) {
	c := newMoving()
	c.fetch = func(done func(*session.KeyState, error)) { done(&session.KeyState{UserId: 9}, nil) }
	var free atomic.Bool
	hold := make(chan struct{})
	n := newNode(t, parting(c, free.Load), func(o *Options) {
		o.Cluster = c
		o.Execute = func(sess.Request) (sess.Result, *sess.RPCError) { <-hold; return nil, nil }
		o.Import = func(_ int64, st *session.KeyState) (Machine, error) {
			return script(func(_ int64, in sess.Input, out *sess.Effects) {
				c.note("there: %s", describe(in))
				if _, off := in.(*sess.HandOff); off {
					out.State = st
				}
			}), nil
		}
	})
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	given := make(chan *session.KeyState, 1)
	n.HandOver(1, "c", 5, func(st *session.KeyState) { given <- st })
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 2})) // kept for the node that asks
	eventually(t, "it is asked for", func() bool { return c.logged() == 2 })
	c.former = []string{"b"}
	n.Missed()
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 3}))
	require.EqualValues(t, 9, (<-given).GetUserId())
	free.Store(true)
	close(hold)
	n.Wait()
	log := c.take()
	require.Equal(t, []string{"Arrived", "PushesLost", "data 2", "data 3", "HandOff"}, of("there", log))
	require.Equal(t, []string{"data 1", "HandOff", "Stay", "Drain", "CallDone"}, of("1", log))
}

// A key that came into doubt in the moment in which its last session ended stayed in memory, if
// nothing was left to be done for it: nobody looked at it again.
func TestAKeyThatEndsWhileItIsInDoubt(t *testing.T) {
	for name, x := range map[string]struct {
		err  error
		in   sess.Input // comes meanwhile
		want []string
	}{
		"another has nothing":             {},
		"another is its owner":            {err: &MovedError{"b"}},
		"so it is, and updates have come": {&MovedError{"b"}, &sess.PushUpdates{Updates: []byte("u")}, []string{"1 after to b: updates u"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newMoving()
			stepping, goOn := make(chan struct{}), make(chan struct{})
			n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
				if _, tick := in.(*sess.Tick); tick {
					close(stepping)
					<-goOn
					out.Done = true
				}
			}), func(o *Options) { o.Cluster = c })
			require.NoError(t, n.Post(1, false, &sess.Data{}))
			n.Wait()
			n.Missed()
			n.find(1).post(&sess.Tick{})
			<-stepping
			n.Arrive(1, "b", func() (*session.KeyState, error) {
				close(goOn)
				n.Wait()
				require.Equal(t, 1, n.Count(), "it waits for the answer")
				if x.in != nil {
					require.True(t, n.Owe(1, x.in))
				}
				return nil, x.err
			})
			n.Wait()
			require.Zero(t, n.Count())
			require.Equal(t, x.want, c.take())
		})
	}
}
