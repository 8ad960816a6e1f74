package server

import (
	"context"

	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// Nodes is what session nodes ask each other about keys that move
// (proto/session/handover.proto). It answers nodes alone: a key's state holds what its
// client has been sent.
type Nodes struct {
	session.UnimplementedSessionNodesServer
	unary *Server
}

// NewNodes serves other nodes.
func NewNodes(unary *Server) *Nodes { return &Nodes{unary: unary} }

// maxOffer bounds the keys of an offer.
const maxOffer = 10_000

var (
	errStranger = rpcerr.ErrNodeStranger.Status()
	// errMine is for a node that takes another's key for its own: one of the two has
	// not heard of the ring's last change yet. It asks again.
	errMine = rpcerr.ErrKeyStays.Status()
)

func (n *Nodes) node(ctx context.Context) error {
	if n.unary.svc.Cluster.Hop(ctx, cluster.Direct) != cluster.Forwarded {
		return errStranger
	}
	return nil
}

// OfferKeys hears of keys that another node has.
func (n *Nodes) OfferKeys(ctx context.Context, in *session.OfferKeysRequest) (*session.OfferKeysReply, error) {
	if err := n.node(ctx); err != nil {
		return nil, err
	}
	if len(in.GetPermAuthKeyIds()) > maxOffer || in.GetFrom() == "" {
		return nil, errInput
	}
	return &session.OfferKeysReply{Refused: n.unary.svc.Cluster.Offered(in.GetFrom(), in.GetPermAuthKeyIds())}, nil
}

// HandOver gives a key away.
func (n *Nodes) HandOver(ctx context.Context, in *session.HandOverRequest) (*session.HandOverReply, error) {
	state := make(chan *session.KeyState, 1)
	if err := n.TakeHandOver(ctx, in, func(st *session.KeyState) { state <- st }); err != nil {
		return nil, err
	}
	select {
	case st := <-state:
		return &session.HandOverReply{State: st}, nil
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// TakeHandOver is HandOver without the waiting (take.go).
func (n *Nodes) TakeHandOver(ctx context.Context, in *session.HandOverRequest, done func(*session.KeyState)) error {
	if err := n.node(ctx); err != nil {
		return err
	}
	if in.GetTo() == "" || in.GetRequestId() == 0 {
		return errInput
	}
	if n.unary.svc.Cluster.Keeps(in.GetPermAuthKeyId()) {
		return errMine
	}
	n.unary.svc.Runloop.HandOver(in.GetPermAuthKeyId(), in.GetTo(), in.GetRequestId(), done)
	return nil
}

// Follow takes what came of a key's calls and packets on the node that had it.
func (n *Nodes) Follow(ctx context.Context, in *session.FollowRequest) (*session.FollowReply, error) {
	if err := n.node(ctx); err != nil {
		return nil, err
	}
	var what sess.Input
	switch w := in.GetWhat().(type) {
	case *session.FollowRequest_Outcome:
		what = sess.FromOutcome(w.Outcome, n.unary.svc.Schema)
	case *session.FollowRequest_Lost:
		what = &sess.SendFailed{ServerID: w.Lost.GetServerId(), AuthKeyID: w.Lost.GetAuthKeyId(), SessionID: w.Lost.GetSessionId()}
	default:
		return nil, errInput
	}
	_, _ = n.unary.svc.Runloop.Tell(in.GetPermAuthKeyId(), what) // a control input is never refused
	return &session.FollowReply{}, nil
}
