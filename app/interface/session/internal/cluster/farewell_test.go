package cluster

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// goneKeys are keys of a node that hears which others are gone.
type goneKeys struct {
	Keys
	gone [][]string
}

func (k *goneKeys) NodesGone(nodes []string) { k.gone = append(k.gone, nodes) }

// Keys that came from a node a moment ago hear that it is gone, also where others come.
func TestNodesThatAreGoneAreTold(t *testing.T) {
	const a, b = "10.0.0.2:20120", "10.0.0.3:20120"
	c, k := New("10.0.0.1:20120"), new(goneKeys)
	c.Join(k, Options{Later: func(time.Duration, func()) func() { return func() {} }})
	for _, nodes := range [][]string{{a}, {a, b}, {b}, {b}, {a, b}, {c.Self()}} {
		c.Update(nodes)
	}
	require.Equal(t, [][]string{{a}, {a, b}}, k.gone)
}

// slow is a connection to a node that takes a second for what it is asked.
type slow struct{ hanging }

func (s slow) Invoke(ctx context.Context, method string, in, out any, opts ...grpc.CallOption) error {
	bounded, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := s.hanging.Invoke(bounded, method, in, out, opts...); status.Code(err) != codes.DeadlineExceeded {
		return err
	}
	return nil
}

// A node that has left drains, and is called for a while. The time of an earlier change of
// the ring was over in that while, and the connection was closed under what was on its way.
func TestANodeThatHasLeftIsCalledForAWhile(t *testing.T) {
	const second, third = "10.0.0.2:20120", "10.0.0.3:20120"
	for name, changes := range map[string]int{"one change before": 1, "more than are remembered": 2 * remembered} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New("10.0.0.1:20120")
				c.Join(new(goneKeys), Options{
					PeerTimeout: 2 * time.Second, ReleaseAfter: 2 * farewell, // no key moves
					Dial: func(string) (Conn, error) { return slow{hanging{make(chan struct{})}}, nil },
					Now:  func() int64 { return time.Now().UnixNano() },
				})
				c.Update([]string{second})
				time.Sleep(farewell - 500*time.Millisecond)
				c.Update([]string{third})
				for i := 1; i < changes; i++ { // somebody comes and goes
					c.Update([]string{third, "10.0.0.4:20120"}[:1+i%2])
				}
				left := time.Now()
				call, size := Request(1, &sess.PushUpdates{})
				var errs []error
				push := func() { c.SendOn(1, size, second, func(err error) { errs = append(errs, err) }, call) }
				push()
				time.Sleep(time.Second)
				synctest.Wait()
				require.Equal(t, []error{nil}, errs)

				time.Sleep(time.Until(left.Add(farewell - 500*time.Millisecond)))
				push()
				time.Sleep(500 * time.Millisecond)
				synctest.Wait()
				require.Len(t, errs, 2, "its time is over")
				require.NotContains(t, c.Nodes.nodes, second)
				c.StopMoves()
				c.Close()
			})
		})
	}
}

// taking is a node that takes pushes.
type taking struct {
	session.UnimplementedRPCSessionServer
}

func (taking) SessionPushUpdatesData(context.Context, *session.TLSessionPushUpdatesData) (*mtproto.Bool, error) {
	return new(mtproto.Bool), nil
}

// A push for a node that had restarted found a connection on which gRPC had a pause, failed,
// and came to its client three seconds later.
func TestANodeThatIsBackIsReachedAtOnce(t *testing.T) {
	const node = "10.0.0.2:20120"
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	session.RegisterRPCSessionServer(server, taking{})
	var serving sync.WaitGroup
	serving.Go(func() { assert.NoError(t, server.Serve(listener)) })
	defer serving.Wait()
	defer server.Stop()

	var away atomic.Bool
	c := New("10.0.0.1:20120")
	c.Join(new(goneKeys), Options{
		PeerTimeout: 10 * time.Second,
		Later:       func(time.Duration, func()) func() { return func() {} },
		Dial: func(addr string) (Conn, error) {
			return grpc.NewClient("passthrough:///"+addr,
				grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: time.Hour, MaxDelay: time.Hour}}),
				grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
					if away.Load() {
						return nil, errors.New("nobody is there")
					}
					return new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
				}))
		},
	})
	defer c.Close()
	defer c.StopMoves()
	call, size := Request(1, &sess.PushUpdates{})
	push := func() error {
		done := make(chan error, 1)
		c.SendOn(1, size, node, func(err error) { done <- err }, call)
		return <-done
	}

	away.Store(true)
	c.Update([]string{node})
	require.Equal(t, codes.Unavailable, status.Code(push()))
	c.Update([]string{c.Self()})
	away.Store(false)
	require.Equal(t, codes.Unavailable, status.Code(push()), "gRPC tries again in an hour")
	c.Update([]string{node})
	require.NoError(t, push())
	live := c.Nodes.nodes[node]
	c.Update([]string{node, "10.0.0.3:20120"})
	require.NoError(t, push())
	require.Same(t, live, c.Nodes.nodes[node], "a connection that works stays")
}

// A call ends with its connection where that is closed here. A push that was on its way was
// refused then, and its client not told; it is kept as if the node were not there.
func TestANodeWhoseConnectionIsClosedIsNotThere(t *testing.T) {
	for code, unable := range map[codes.Code]bool{
		codes.Unavailable: true, codes.DeadlineExceeded: true, codes.Unimplemented: true, codes.Canceled: true,
		codes.OK: false, codes.ResourceExhausted: false, 409: false, 500: false,
	} {
		require.Equal(t, unable, Unable(status.Error(code, "")), code)
	}
}

// The node stopped between the look whether it does and the making of a timer: that one was
// not called off, and the node waited for it.
func TestNothingIsScheduledWhileANodeStops(t *testing.T) {
	c := New("10.0.0.1:20120")
	made, off, stopped := 0, 0, false
	c.Join(new(goneKeys), Options{Later: func(time.Duration, func()) func() {
		made++
		if c.mu.TryLock() { // else who stops the node waits until the timer is known
			c.mu.Unlock()
			c.StopMoves()
			stopped = true
		}
		return func() { off++ }
	}})
	c.schedule(time.Minute, func() {})
	if !stopped {
		c.StopMoves()
	}
	require.Equal(t, 1, off)
	require.Empty(t, c.timers)
	c.schedule(time.Minute, func() {})
	require.Equal(t, 1, made, "a node that has stopped schedules nothing")
}
