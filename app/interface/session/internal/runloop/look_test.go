package runloop

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// described is a machine that can be described, and says how many inputs it has had.
type described struct {
	inputs *int
	step   func(in sess.Input, out *sess.Effects)
}

func (m described) Step(_, _ int64, in sess.Input, out *sess.Effects) {
	*m.inputs++
	if m.step != nil {
		m.step(in, out)
	}
}

func (m described) Describe(int64, int64) *sess.Description {
	return &sess.Description{PeerCalls: *m.inputs}
}

// A look makes no actor and is no input; it waits for a step that is under way, and not
// for longer than who looks wants to.
func TestALookChangesNothing(t *testing.T) {
	inputs, entered, hold := 0, make(chan struct{}, 1), make(chan struct{})
	n := newNode(t, func(int64, bool) Machine {
		return described{&inputs, func(sess.Input, *sess.Effects) {
			entered <- struct{}{}
			<-hold
		}}
	})
	_, known, err := n.Look(t.Context(), 1)
	require.NoError(t, err)
	require.False(t, known)
	require.Zero(t, n.made.Load())

	require.NoError(t, n.Post(1, false, &sess.Data{Payload: make([]byte, 5)}))
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	seen, known, err := n.Look(ctx, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, known)
	require.Equal(t, []any{"here", 1, 5}, []any{seen.Where, seen.MailboxItems, seen.MailboxBytes})
	looked := make(chan Seen, 1)
	go func() {
		seen, _, _ := n.Look(context.Background(), 1)
		looked <- seen
	}()
	close(hold)
	require.Equal(t, 1, (<-looked).Machine.PeerCalls)
	seen, known, err = n.Look(t.Context(), 1) // an idle one
	require.NoError(t, err)
	require.True(t, known)
	require.Equal(t, 1, seen.Machine.PeerCalls)
	require.NoError(t, n.Post(1, false, &sess.Data{}))
	n.Wait()
	require.Equal(t, 2, inputs)
	require.EqualValues(t, 1, n.made.Load())
}

// Of a key that has moved the page names the node; its sessions are among those that
// ended, with that node.
func TestALookAtAKeyThatHasMoved(t *testing.T) {
	c, inputs := newMoving(), 0
	n := newNode(t, func(int64, bool) Machine {
		return described{&inputs, func(in sess.Input, out *sess.Effects) {
			if _, leaves := in.(*sess.HandOff); leaves {
				out.State = &session.KeyState{}
				out.Ended = append(out.Ended, sess.Ended{AuthKeyID: 1, SessionID: 7, Reason: sess.EndMoved})
			}
		}}
	}, func(o *Options) { o.Cluster, o.EndedSessions = c, 4 })
	require.NoError(t, n.Post(1, false, &sess.Data{}))
	got := make(chan *session.KeyState, 1)
	n.HandOver(1, "b", 5, func(st *session.KeyState) { got <- st })
	<-got
	eventually(t, "away", func() bool { return n.Count() == 0 })
	seen, known, err := n.Look(t.Context(), 1)
	require.NoError(t, err)
	require.True(t, known)
	require.Equal(t, []string{"moved", "b"}, []string{seen.Where, seen.To})
	require.Nil(t, seen.Machine)
	ended, total := n.Ended(10, func(*Ended) bool { return true })
	require.EqualValues(t, 1, total)
	require.Equal(t, Ended{Ended: sess.Ended{AuthKeyID: 1, SessionID: 7, Reason: sess.EndMoved}, At: n.clock.Load(), Key: 1, Node: "b"}, ended[0])
}

// The last sessions that ended are there, the latest first; more take no more memory.
func TestEndedSessionsAreBounded(t *testing.T) {
	n := newNode(t, nil, func(o *Options) { o.EndedSessions = 3 })
	note := func(id int64, why sess.EndReason) {
		n.ended.note(Ended{Ended: sess.Ended{SessionID: id, Reason: why}, Key: id % 2})
	}
	ids := func(most int, match func(*Ended) bool) (ids []int64) {
		list, _ := n.Ended(most, match)
		for _, s := range list {
			ids = append(ids, s.SessionID)
		}
		return ids
	}
	all := func(*Ended) bool { return true }
	require.Empty(t, ids(10, all))
	note(1, sess.EndIdle)
	note(2, sess.EndClosed)
	require.Equal(t, []int64{2, 1}, ids(10, all))
	for id := int64(3); id <= 5; id++ {
		note(id, sess.EndIdle)
	}
	require.Equal(t, []int64{5, 4, 3}, ids(10, all))
	require.Equal(t, []int64{5, 4}, ids(2, all))
	require.Equal(t, []int64{5, 3}, ids(10, func(s *Ended) bool { return s.Key == 1 }))
	require.Empty(t, ids(10, func(s *Ended) bool { return s.Reason == sess.EndClosed }), "it has given way")
	require.Zero(t, testing.AllocsPerRun(100, func() { note(6, sess.EndIdle) }))
}

// The keys with the most come first, whatever part of the keys they are in; those with
// nothing do not come at all.
func TestTop(t *testing.T) {
	hold := make(chan struct{})
	n := newNode(t, func(key int64, _ bool) Machine {
		return script(func(_ int64, in sess.Input, out *sess.Effects) {
			if out.Held = int(key % 1000); key%500 == 3 {
				if _, data := in.(*sess.Data); data {
					out.Calls = append(out.Calls, sess.Call{Request: &sess.InvokeMethod{}})
				}
			}
		})
	}, func(o *Options) {
		o.Execute = func(sess.Request) (sess.Result, *sess.RPCError) { <-hold; return nil, nil }
	})
	defer close(hold)
	for key := range int64(3000) {
		require.NoError(t, n.Post(key, false, &sess.Data{}))
	}
	eventually(t, "all have stepped", func() bool {
		calls, _ := n.Top(ByCalls, 10)
		all, _ := n.Top(ByOutbox, 3000)
		return len(calls) == 6 && len(all) == 2997 // 0, 1000 and 2000 have nothing
	})
	top, keys := n.Top(ByOutbox, 4)
	require.Equal(t, 3000, keys)
	var order []int64
	for _, k := range top {
		order = append(order, k.AuthKeyID)
	}
	require.Equal(t, []int64{999, 1999, 2999, 998}, order)
	calls, _ := n.Top(ByCalls, 10)
	require.Equal(t, []any{int64(3), 1}, []any{calls[0].AuthKeyID, calls[0].Calls})
}
