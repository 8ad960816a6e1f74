package testenv

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// Ended is an ended login that a session node was told of.
type Ended struct {
	AuthKeyID, UserID int64
	Replaced          bool // by another user's on the same key
}

// SessionNode is a session node as far as pushes go.
type SessionNode struct {
	session.UnimplementedRPCSessionServer
	Address string
	// Answer, when set, is called for each push and answers it.
	Answer func(ctx context.Context, in *session.TLSessionPushUpdatesData) error

	t    testing.TB
	mu   sync.Mutex
	told []Ended
	news []News
}

// News are updates for the client on a key.
type News struct {
	AuthKeyID int64
	Updates   []byte
}

// NewSessionNode starts a node that lives as long as the test.
func NewSessionNode(t testing.TB) *SessionNode {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n := &SessionNode{Address: l.Addr().String(), t: t}
	g := grpc.NewServer()
	session.RegisterRPCSessionServer(g, n)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = g.Serve(l)
	}()
	t.Cleanup(func() {
		g.Stop()
		<-served
	})
	return n
}

// RedirectTo makes the node refuse pushes as one that does not own the key.
func (n *SessionNode) RedirectTo(other string) {
	n.Answer = func(context.Context, *session.TLSessionPushUpdatesData) error {
		return status.Error(codes.Code(700), "REDIRECT_TO_"+other)
	}
}

// SessionPushUpdatesData notes what it is told, if it accepts it.
func (n *SessionNode) SessionPushUpdatesData(ctx context.Context, in *session.TLSessionPushUpdatesData) (*mtproto.Bool, error) {
	if n.Answer != nil {
		if err := n.Answer(ctx, in); err != nil {
			return nil, err
		}
	}
	predicate, ended := reset(in.GetUpdates())
	if predicate == "updateShort" && !in.GetNotification() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.news = append(n.news, News{in.GetPermAuthKeyId(), in.GetUpdates()})
		return &mtproto.Bool{PredicateName: "boolTrue"}, nil
	}
	if predicate != "updateAccountResetAuthorization" || ended.AuthKeyID != in.GetPermAuthKeyId() {
		n.t.Errorf("push of key %d: %q of key %d", in.GetPermAuthKeyId(), predicate, ended.AuthKeyID)
	}
	ended.Replaced = in.GetNotification()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, ended)
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

// Told returns what the node was told since the last call, by key.
func (n *SessionNode) Told() []Ended {
	n.mu.Lock()
	defer n.mu.Unlock()
	told := n.told
	n.told = nil
	slices.SortFunc(told, func(a, b Ended) int {
		if a.AuthKeyID < b.AuthKeyID {
			return -1
		}
		return 1
	})
	return told
}

// News returns the updates that came since the last call.
func (n *SessionNode) News() []News {
	n.mu.Lock()
	defer n.mu.Unlock()
	news := n.news
	n.news = nil
	return news
}

// reset reads what session reads of mtproto.Updates.
func reset(updates []byte) (predicate string, ended Ended) {
	for len(updates) > 0 {
		number, kind, n := protowire.ConsumeTag(updates)
		if n < 0 {
			return "", Ended{}
		}
		updates = updates[n:]
		size := protowire.ConsumeFieldValue(number, kind, updates)
		if size < 0 {
			return "", Ended{}
		}
		switch value, _ := protowire.ConsumeVarint(updates); number {
		case 1:
			text, _ := protowire.ConsumeBytes(updates)
			predicate = string(text)
		case 8:
			ended.UserID = int64(value)
		case 27:
			ended.AuthKeyID = int64(value)
		}
		updates = updates[size:]
	}
	return predicate, ended
}
