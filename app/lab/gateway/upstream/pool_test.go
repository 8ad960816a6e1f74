package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/gateway/upstream"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

func TestMain(m *testing.M) { leaktest.Strict(m) }

// sessionNode is a session server that keeps what it is sent and answers what
// it is told to.
type sessionNode struct {
	session.UnimplementedRPCSessionServer
	session.UnimplementedRPCSessionStreamServer
	addr string

	mu     sync.Mutex
	refuse error
	data   []*session.SessionClientData
	closed []*session.SessionClientEvent
	keys   map[int64]*mtproto.AuthKeyInfo
	hold   chan struct{} // until it is closed, some calls wait
	held   chan struct{} // gets a value when one does
}

func startNode(t *testing.T) *sessionNode {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n := &sessionNode{addr: lis.Addr().String(), keys: map[int64]*mtproto.AuthKeyInfo{}, hold: make(chan struct{}), held: make(chan struct{}, 8)}
	srv := grpc.NewServer()
	session.RegisterRPCSessionServer(srv, n)
	session.RegisterRPCSessionStreamServer(srv, n)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(lis) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	return n
}

func (n *sessionNode) set(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuse = err
}

func (n *sessionNode) received() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.data)
}

func (n *sessionNode) SessionSendDataToSession(_ context.Context, q *session.TLSessionSendDataToSession) (*mtproto.Bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refuse != nil {
		return nil, n.refuse
	}
	n.data = append(n.data, q.GetData())
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

func (n *sessionNode) SessionCloseSession(_ context.Context, q *session.TLSessionCloseSession) (*mtproto.Bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = append(n.closed, q.GetClient())
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

func (n *sessionNode) SessionQueryAuthKey(ctx context.Context, q *session.TLSessionQueryAuthKey) (*mtproto.AuthKeyInfo, error) {
	if q.GetAuthKeyId() == heldKey {
		if err := n.wait(ctx); err != nil {
			return nil, err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if k, ok := n.keys[q.GetAuthKeyId()]; ok {
		return k, nil
	}
	return nil, status.Error(401, "AUTH_KEY_UNREGISTERED")
}

// heldKey is one that a node takes its time to find.
const heldKey = 99

func (n *sessionNode) wait(ctx context.Context) error {
	n.held <- struct{}{}
	select {
	case <-n.hold:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

func (n *sessionNode) SessionSendHttpDataToSession(ctx context.Context, _ *session.TLSessionSendHttpDataToSession) (*session.HttpSessionData, error) {
	if err := n.wait(ctx); err != nil {
		return nil, err
	}
	return &session.HttpSessionData{Payload: []byte("late")}, nil
}

func (n *sessionNode) SessionSetAuthKey(_ context.Context, q *session.TLSessionSetAuthKey) (*mtproto.Bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := q.GetAuthKey().GetAuthKeyId()
	if _, taken := n.keys[id]; taken {
		return &mtproto.Bool{PredicateName: "boolFalse"}, nil
	}
	n.keys[id] = q.GetAuthKey()
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

func (n *sessionNode) SessionDataStream(s grpc.BidiStreamingServer[session.SessionStreamRequest, session.SessionStreamResponse]) error {
	for {
		q, err := s.Recv()
		if err != nil {
			return err
		}
		resp := &session.SessionStreamResponse{RequestId: q.GetRequestId()}
		fail := func(err error) {
			st, _ := status.FromError(err)
			resp.Payload = &session.SessionStreamResponse_Error{Error: &session.SessionStreamError{Code: int32(st.Code()), Message: st.Message()}}
		}
		resp.Payload = &session.SessionStreamResponse_Ack{Ack: &session.SessionStreamAck{Success: true}}
		switch p := q.GetPayload().(type) {
		case *session.SessionStreamRequest_SendData:
			if _, err := n.SessionSendDataToSession(s.Context(), p.SendData); err != nil {
				fail(err)
			}
		case *session.SessionStreamRequest_CloseSession:
			_, _ = n.SessionCloseSession(s.Context(), p.CloseSession)
		case *session.SessionStreamRequest_QueryAuthKey:
			if k, err := n.SessionQueryAuthKey(s.Context(), p.QueryAuthKey); err != nil {
				// As a stock node words it.
				resp.Payload = &session.SessionStreamResponse_Error{Error: &session.SessionStreamError{Code: 500, Message: err.Error()}}
			} else {
				resp.Payload = &session.SessionStreamResponse_AuthKey{AuthKey: k}
			}
		}
		if err := s.Send(resp); err != nil {
			return err
		}
	}
}

// bothModes runs f for unary calls and for streams.
func bothModes(t *testing.T, f func(t *testing.T, stream bool)) {
	for _, stream := range []bool{false, true} {
		name := "unary"
		if stream {
			name = "stream"
		}
		t.Run(name, func(t *testing.T) { f(t, stream) })
	}
}

func newPool(t *testing.T, stream bool, addrs ...string) *upstream.Pool {
	t.Helper()
	p := upstream.New(upstream.Config{Stream: stream, Timeout: 3 * time.Second})
	p.Update(addrs)
	t.Cleanup(p.Close)
	return p
}

func data(perm int64) *session.SessionClientData {
	return &session.SessionClientData{AuthKeyId: perm, PermAuthKeyId: perm, SessionId: 7, Payload: []byte(strconv.FormatInt(perm, 10))}
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	require.Eventually(t, f, time.Minute, 5*time.Millisecond)
}

func TestDataReachesTheOwner(t *testing.T) {
	bothModes(t, func(t *testing.T, stream bool) {
		a, b := startNode(t), startNode(t)
		p := newPool(t, stream, a.addr, b.addr)
		ring := upstream.NewRing(a.addr, b.addr)
		want := map[string]int{}
		for key := int64(-20); key < 20; key++ {
			require.NoError(t, p.SendData(context.Background(), data(key), ignore))
			owner, _ := ring.Owner(key)
			want[owner]++
		}
		eventually(t, func() bool { return a.received() == want[a.addr] && b.received() == want[b.addr] })
		require.Len(t, want, 2)
	})
}

func TestOneRedirectIsFollowed(t *testing.T) {
	bothModes(t, func(t *testing.T, stream bool) {
		a, b := startNode(t), startNode(t)
		p := newPool(t, stream, a.addr, b.addr)
		a.set(status.Error(700, "REDIRECT_TO_"+b.addr))
		ring := upstream.NewRing(a.addr, b.addr)
		key := int64(0)
		for owner := ""; owner != a.addr; key++ {
			owner, _ = ring.Owner(key + 1)
		}
		require.NoError(t, p.SendData(context.Background(), data(key), ignore))
		eventually(t, func() bool { return b.received() == 1 })
		require.Zero(t, a.received())
	})
}

func TestRedirectToAStrangerIsAnError(t *testing.T) {
	a := startNode(t)
	p := newPool(t, false, a.addr)
	a.set(status.Error(700, "REDIRECT_TO_10.9.9.9:1"))
	require.ErrorContains(t, p.SendData(context.Background(), data(1), ignore), "10.9.9.9:1")
}

func TestUnknownKey(t *testing.T) {
	bothModes(t, func(t *testing.T, stream bool) {
		a := startNode(t)
		p := newPool(t, stream, a.addr)
		_, err := p.QueryAuthKey(context.Background(), 5)
		require.ErrorIs(t, err, upstream.ErrUnknownKey)

		key := &mtproto.AuthKeyInfo{AuthKeyId: 5, AuthKey: []byte("k")}
		require.NoError(t, p.SetAuthKey(context.Background(), &session.TLSessionSetAuthKey{AuthKey: key}))
		require.Error(t, p.SetAuthKey(context.Background(), &session.TLSessionSetAuthKey{AuthKey: key}), "boolFalse")
		got, err := p.QueryAuthKey(context.Background(), 5)
		require.NoError(t, err)
		require.Equal(t, "k", string(got.GetAuthKey()))
	})
}

func TestPacketsWaitForANode(t *testing.T) {
	bothModes(t, func(t *testing.T, stream bool) {
		a := startNode(t)
		p := newPool(t, stream)
		sent := make(chan error, 1)
		go func() { sent <- p.SendData(context.Background(), data(1), ignore) }()
		p.Update([]string{a.addr})
		require.NoError(t, <-sent)
		eventually(t, func() bool { return a.received() == 1 })
	})
}

func TestNoNodeInTime(t *testing.T) {
	p := newPool(t, false)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.SendData(ctx, data(1), ignore), upstream.ErrNoNode)
}

func TestSilentNodeLeavesTheRingUntilTheNextChange(t *testing.T) {
	a, b := startNode(t), startNode(t)
	p := newPool(t, false, a.addr, b.addr)
	a.set(status.Error(codes.Unavailable, "gone"))
	ring := upstream.NewRing(a.addr, b.addr)
	key := int64(0)
	for owner := ""; owner != a.addr; key++ {
		owner, _ = ring.Owner(key + 1)
	}
	require.Error(t, p.SendData(context.Background(), data(key), ignore), "two failures")
	require.NoError(t, p.SendData(context.Background(), data(key), ignore), "the third one moves the key")
	require.Equal(t, 1, b.received())

	a.set(nil)
	p.Update([]string{a.addr, b.addr})
	require.NoError(t, p.SendData(context.Background(), data(key), ignore))
	require.Equal(t, 1, a.received())
}

func TestStreamReopens(t *testing.T) {
	a, b := startNode(t), startNode(t)
	p := newPool(t, true, a.addr)
	for i, n := range []*sessionNode{a, b, a} {
		p.Update([]string{n.addr})
		require.NoError(t, p.SendData(context.Background(), data(1), ignore))
		eventually(t, func() bool { return a.received()+b.received() == i+1 })
	}
	require.Equal(t, 2, a.received())
}

// A node that stops leaves the list before it has answered everything: what is
// in flight to it goes on, and nothing new goes there.
func TestNodeThatLeavesAnswersWhatItHas(t *testing.T) {
	for name, call := range map[string]func(*upstream.Pool) error{
		"HTTP": func(p *upstream.Pool) error {
			payload, err := p.SendHTTP(context.Background(), data(1))
			if err == nil && string(payload) != "late" {
				err = errors.New("another answer")
			}
			return err
		},
		"query": func(p *upstream.Pool) error {
			_, err := p.QueryAuthKey(context.Background(), heldKey)
			return err
		},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream=%t", name, stream), func(t *testing.T) {
				a, b := startNode(t), startNode(t)
				a.keys[heldKey] = &mtproto.AuthKeyInfo{}
				p := newPool(t, stream, a.addr)
				answered := make(chan error, 1)
				go func() { answered <- call(p) }()
				<-a.held
				p.Update([]string{b.addr})
				require.NoError(t, p.SendData(context.Background(), data(1), ignore))
				eventually(t, func() bool { return b.received() == 1 })
				close(a.hold)
				require.NoError(t, <-answered)
				require.Zero(t, a.received())
			})
		}
	}
}

// The end of the pool waits for nobody.
func TestCloseEndsWhatIsInFlight(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		t.Run(fmt.Sprintf("node has left: %t", leaves), func(t *testing.T) {
			a := startNode(t)
			p := newPool(t, true, a.addr)
			answered := make(chan error, 2)
			go func() { _, err := p.SendHTTP(context.Background(), data(1)); answered <- err }()
			go func() { _, err := p.QueryAuthKey(context.Background(), heldKey); answered <- err }()
			<-a.held
			<-a.held
			if leaves {
				p.Update(nil)
			}
			begin := time.Now()
			p.Close()
			require.Error(t, <-answered)
			require.Error(t, <-answered)
			require.Less(t, time.Since(begin), 10*time.Second)
		})
	}
}

func TestOrderIsKeptInAStream(t *testing.T) {
	a := startNode(t)
	p := newPool(t, true, a.addr)
	const n = 500
	for i := range n {
		d := data(1)
		d.Salt = int64(i)
		require.NoError(t, p.SendData(context.Background(), d, ignore))
	}
	require.NoError(t, p.CloseSession(context.Background(), &session.SessionClientEvent{PermAuthKeyId: 1}))
	eventually(t, func() bool { return a.received() == n })
	for i, d := range a.data {
		require.EqualValues(t, i, d.GetSalt())
	}
}

func ignore() {}
