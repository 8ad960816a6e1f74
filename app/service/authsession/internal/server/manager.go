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
