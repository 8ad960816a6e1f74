package server

import (
	"context"

	"github.com/tgsession/tgsession/app/service/authsession/internal/core"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/proto/authsession"
)

// manager are the calls that only ours has.
type manager struct {
	authsession.UnimplementedRPCSessionManagerServer
	svcCtx *svc.ServiceContext
}

func (s *manager) SetPasswordPending(ctx context.Context, in *authsession.SetPasswordPendingRequest) (*authsession.SetPasswordPendingReply, error) {
	return core.New(ctx, s.svcCtx).SetPasswordPending(in)
}

func (s *manager) DestroyAuthKey(ctx context.Context, in *authsession.DestroyAuthKeyRequest) (*authsession.DestroyAuthKeyReply, error) {
	return core.New(ctx, s.svcCtx).DestroyAuthKey(in)
}

func (s *manager) DropTempAuthKeys(ctx context.Context, in *authsession.DropTempAuthKeysRequest) (*authsession.DropTempAuthKeysReply, error) {
	return core.New(ctx, s.svcCtx).DropTempAuthKeys(in)
}

func (s *manager) TouchSessions(ctx context.Context, in *authsession.TouchSessionsRequest) (*authsession.TouchSessionsReply, error) {
	return core.New(ctx, s.svcCtx).TouchSessions(in)
}

func (s *manager) CheckSession(ctx context.Context, in *authsession.CheckSessionRequest) (*authsession.CheckSessionReply, error) {
	return core.New(ctx, s.svcCtx).CheckSession(in)
}

func (s *manager) ListSessions(ctx context.Context, in *authsession.ListSessionsRequest) (*authsession.ListSessionsReply, error) {
	return core.New(ctx, s.svcCtx).ListSessions(in)
}

func (s *manager) GetSession(ctx context.Context, in *authsession.GetSessionRequest) (*authsession.Session, error) {
	return core.New(ctx, s.svcCtx).GetSession(in)
}

func (s *manager) FindLastSession(ctx context.Context, in *authsession.FindLastSessionRequest) (*authsession.Session, error) {
	return core.New(ctx, s.svcCtx).FindLastSession(in)
}

func (s *manager) SessionExists(ctx context.Context, in *authsession.SessionExistsRequest) (*authsession.SessionExistsReply, error) {
	return core.New(ctx, s.svcCtx).SessionExists(in)
}

func (s *manager) RevokeSessions(ctx context.Context, in *authsession.RevokeSessionsRequest) (*authsession.RevokeSessionsReply, error) {
	return core.New(ctx, s.svcCtx).RevokeSessions(in)
}

func (s *manager) ChangeSession(ctx context.Context, in *authsession.ChangeSessionRequest) (*authsession.ChangeSessionReply, error) {
	return core.New(ctx, s.svcCtx).ChangeSession(in)
}

func (s *manager) SetAuthorizationTTL(ctx context.Context, in *authsession.SetAuthorizationTTLRequest) (*authsession.SetAuthorizationTTLReply, error) {
	return core.New(ctx, s.svcCtx).SetAuthorizationTTL(in)
}
