package server

import (
	"context"

	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// SessionQueryAuthKey fetches a transport key for a gateway. A key whose login has
// ended is a key still: were it unknown to gateways, its client would not hear
// from an rpc_error that it is logged out. It would make a new temp key, bind it,
// and be told that this one is unknown, without end.
func (s *Server) SessionQueryAuthKey(ctx context.Context, in *session.TLSessionQueryAuthKey) (*mtproto.AuthKeyInfo, error) {
	ctx, cancel := s.bounded(ctx, session.RPCSession_SessionQueryAuthKey_FullMethodName)
	defer cancel()
	info, err := s.svc.Auth.RPC().AuthsessionQueryAuthKey(ctx, &authsession.TLAuthsessionQueryAuthKey{AuthKeyId: in.GetAuthKeyId()})
	if err != nil {
		return nil, passOn(err)
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
