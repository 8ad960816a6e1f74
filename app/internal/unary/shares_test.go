package unary

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/internal/passthrough"
)

const megabyte = 1 << 20

// megabytes serves replies of a megabyte.
func megabytes(t *testing.T) *grpc.ClientConn {
	long := bytes.Repeat([]byte("0123456789abcdef"), megabyte/16)
	_, addr := serveAt(t, listen(t), func(context.Context, passthrough.Frame) (passthrough.Frame, error) { return long, nil })
	conn, _ := connect(t, addr)
	return conn
}

// askFor asks for a reply that is an owner's.
func askFor(ctx context.Context, conn *grpc.ClientConn, owner int64) (*passthrough.Reply, error) {
	reply := &passthrough.Reply{For: owner}
	return reply, conn.Invoke(ctx, method, passthrough.Frame(nil), reply, grpc.ForceCodecV2(passthrough.Codec))
}

// One owner has four megabytes in memory at most, and the next is read when one is freed;
// others do not wait for it.
func TestLargeRepliesOfAnOwnerWait(t *testing.T) {
	conn := megabytes(t)
	replies := make(chan *passthrough.Reply, 8)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			reply, err := askFor(t.Context(), conn, 1)
			if err != nil {
				t.Errorf("%v", err)
			}
			replies <- reply
		})
	}
	var held []*passthrough.Reply
	for range repliesOfOwner / megabyte {
		held = append(held, <-replies)
	}
	for _, owner := range []int64{2, 0} {
		other, err := askFor(t.Context(), conn, owner)
		require.NoError(t, err)
		require.Len(t, other.Bytes(), megabyte)
		other.Room().Free()
	}
	select {
	case <-replies:
		t.Fatal("an owner has more than its share")
	default:
	}
	for _, r := range held {
		r.Room().Free()
		next := <-replies
		require.Len(t, next.Bytes(), megabyte)
		defer next.Room().Free()
	}
	wg.Wait()
}

// A call that nobody waits for any more leaves its place to the next one.
func TestACallThatIsGivenUpWaitsNoMore(t *testing.T) {
	conn := megabytes(t)
	var held []*passthrough.Reply
	for range repliesOfOwner / megabyte {
		r, err := askFor(t.Context(), conn, 1)
		require.NoError(t, err)
		held = append(held, r)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := askFor(ctx, conn, 1)
	require.ErrorContains(t, err, "deadline")
	for _, r := range held {
		r.Room().Free()
	}
	held = nil
	for range repliesOfOwner / megabyte {
		r, err := askFor(t.Context(), conn, 1)
		require.NoError(t, err)
		held = append(held, r)
	}
	for _, r := range held {
		r.Room().Free()
	}
}

// asking is a call whose reply has so many bytes, as the reader sees it.
func asking(c *conn, owner int64, size int) *call {
	k := &call{conn: c, id: c.next, owner: owner, size: size}
	c.next += 2
	c.calls[k.id] = k
	return k
}

func idleConn() *conn {
	return &conn{calls: map[uint32]*call{}, next: 1, wake: make(chan struct{}, 1), shares: &shares{of: map[int64]*share{}}}
}

// A reply that nobody frees is in the way of its owner's others for five seconds.
func TestWhatIsNotFreedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := idleConn()
		lost, waiting := asking(c, 1, repliesOfOwner), asking(c, 1, megabyte)
		c.shares.take(lost)
		c.shares.take(waiting)
		time.Sleep(heldAtMost - time.Millisecond)
		require.True(t, c.shares.waits(waiting))
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.False(t, c.shares.waits(waiting))
		c.shares.free(1, repliesOfOwner) // late, after all
		c.shares.leave(waiting)
		require.Empty(t, c.shares.of)
	})
}

// Whatever calls do, an owner has no more than its share, those that wait go on in the order
// they came when there is room for them, and in the end nothing is counted.
func TestSharesHold(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		c := idleConn()
		all := map[int64][]*call{}
		check := func() {
			for owner, list := range all {
				held, n := 0, 0
				for i, k := range list {
					if k.held > 0 {
						held, n = held+k.held, n+1
					}
					if k.waits {
						for _, after := range list[i:] {
							require.True(t, after.waits, "seed %d: a call went before one that had come before it", seed)
						}
						require.False(t, held == 0 || held+k.size <= repliesOfOwner, "seed %d: a call waits for nothing", seed)
						break
					}
				}
				require.True(t, n <= 1 || held <= repliesOfOwner, "seed %d: owner %d has %d bytes in %d replies", seed, owner, held, n)
				if sh := c.shares.of[owner]; sh != nil {
					require.Equal(t, held, sh.held, "seed %d", seed)
				} else {
					require.Zero(t, held, "seed %d", seed)
				}
			}
		}
		for range 200 {
			owner := 1 + rnd.Int64N(3)
			if list := all[owner]; len(list) > 0 && rnd.IntN(2) == 0 {
				i := rnd.IntN(len(list))
				c.shares.leave(list[i])
				all[owner] = append(list[:i:i], list[i+1:]...)
			} else {
				k := asking(c, owner, 1+rnd.IntN(repliesOfOwner*5/4))
				c.shares.take(k)
				all[owner] = append(list, k)
			}
			check()
		}
		for _, list := range all {
			for _, k := range list {
				c.shares.leave(k)
			}
		}
		require.Empty(t, c.shares.of)
	}
}

// The reader may be at a call that was given up.
func TestACallThatHasLeftIsNotCounted(t *testing.T) {
	c := idleConn()
	k := asking(c, 1, megabyte)
	c.shares.leave(k)
	c.shares.take(k)
	require.Empty(t, c.shares.of)
	require.Empty(t, c.out)
}

// A peer that sends more than the window is cut off.
func TestAPeerThatDoesNotWait(t *testing.T) {
	c := idleConn()
	c.shares.take(asking(c, 1, repliesOfOwner))
	k := asking(c, 1, megabyte)
	k.limit = defaultReply
	require.NoError(t, k.receive([]byte{0, 0, megabyte >> 16, 0, 0}))
	require.NoError(t, k.receive(make([]byte, streamWindow-prefixSize)))
	require.ErrorContains(t, k.receive(make([]byte, prefixSize+1)), "window")
}
