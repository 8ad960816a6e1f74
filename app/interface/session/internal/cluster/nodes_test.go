package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/session"
)

// hanging is a connection to a node that never answers: calls end with their
// time, or with the connection.
type hanging struct{ closed chan struct{} }

func (h hanging) Invoke(ctx context.Context, _ string, _, _ any, _ ...grpc.CallOption) error {
	select {
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	case <-h.closed:
		return status.Error(codes.Canceled, "the connection is closing")
	}
}

func (h hanging) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, h.Invoke(ctx, method, nil, nil)
}

func (h hanging) Close() error {
	close(h.closed)
	return nil
}

func hangingNodes() *Nodes {
	return NewNodes(func(string) (Conn, error) { return hanging{make(chan struct{})}, nil }, nil)
}

// push is a request that takes two seconds to fail; ended, if any, is told.
func push(ended func(error)) func(session.RPCSessionClient) {
	return func(node session.RPCSessionClient) {
		ctx, cancel := context.WithTimeout(SendForwarded(context.Background()), 2*time.Second)
		defer cancel()
		_, err := node.SessionPushUpdatesData(ctx, &session.TLSessionPushUpdatesData{})
		if ended != nil {
			ended(err)
		}
	}
}

func idle(session.RPCSessionClient) {}

// Requests that wait are bounded by bytes, for one node and for all.
func TestForwardedBytesAreBounded(t *testing.T) {
	n := hangingNodes()
	thaw := make(chan struct{})
	hold := func(session.RPCSessionClient) { <-thaw }
	require.NoError(t, n.InOrder("a", 1, nodeBytes+1, hold), "one always fits")
	require.ErrorIs(t, n.InOrder("a", 2, 0, idle), ErrFull)
	for i, addr := range []string{"b", "c", "d"} {
		require.NoError(t, n.InOrder(addr, int64(i), nodeBytes-2*forwardExtra, hold), "another node's share is its own")
	}
	require.ErrorIs(t, n.InOrder("e", 1, 3*forwardExtra, idle), ErrFull, "of all nodes")
	require.Equal(t, 4*nodeBytes+1-2*forwardExtra, n.Waiting(), "what is refused takes no room")
	close(thaw)
	n.Close()
	require.Zero(t, n.Waiting())
}

// And by their number, which is that of a lane for one key.
func TestForwardedRequestsOfAKeyAreBounded(t *testing.T) {
	n := hangingNodes()
	thaw, began := make(chan struct{}), make(chan struct{})
	require.NoError(t, n.InOrder("a", 1, 1, func(session.RPCSessionClient) { close(began); <-thaw }))
	<-began
	for range forwardQueue {
		require.NoError(t, n.InOrder("a", 1, 1, idle))
	}
	require.ErrorIs(t, n.InOrder("a", 1, 1, idle), ErrFull)
	require.Equal(t, (forwardQueue+1)*(1+forwardExtra), n.Waiting(), "what is refused takes no room")
	close(thaw)
	n.Close()
	require.Zero(t, n.Waiting())
}

func TestAHangingNodeHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := hangingNodes()
		defer n.Close()
		for range forwardQueue {
			require.NoError(t, n.InOrder("frozen", 1, 1000, push(nil)))
		}
		ran := false
		require.NoError(t, n.InOrder("healthy", 1, 1000, func(session.RPCSessionClient) { ran = true }))
		synctest.Wait()
		require.True(t, ran)
	})
}

// Close waited for requests one after the other, each for its time.
func TestCloseEndsWhatWaitsForAHangingNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := hangingNodes()
		var errs []error
		for range 50 {
			require.NoError(t, n.InOrder("frozen", 1, 1000, push(func(err error) { errs = append(errs, err) })))
		}
		start := time.Now()
		bounded, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		require.ErrorIs(t, n.Wait(bounded), context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(start))
		n.Close()
		require.Equal(t, 3*time.Second, time.Since(start), "Close takes no time")
		require.Len(t, errs, 50, "each has been told")
		require.Zero(t, n.Waiting())

		require.Error(t, n.InOrder("frozen", 1, 1, idle), "nobody is dialled any more")
		_, err := n.Client("frozen")
		require.Error(t, err)
	})
}

// What waits for a node that leaves the list fails at once, and takes no room.
func TestKeepLetsGoOfNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := hangingNodes()
		defer n.Close()
		for range 50 {
			require.NoError(t, n.InOrder("gone", 1, 1000, push(nil)))
		}
		start := time.Now()
		n.Keep(func(addr string) bool { return addr != "gone" })
		require.NoError(t, n.Wait(t.Context()))
		require.Equal(t, start, time.Now())
		require.Empty(t, n.nodes)
		require.Zero(t, n.Waiting())
	})
}

func TestANodeThatCannotBeDialledIsAnError(t *testing.T) {
	away := errors.New("no such address")
	n := NewNodes(func(string) (Conn, error) { return nil, away }, nil)
	defer n.Close()
	_, err := n.Client("x")
	require.ErrorIs(t, err, away)
	require.ErrorIs(t, n.InOrder("x", 1, 1, idle), away)
	require.Zero(t, n.Waiting())
}
