package runloop

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// Keys were told one after the other that the node stops, whatever the deadline: of
// a million that took most of the time there was.
func TestDrainIsParallelAndKeepsItsDeadline(t *testing.T) {
	const keys = 10 * drainers
	held := func(hold func()) (*node, *atomic.Int64) {
		told := new(atomic.Int64)
		n := newNode(t, always(func(_ int64, in sess.Input, out *sess.Effects) {
			if _, drain := in.(*sess.Drain); drain {
				told.Add(1)
				hold()
			}
			out.Drained = told.Load() > 0
		}))
		for key := range int64(keys) {
			require.NoError(t, n.Post(key, false, &sess.Data{}))
		}
		n.Wait()
		return n, told
	}
	t.Run("side by side", func(t *testing.T) {
		var all sync.WaitGroup // each of the first waits for the others
		all.Add(drainers)
		var first atomic.Int64
		n, told := held(func() {
			if first.Add(1) <= drainers {
				all.Done()
				all.Wait()
			}
		})
		late, err := n.Drain(t.Context())
		require.NoError(t, err)
		require.Zero(t, late)
		require.EqualValues(t, keys, told.Load())
	})
	t.Run("by the deadline", func(t *testing.T) {
		release := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var busy atomic.Int64
		n, told := held(func() {
			if busy.Add(1) == drainers {
				cancel()
			}
			<-release
		})
		late, err := n.Drain(ctx)
		require.Error(t, err)
		require.Equal(t, keys, late)
		close(release)
		n.Wait()
		require.EqualValues(t, drainers, told.Load(), "nobody more is told")
	})
}
