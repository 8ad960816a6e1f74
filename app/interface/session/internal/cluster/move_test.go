package cluster

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// refusing is a connection on which calls end with an error, in the end or at once.
type refusing struct {
	calls *atomic.Int64
	code  codes.Code
	hangs bool
}

func (r refusing) Invoke(ctx context.Context, _ string, _, _ any, _ ...grpc.CallOption) error {
	r.calls.Add(1)
	if r.hangs {
		<-ctx.Done()
	}
	return status.Error(r.code, "")
}

func (r refusing) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(r.code, "")
}

func (refusing) Close() error { return nil }

func joined(conn refusing) *Cluster {
	c := New("10.0.0.1:20120")
	c.Join(new(goneKeys), Options{
		PeerTimeout: 2 * time.Second, ReleaseAfter: 3 * time.Second,
		Dial: func(string) (Conn, error) { return conn, nil },
		Now:  func() int64 { return time.Now().UnixNano() },
	})
	return c
}

// A node whose answer may have been lost is asked again; one that has nothing, or knows
// no such calls, is not.
func TestHowOftenANodeIsAskedForAKey(t *testing.T) {
	for name, c := range map[string]struct {
		code   codes.Code
		hangs  bool
		most   int64
		least  int64
		want   error
		longer time.Duration

		updates bool // nothing else waits for the key
	}{
		"it has nothing":              {code: codes.OK, least: 1, most: 1},
		"it is of an earlier release": {code: codes.Unimplemented, least: 1, most: 1},
		"the connection breaks":       {code: codes.Unavailable, least: 2, most: 2, want: runloop.ErrNoAnswer},
		"it does not answer":          {code: codes.DeadlineExceeded, hangs: true, least: 2, most: 2, want: runloop.ErrNoAnswer},
		"it has not heard of us":      {code: 409, least: 15, most: 21, want: runloop.ErrNoAnswer, longer: 2 * time.Second},
		"it does not believe us yet":  {code: 403, least: 15, most: 21, want: runloop.ErrNoAnswer, longer: 2 * time.Second},
		"and updates alone wait":      {code: 409, least: 5, most: 9, want: runloop.ErrNoAnswer, updates: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := refusing{calls: new(atomic.Int64), code: c.code, hangs: c.hangs}
				cl := joined(conn)
				began := time.Now()
				cl.Fetch(1, []string{"10.0.0.2:20120"}, !c.updates, func(st *session.KeyState, err error) {
					require.Nil(t, st)
					require.ErrorIs(t, err, c.want)
				})
				cl.moving.Wait()
				require.LessOrEqual(t, time.Since(began), 3500*time.Millisecond+c.longer)
				require.GreaterOrEqual(t, conn.calls.Load(), c.least)
				require.LessOrEqual(t, conn.calls.Load(), c.most)
			})
		})
	}
}

// A node that refuses a key which is its own by the ring of who asks is not asked again:
// what waits for the key is for that node. Each once waited for the other, until both gave
// up: one held packets for the key, and the other asked it for their key.
func TestANodeThatOwnsAKeyIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := refusing{calls: new(atomic.Int64), code: 409}
		cl := joined(conn)
		const other = "10.0.0.2:20120"
		cl.Update([]string{other})
		key := int64(1)
		for cl.Owns(key) {
			key++
		}
		moved := new(runloop.MovedError)
		cl.Fetch(key, []string{other}, true, func(_ *session.KeyState, err error) { require.ErrorAs(t, err, &moved) })
		cl.moving.Wait()
		require.Equal(t, other, moved.To)
		require.EqualValues(t, 1, conn.calls.Load())
		cl.StopMoves()
	})
}

// A node that hangs has many keys. None waits for it longer than one would.
func TestANodeThatHangsHoldsUpKeysOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := joined(refusing{calls: new(atomic.Int64), code: codes.DeadlineExceeded, hangs: true})
		began := time.Now()
		for key := range int64(10 * fetchers) {
			cl.Fetch(key, []string{"10.0.0.2:20120"}, true, func(*session.KeyState, error) {})
		}
		cl.moving.Wait()
		require.LessOrEqual(t, time.Since(began), 3500*time.Millisecond)
	})
}

// A node that stops asks for no more keys: each of those that were offered to it took all
// of PeerTimeout, a few at a time, and the process ended minutes later.
func TestANodeThatStopsAsksForNoMoreKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := joined(refusing{calls: new(atomic.Int64), code: 409})
		began := time.Now()
		for key := range int64(100 * fetchers) {
			cl.Fetch(key, []string{"10.0.0.2:20120"}, true, func(_ *session.KeyState, err error) { require.Error(t, err) })
		}
		cl.Close()
		require.LessOrEqual(t, time.Since(began), fetchPause)
	})
}

// A packet was taken here, so it is sent after its key again where its node does not take
// it. It once went that way a single time, and was lost with a mailbox that was full.
func TestPacketsAreSentAfterTheirKeyAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := refusing{calls: new(atomic.Int64), code: codes.ResourceExhausted}
		cl := joined(conn)
		cl.SendAfter(1, "10.0.0.2:20120", &sess.Data{Payload: []byte("p")})
		synctest.Wait()
		require.EqualValues(t, 1, conn.calls.Load())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.EqualValues(t, outcomeTries, conn.calls.Load())
		cl.StopMoves()
		require.NoError(t, cl.Nodes.Wait(t.Context()))
	})
}

// Updates that find no way after their key, or whose node does not take them, are kept;
// packets are not, but sent again.
func TestUpdatesThatCannotFollowAreKept(t *testing.T) {
	const there = "10.0.0.2:20120"
	updates := &sess.PushUpdates{Updates: []byte("u")}
	for name, c := range map[string]struct {
		in   sess.Input
		fill bool // what waits for that node
		kept bool
	}{
		"no room":               {updates, true, true},
		"nobody takes them":     {updates, false, true},
		"a packet":              {&sess.Data{Payload: []byte("p")}, false, false},
		"a packet, and no room": {&sess.Data{Payload: []byte("p")}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := joined(refusing{calls: new(atomic.Int64), code: codes.Unavailable, hangs: c.fill})
				if c.fill {
					require.NoError(t, cl.Nodes.InOrder(there, 1, nodeBytes-2*forwardExtra, func(session.RPCSessionClient) { time.Sleep(time.Second) }))
					require.NoError(t, cl.Nodes.InOrder(there, 1, 0, func(session.RPCSessionClient) {}))
				}
				cl.SendAfter(1, there, c.in)
				synctest.Wait()
				require.Equal(t, c.kept, cl.Parked.Waiting() > 0)
				cl.StopMoves()
				require.NoError(t, cl.Nodes.Wait(t.Context()))
			})
		})
	}
}
