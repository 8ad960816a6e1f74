package server

import (
	"context"

	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/peers"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// SessionQueryAuthKey fetches a transport key for a gateway. A key whose login
// was ended elsewhere is unknown from then on, so that its client makes a new
// one.
func (s *Server) SessionQueryAuthKey(ctx context.Context, in *session.TLSessionQueryAuthKey) (*mtproto.AuthKeyInfo, error) {
	ctx, cancel := s.bounded(ctx, session.RPCSession_SessionQueryAuthKey_FullMethodName)
	defer cancel()
	info, err := s.svc.Auth.RPC().AuthsessionQueryAuthKey(ctx, &authsession.TLAuthsessionQueryAuthKey{AuthKeyId: in.GetAuthKeyId()})
	if err != nil {
		return nil, passOn(err)
	}
	perm := info.GetPermAuthKeyId()
	if perm == 0 {
		return info, nil
	}
	if s.svc.Runloop.Revoked(perm) {
		return nil, errUnregistered
	}
	// A gateway asks the node that owns the transport key; whether a login
	// was ended is known to the one that owns the perm key.
	if owner, mine := s.svc.Shard.Owner(perm); !mine && !peers.WasForwarded(ctx) {
		if node, err := s.node(owner); err == nil {
			_, err = node.SessionQueryAuthKey(peers.Forwarded(ctx), in)
			if status.Code(err) == status.Code(errUnregistered) {
				return nil, errUnregistered
			}
		}
	}
	return info, nil
}

// SessionSetAuthKey stores a key that a gateway made with a client.
func (s *Server) SessionSetAuthKey(ctx context.Context, in *session.TLSessionSetAuthKey) (*mtproto.Bool, error) {
	if in.GetAuthKey() == nil {
		return nil, errInput
	}
	ctx, cancel := s.bounded(ctx, session.RPCSession_SessionSetAuthKey_FullMethodName)
	defer cancel()
	ok, err := s.svc.Auth.RPC().AuthsessionSetAuthKey(ctx, &authsession.TLAuthsessionSetAuthKey{
		AuthKey: in.GetAuthKey(), FutureSalt: in.GetFutureSalt(), ExpiresIn: in.GetExpiresIn(),
	})
	if err != nil {
		return nil, passOn(err)
	}
	return ok, nil
}
