package cluster

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// deaf is a node that does not answer until it hears, and knows no key.
type deaf struct {
	hears atomic.Bool
	mu    sync.Mutex
	got   []string // what was pushed, and how it was marked
}

func (d *deaf) Invoke(ctx context.Context, method string, in, _ any, _ ...grpc.CallOption) error {
	push, ok := in.(*session.TLSessionPushUpdatesData)
	if !ok {
		return status.Error(codes.Unimplemented, method)
	}
	if !d.hears.Load() {
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err()
	}
	what := string(push.Updates)
	if slices.Equal(push.Updates, updatesTooLong) {
		what = "fetch"
	}
	mark, _ := metadata.FromOutgoingContext(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got = append(d.got, what+" "+strings.Join(mark.Get(forwardedHeader), ""))
	return nil
}

func (*deaf) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "")
}

func (*deaf) Close() error { return nil }

// after waits for a time, and says what the node has got by then.
func (d *deaf) after(pause time.Duration) []string {
	time.Sleep(pause)
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.got)
}

// besideADeafNode runs f with a node beside a deaf one, and with keys of the two.
func besideADeafNode(t *testing.T, f func(t *testing.T, c *Cluster, keys *runloop.Manager, other *deaf, own, foreign int64)) {
	synctest.Test(t, func(t *testing.T) {
		now := func() int64 { return time.Now().UnixNano() }
		c, other := New("10.0.0.1:20120"), new(deaf)
		keys := runloop.New(runloop.Options{
			New:     func(int64, bool) runloop.Machine { return logging(func(sess.Input) {}) },
			Cluster: c, Now: now, MailboxItems: 100, MailboxBytes: 1 << 20,
		})
		c.Join(keys, Options{
			PeerTimeout: time.Second, ReleaseAfter: 3 * time.Second, Now: now,
			Dial: func(string) (Conn, error) { return other, nil },
		})
		c.Update([]string{"10.0.0.1:20120", formerNode})
		time.Sleep(time.Minute) // nothing moves any more
		own, foreign := int64(1), int64(1)
		for ; !c.Owns(own); own++ {
		}
		for ; c.Owns(foreign); foreign++ {
		}
		f(t, c, keys, other, own, foreign)
		c.StopMoves()
		c.Close()
		keys.Wait()
	})
}

// Updates for a key of another node were let go, for that node did not answer, or there was no
// room for them. That was noted here, where the key would never come, and its client was not
// told, though it listens on the other node all the time.
func TestTheOwnerIsToldOfUpdatesThatWereLetGo(t *testing.T) {
	for name, full := range map[string]bool{"it does not answer": false, "there is no room": true} {
		t.Run(name, func(t *testing.T) {
			besideADeafNode(t, func(t *testing.T, c *Cluster, _ *runloop.Manager, other *deaf, own, foreign int64) {
				if full {
					c.Park(own, &sess.PushUpdates{Updates: make([]byte, parkedBytes-parkedExtra)})
				}
				c.Park(foreign, updates("u"))
				require.Empty(t, other.after(time.Minute))
				require.Zero(t, c.Parked.Waiting())
				other.hears.Store(true)
				require.Equal(t, []string{"fetch 2"}, other.after(5*time.Second))
				require.Equal(t, []string{"fetch 2"}, other.after(time.Minute), "once")
				require.False(t, c.TakeLost(foreign))
			})
		})
	}
}

// The key has become this node's before the other one could be told.
func TestTheOwnerIsGoneThatWasToBeTold(t *testing.T) {
	besideADeafNode(t, func(t *testing.T, c *Cluster, keys *runloop.Manager, other *deaf, _, foreign int64) {
		c.Lost(foreign, updates("u"))
		require.Empty(t, other.after(10*time.Second))
		c.Update([]string{"10.0.0.1:20120"})
		other.after(5 * time.Second)
		require.True(t, c.TakeLost(foreign), "the key hears of it when it comes")
		require.False(t, c.TakeLost(foreign))
	})
}

// The key was this node's when updates were let go, and is another's before it has come.
func TestAKeyGoesWhoseUpdatesWereLetGo(t *testing.T) {
	besideADeafNode(t, func(t *testing.T, c *Cluster, _ *runloop.Manager, other *deaf, _, foreign int64) {
		c.Update([]string{"10.0.0.1:20120"})
		time.Sleep(time.Minute)
		c.Lost(foreign, updates("u"))
		c.Lost(foreign, &sess.PushRPCResult{})
		other.hears.Store(true)
		c.Update([]string{"10.0.0.1:20120", formerNode})
		require.Equal(t, []string{"fetch 2"}, other.after(7*time.Second))
	})
}

// A node that stops tells at once what it knows of other nodes' keys.
func TestANodeThatLeavesTellsTheOwners(t *testing.T) {
	besideADeafNode(t, func(t *testing.T, c *Cluster, _ *runloop.Manager, other *deaf, own, foreign int64) {
		c.Lost(own, updates("u"))
		c.Lost(foreign, updates("u"))
		other.hears.Store(true)
		c.LeaveRing()
		require.Equal(t, []string{"fetch 2", "fetch 2"}, other.after(time.Millisecond))
		for n := int64(0); n <= toldAtOnce; n++ {
			c.Lost(foreign+n, updates("u"))
		}
		c.SendLast()
		require.Len(t, other.after(time.Millisecond), 2+toldAtOnce+1, "all of them")
	})
}

// A node is about to end while a push waits that did not arrive. It was let go.
func TestANodeThatEndsSendsOnceMore(t *testing.T) {
	besideADeafNode(t, func(t *testing.T, c *Cluster, _ *runloop.Manager, other *deaf, _, foreign int64) {
		c.LeaveRing()
		c.Park(foreign, updates("u"))
		require.Empty(t, other.after(2*time.Second))
		other.hears.Store(true)
		c.SendLast()
		require.Equal(t, []string{"u 2"}, other.after(time.Millisecond))
		require.Zero(t, c.Parked.Waiting())
	})
}

// Updates are let go in the moment in which their key comes: it is told at once.
func TestAKeyThatIsHereIsToldOfUpdatesThatAreLetGo(t *testing.T) {
	besideADeafNode(t, func(t *testing.T, c *Cluster, keys *runloop.Manager, _ *deaf, own, _ int64) {
		require.NoError(t, keys.Post(own, false, &sess.Data{}))
		c.Lost(own, updates("u"))
		require.False(t, c.TakeLost(own))
	})
}

// A node that sheds load has not looked at what it refuses.
func TestANodeThatShedsLoadHasNotHeard(t *testing.T) {
	require.True(t, IsFull(rpcerr.ErrChannelFull.Status()))
	require.False(t, IsFull(rpcerr.ErrOverloaded.Status()))
	require.False(t, IsFull(runloop.ErrDataChannelFull), "there is no room on the way")
	require.False(t, IsFull(nil))
}

// Many keys are told of in turns, so that they hold up nothing else for long.
func TestOwnersAreToldInTurns(t *testing.T) {
	besideADeafNode(t, func(t *testing.T, c *Cluster, _ *runloop.Manager, other *deaf, _, foreign int64) {
		other.hears.Store(true)
		for noted := 0; noted < 2*toldAtOnce; foreign++ {
			if !c.Owns(foreign) {
				c.Lost(foreign, updates("u"))
				noted++
			}
		}
		require.Len(t, other.after(4*time.Second), toldAtOnce)
		require.Len(t, other.after(3*time.Second), 2*toldAtOnce)
	})
}
