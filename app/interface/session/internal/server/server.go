// Package server is the session service as gateways, HTTP servers and sync
// call it (PEERS.md, "session").
//
// What a handler answers says what became of the request: true means taken,
// never dropped. The statuses are chosen for what stock peers make of them
// (status.go).
package server

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/keys"
	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/svc"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

const (
	// Margin is how long before its caller's deadline a handler answers: an answer
	// that comes too late evicts a node from the stock gateways' rings.
	Margin = 200 * time.Millisecond
	// longestWait bounds a handler whose caller has no deadline.
	longestWait = 25 * time.Second
)

// Server is the unary service.
type Server struct {
	session.UnimplementedRPCSessionServer
	svc *svc.ServiceContext
}

// New serves a node.
func New(s *svc.ServiceContext) *Server { return &Server{svc: s} }

var boolTrue = &mtproto.Bool{PredicateName: "boolTrue", Constructor: mtproto.TLConstructor_CRC32_boolTrue}

// bounded ends ctx in time for the answer: before the caller's deadline and
// before the configured timeout of the method.
func (s *Server) bounded(ctx context.Context, method string) (context.Context, context.CancelFunc) {
	wait := longestWait + Margin
	if t := s.svc.Config.Timeout; t > 0 {
		wait = time.Duration(t) * time.Millisecond
	}
	for _, m := range s.svc.Config.MethodTimeouts {
		if m.FullMethod == method {
			wait = m.Timeout
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	return context.WithTimeout(ctx, max(wait-Margin, wait/10))
}

// Await has calls wait after a pause of the process (cluster.Cluster.Await), not longer
// than they may take.
func (s *Server) Await(ctx context.Context, in any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if s.svc.Cluster.Paused() {
		bounded, cancel := s.bounded(ctx, info.FullMethod)
		defer cancel()
		if s.svc.Cluster.Await(bounded) != nil {
			return nil, errInternal
		}
	}
	return handler(ctx, in)
}

// place says where a key's wrapper is.
type place struct {
	key     int64 // of the wrapper
	unbound bool
	owner   string // another node; empty: here
}

// locate finds the wrapper of a resolved transport key. A temp key of its own
// has no owner but the node that its gateway chose: by the perm key that it
// claims, where it claims one.
func (s *Server) locate(authKeyID int64, k keys.Key, claimed int64, hop cluster.Hop) place {
	p := place{key: k.Perm}
	hashed := k.Perm
	if k.Unbound() {
		p.key, p.unbound, hashed = authKeyID, true, claimed
	}
	if !hop.ServedHere() && hashed != 0 {
		p.owner = s.ownerOf(hashed)
	}
	return p
}

// ownerOf is the node that owns a perm key; empty: this one.
func (s *Server) ownerOf(permAuthKeyID int64) string {
	owner, mine := s.svc.Cluster.Owner(permAuthKeyID)
	if mine {
		return ""
	}
	return owner
}

// redirect refuses a request of another node's key.
func redirect(owner string) error {
	metrics.Foreign.Inc("redirected")
	return errRedirect(owner)
}

// node is the service of another node, for a request that is sent on.
func (s *Server) node(owner string) (session.RPCSessionClient, error) {
	metrics.Foreign.Inc("forwarded")
	client, err := s.svc.Cluster.Nodes.Client(owner)
	if err != nil {
		return nil, errInternal
	}
	return client, nil
}
