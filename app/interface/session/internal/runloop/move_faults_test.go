package runloop

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// Who asks for a key while it is on its way out is answered: with the same in the same
// attempt, else with nothing.
func TestAKeyIsAskedForWhileItLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		who taker
		has bool
	}{
		"in the same attempt": {taker{node: "b", id: 5}, true},
		"by another node":     {taker{node: "c", id: 9}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cl := newMoving()
			cl.owns = func(int64) bool { return false }
			n := newNode(t, parting(cl, func() bool { return true }), func(o *Options) { o.Cluster = cl })
			require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
			n.Wait()
			answered := make(chan *session.KeyState, 1)
			n.HandOver(1, "b", 5, func(*session.KeyState) {
				n.HandOver(1, c.who.node, c.who.id, func(st *session.KeyState) { answered <- st })
			})
			n.Wait()
			require.Len(t, answered, 1)
			require.Equal(t, c.has, <-answered != nil)
		})
	}
}

// What waits for a key to be gone is bounded as a mailbox is.
func TestWhatWaitsForAKeyToLeaveIsBounded(t *testing.T) {
	c := newMoving()
	n := newNode(t, parting(c, func() bool { return false }), func(o *Options) { o.Cluster, o.MailboxItems = c, 4 })
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	n.HandOver(1, "b", 5, func(*session.KeyState) {})
	n.Wait()
	taken := 0
	for range 100 {
		if n.Post(1, false, &sess.Data{Payload: make([]byte, 1000)}) == nil {
			taken++
		}
		n.Wait()
	}
	require.Equal(t, 4, taken)
}

// A state that cannot even be looked at costs the key its past, and nothing else.
func TestStateThatPanics(t *testing.T) {
	cl, n, arrived := awaiting(t, func(o *Options) {
		o.Import = func(int64, *session.KeyState) (Machine, error) { panic("a fault of the test's own") }
	})
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	arrived(&session.KeyState{}, nil)
	n.Wait()
	require.Equal(t, []string{"1: data 1", "1: PushesLost"}, cl.take())
}

// A key that was let go while it was asked for is no key here, whenever it leaves.
func TestAKeyThatIsLetGoWhileItLeaves(t *testing.T) {
	c := newMoving()
	c.owns = func(int64) bool { return false }
	free := false
	n := newNode(t, parting(c, func() bool { return free }), func(o *Options) { o.Cluster = c })
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	n.Wait()
	a := n.find(1)
	n.HandOver(1, "b", 5, func(*session.KeyState) {})
	n.Wait()
	require.Equal(t, 1, n.Release(n.Foreign(func(int64) bool { return false })))
	free = true
	a.post(&sess.Tick{})
	n.Wait()
	n.pass(2 * awayTime)
	n.Wait()
	require.Zero(t, n.Count())
}

// A key was let go while the node that had asked for it waited for it, and ended here as soon as
// no call was in flight: that node had no answer, and what had come for the key was lost.
func TestAKeyThatIsLetGoWhileANodeWaitsForIt(t *testing.T) {
	c := newMoving()
	c.owns = func(int64) bool { return false }
	leaving, asks := false, true // authsession is asked for something, which is waited for
	n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
		switch in.(type) {
		case *sess.HandOff:
			leaving = true
		case *sess.Drain:
			out.Drained = true
		case *sess.Tick:
			asks = false
		}
		if leaving && !asks {
			out.State = &session.KeyState{UserId: 9}
		}
	}), func(o *Options) { o.Cluster = c })
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 1}))
	n.Wait()
	a := n.find(1)
	got := make(chan *session.KeyState, 1)
	n.HandOver(1, "b", 5, func(st *session.KeyState) { got <- st })
	require.NoError(t, n.Post(1, false, &sess.Data{Salt: 2}))
	n.Wait()
	require.Equal(t, 1, n.Release([]int64{1}))
	n.Wait()
	require.Empty(t, got)
	a.post(&sess.Tick{})
	n.Wait()
	require.Len(t, got, 1)
	require.EqualValues(t, 9, (<-got).GetUserId())
	require.Equal(t, []string{"1 after to b: data 2"}, c.take())
	n.pass(2 * awayTime)
	n.Wait()
	require.Zero(t, n.Timers())
	_, err := n.Drain(t.Context())
	require.NoError(t, err)
}
