package server

import (
	"context"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/keys"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// These are the handlers in a form that does not block. The gRPC handlers wait for the
// outcome in their goroutine; a caller in the same process, such as the simulation, passes
// a function that is called with it.

// Take begins to serve a request whose answer is a status alone. done gets the
// status, once, before Take returns or later. follow says that the caller
// follows redirects, as unary gateways do. False: in is no such request, and
// done is not called.
func (s *Server) Take(ctx context.Context, in any, follow bool, done func(error)) bool {
	unmarked := cluster.Direct
	if follow {
		unmarked = cluster.Redirectable
	}
	hop := s.svc.Cluster.Hop(ctx, unmarked)
	switch in := in.(type) {
	case *session.TLSessionSendDataToSession:
		s.sendData(in, hop, s.traceOf(ctx), done)
	case *session.TLSessionCreateSession:
		s.createSession(in, hop, cluster.WasIntroduced(ctx), done)
	case *session.TLSessionCloseSession:
		s.closeSession(in, hop, done)
	case *session.TLSessionPushUpdatesData:
		s.pushUpdates(in, hop, done)
	case *session.TLSessionPushSessionUpdatesData:
		s.pushSessionUpdates(in, hop, done)
	case *session.TLSessionPushRpcResultData:
		s.pushRPCResult(in, hop, done)
	default:
		return false
	}
	return true
}

// TakeHTTP begins to serve a packet that came over HTTP. done is called once:
// with an error, with the owner of the key when that is another node, or with
// neither, and then slot is answered by until. Once ctx has ended nothing is
// taken.
func (s *Server) TakeHTTP(ctx context.Context, d *session.SessionClientData, slot sess.Slot, until time.Time, done func(key int64, owner string, err error)) {
	hop := s.svc.Cluster.Hop(ctx, cluster.Direct)
	failed := func(err error) { done(0, "", err) }
	s.resolve(d.GetAuthKeyId(), claim(d), failed, func(k keys.Key) {
		p := s.locate(d.GetAuthKeyId(), k, d.GetPermAuthKeyId(), hop)
		switch {
		case p.owner != "" && hop != cluster.Direct:
			failed(redirect(p.owner))
		case p.owner != "" || ctx.Err() != nil:
			done(p.key, p.owner, nil)
		default:
			err := s.postHTTP(p, k, d, slot, until, s.traceOf(ctx))
			if to, moved := movedTo(err); moved {
				done(p.key, to, nil)
				return
			}
			done(p.key, "", asStatus(err))
		}
	})
}
