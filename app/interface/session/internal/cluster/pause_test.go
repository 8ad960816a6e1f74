package cluster

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// doubtedKeys are keys that may have been missed.
type doubtedKeys struct {
	Keys
	missed int
}

func (k *doubtedKeys) Missed()                        { k.missed++ }
func (*doubtedKeys) Converged()                       {}
func (*doubtedKeys) NodesGone([]string)               {}
func (*doubtedKeys) Foreign(func(int64) bool) []int64 { return nil }

// lease is one whose Confirm is a function.
type lease func(context.Context) (bool, error)

func (l lease) Confirm(ctx context.Context) (bool, error) { return l(ctx) }
func (lease) Overdue() bool                               { return false }

// stopped is a cluster of two whose process can be stopped.
func stopped(t *testing.T, confirm lease) (c *Cluster, keys *doubtedKeys, stop func(time.Duration)) {
	var skipped atomic.Int64
	now := func() int64 { return time.Now().UnixNano() + skipped.Load() }
	c, keys = New(threeNodes[0]), new(doubtedKeys)
	c.pauses.now = now
	c.Lease = confirm
	c.Join(keys, Options{PeerTimeout: time.Second, ReleaseAfter: time.Second, Now: now})
	c.Update(threeNodes[:2])
	time.Sleep(time.Minute) // the node has joined long ago
	c.Watch()
	t.Cleanup(c.StopMoves)
	return c, keys, func(d time.Duration) {
		synctest.Wait()
		skipped.Add(int64(d)) // nothing runs meanwhile, and the tickers do not tick
	}
}

func TestPauses(t *testing.T) {
	away := errors.New("etcd does not answer")
	for name, x := range map[string]struct {
		stopped time.Duration
		after   time.Duration // how long etcd says nothing, then
		broken  bool          // its answer
		asked   bool
		missed  bool
	}{
		"a short one":                           {stopped: 2 * time.Second},
		"one that nobody noticed":               {stopped: 5 * time.Second, asked: true},
		"one that others noticed":               {stopped: 15 * time.Second, broken: true, asked: true, missed: true},
		"one that nobody noticed, etcd is slow": {stopped: 5 * time.Second, after: 4 * time.Second, asked: true},
		"one that others noticed, etcd is slow": {stopped: 15 * time.Second, after: 4 * time.Second, broken: true, asked: true, missed: true},
		"one after which etcd is away":          {stopped: 15 * time.Second, after: time.Hour, asked: true, missed: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var (
					began time.Time
					c     *Cluster
					keys  *doubtedKeys
					stop  func(time.Duration)
				)
				confirm := func(context.Context) (bool, error) {
					if began.IsZero() {
						began = time.Now()
					}
					if time.Since(began) < x.after {
						return false, away
					}
					if x.broken {
						c.Rejoin()
					}
					return !x.broken, nil
				}
				c, keys, stop = stopped(t, confirm)
				require.NoError(t, c.Await(t.Context()))
				require.True(t, began.IsZero(), "asked without a reason")
				epoch := c.Epoch()

				stop(x.stopped)
				require.NoError(t, c.Await(t.Context()))
				require.Equal(t, x.asked, !began.IsZero())
				if x.asked {
					require.Equal(t, min(x.after, confirmTime), time.Since(began).Truncate(time.Second), "how long it waited")
				}
				require.Equal(t, x.missed, keys.missed == 1)
				require.Equal(t, x.missed, c.Epoch() > epoch)
				if x.missed {
					require.Equal(t, threeNodes[1:2], c.Former(1), "who may have a key now")
				} else {
					require.Empty(t, c.Former(1))
				}
			})
		})
	}
}

// What was begun before a pause does not go on after it, if another node may have done it
// meanwhile.
func TestWhatWasBegunBeforeAPause(t *testing.T) {
	for name, unbroken := range map[string]bool{"nobody noticed": true, "others noticed": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _, stop := stopped(t, func(context.Context) (bool, error) { return unbroken, nil })
				require.True(t, c.MayGoOn())
				stop(10 * time.Second)
				require.Equal(t, unbroken, c.MayGoOn())
				require.True(t, c.MayGoOn(), "what is begun later")
			})
		})
	}
}

// Who waits for etcd after a pause is not held longer than its caller waits, nor than
// the node lives.
func TestAPauseHoldsNobodyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, keys, stop := stopped(t, func(ctx context.Context) (bool, error) {
			<-ctx.Done()
			return false, ctx.Err()
		})
		stop(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Await(ctx), context.DeadlineExceeded)

		waits := make(chan error)
		go func() { waits <- c.Await(t.Context()) }()
		synctest.Wait()
		c.StopMoves()
		require.NoError(t, <-waits)
		require.Zero(t, keys.missed, "a node that ends drains")
	})
}

// A process that is stopped again while etcd is asked asks again.
func TestAPauseAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var stop func(time.Duration)
		var c *Cluster
		c, _, stop = stopped(t, func(context.Context) (bool, error) {
			if asked++; asked == 1 {
				time.Sleep(100 * time.Millisecond)
				stopNow := stop
				go stopNow(20 * time.Second)
				time.Sleep(100 * time.Millisecond)
				return true, nil // before it was stopped again
			}
			return false, nil
		})
		stop(10 * time.Second)
		require.False(t, c.MayGoOn())
		require.Equal(t, 2, asked)
	})
}
