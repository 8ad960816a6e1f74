package server

import (
	"context"

	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/keys"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// SessionCreateSession tells that a gateway opened a connection for a
// session. Gateways of today say so with the first packet instead.
func (s *Server) SessionCreateSession(ctx context.Context, in *session.TLSessionCreateSession) (*mtproto.Bool, error) {
	return s.wait(ctx, session.RPCSession_SessionCreateSession_FullMethodName, func(done func(error)) {
		s.createSession(in, s.svc.Cluster.Hop(ctx, cluster.Redirectable), cluster.WasIntroduced(ctx), done)
	})
}

// SessionCloseSession tells that a gateway has no connection of a session
// any more.
func (s *Server) SessionCloseSession(ctx context.Context, in *session.TLSessionCloseSession) (*mtproto.Bool, error) {
	return s.wait(ctx, session.RPCSession_SessionCloseSession_FullMethodName, func(done func(error)) {
		s.closeSession(in, s.svc.Cluster.Hop(ctx, cluster.Redirectable), done)
	})
}

// createSession takes word of a connection from a gateway, or, introduced, from
// the node that had the key until now.
func (s *Server) createSession(in *session.TLSessionCreateSession, hop cluster.Hop, introduced bool, done func(error)) {
	s.event(in.GetClient(), hop, done, func(ctx context.Context, node session.RPCSessionClient) error {
		_, err := node.SessionCreateSession(ctx, in)
		return err
	}, func(p place, k keys.Key) error {
		e := in.GetClient()
		return s.svc.Runloop.Post(p.key, p.unbound, &sess.ConnNew{
			ServerID: e.GetServerId(), AuthKeyID: e.GetAuthKeyId(), KeyType: k.Type, SessionID: e.GetSessionId(), ClientIP: e.GetClientIp(),
			Introduced: introduced && hop == cluster.Forwarded && !p.unbound,
		})
	})
}

func (s *Server) closeSession(in *session.TLSessionCloseSession, hop cluster.Hop, done func(error)) {
	s.event(in.GetClient(), hop, done, func(ctx context.Context, node session.RPCSessionClient) error {
		_, err := node.SessionCloseSession(ctx, in)
		return err
	}, func(p place, _ keys.Key) error {
		e := in.GetClient()
		closed := &sess.ConnClosed{ServerID: e.GetServerId(), AuthKeyID: e.GetAuthKeyId(), SessionID: e.GetSessionId()}
		known, err := s.svc.Runloop.Tell(p.key, closed)
		// Another node may have the key since a change of the ring: then it is asked for it. At
		// any other time there is nobody to ask.
		if !known && !p.unbound && hop.MayWait() && s.svc.Runloop.Expect(p.key) {
			_, err = s.svc.Runloop.Tell(p.key, closed)
		}
		return err
	})
}

// event brings word of a connection to the wrapper of its key.
func (s *Server) event(e *session.SessionClientEvent, hop cluster.Hop, done func(error),
	call cluster.Call, here func(place, keys.Key) error,
) {
	if e == nil {
		done(errInput)
		return
	}
	s.resolve(e.GetAuthKeyId(), keys.Claim{Perm: e.GetPermAuthKeyId(), Type: e.GetKeyType()}, done, func(k keys.Key) {
		p := s.locate(e.GetAuthKeyId(), k, e.GetPermAuthKeyId(), hop)
		switch {
		case p.owner != "" && hop != cluster.Direct:
			done(redirect(p.owner))
		case p.owner != "":
			s.sendOn(p, 0, done, call)
		default:
			s.end(here(p, k), p, 0, hop, done, call)
		}
	})
}
