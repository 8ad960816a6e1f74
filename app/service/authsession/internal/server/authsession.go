// Package server is the thin layer between gRPC and the handlers.
package server

import (
	"context"

	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/service/authsession/internal/core"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// Register adds both services to g.
func Register(g *grpc.Server, svcCtx *svc.ServiceContext) {
	authsession.RegisterRPCAuthsessionServer(g, &calls{svcCtx: svcCtx})
	authsession.RegisterRPCSessionManagerServer(g, &manager{svcCtx: svcCtx})
}

// calls are the calls of a stock authsession.
type calls struct {
	authsession.UnimplementedRPCAuthsessionServer
	svcCtx *svc.ServiceContext
}

func (s *calls) AuthsessionGetAuthorizations(ctx context.Context, in *authsession.TLAuthsessionGetAuthorizations) (*mtproto.Account_Authorizations, error) {
	return core.New(ctx, s.svcCtx).AuthsessionGetAuthorizations(in)
}

func (s *calls) AuthsessionResetAuthorization(ctx context.Context, in *authsession.TLAuthsessionResetAuthorization) (*authsession.Vector_Long, error) {
	return core.New(ctx, s.svcCtx).AuthsessionResetAuthorization(in)
}

func (s *calls) AuthsessionGetLayer(ctx context.Context, in *authsession.TLAuthsessionGetLayer) (*mtproto.Int32, error) {
	return core.New(ctx, s.svcCtx).AuthsessionGetLayer(in)
}

func (s *calls) AuthsessionGetLangPack(ctx context.Context, in *authsession.TLAuthsessionGetLangPack) (*mtproto.String, error) {
	return core.New(ctx, s.svcCtx).AuthsessionGetLangPack(in)
}

func (s *calls) AuthsessionGetClient(ctx context.Context, in *authsession.TLAuthsessionGetClient) (*mtproto.String, error) {
	return core.New(ctx, s.svcCtx).AuthsessionGetClient(in)
}

func (s *calls) AuthsessionGetLangCode(ctx context.Context, in *authsession.TLAuthsessionGetLangCode) (*mtproto.String, error) {
	return core.New(ctx, s.svcCtx).AuthsessionGetLangCode(in)
}

func (s *calls) AuthsessionGetUserId(ctx context.Context, in *authsession.TLAuthsessionGetUserId) (*mtproto.Int64, error) {
	return core.New(ctx, s.svcCtx).AuthsessionGetUserId(in)
}

func (s *calls) AuthsessionGetPushSessionId(ctx context.Context, in *authsession.TLAuthsessionGetPushSessionId) (*mtproto.Int64, error) {
	return core.New(ctx, s.svcCtx).AuthsessionGetPushSessionId(in)
}

func (s *calls) AuthsessionGetFutureSalts(ctx context.Context, in *authsession.TLAuthsessionGetFutureSalts) (*mtproto.FutureSalts, error) {
	return core.New(ctx, s.svcCtx).AuthsessionGetFutureSalts(in)
}

func (s *calls) AuthsessionQueryAuthKey(ctx context.Context, in *authsession.TLAuthsessionQueryAuthKey) (*mtproto.AuthKeyInfo, error) {
	return core.New(ctx, s.svcCtx).AuthsessionQueryAuthKey(in)
}

func (s *calls) AuthsessionSetAuthKey(ctx context.Context, in *authsession.TLAuthsessionSetAuthKey) (*mtproto.Bool, error) {
	return core.New(ctx, s.svcCtx).AuthsessionSetAuthKey(in)
}

func (s *calls) AuthsessionBindAuthKeyUser(ctx context.Context, in *authsession.TLAuthsessionBindAuthKeyUser) (*mtproto.Int64, error) {
	return core.New(ctx, s.svcCtx).AuthsessionBindAuthKeyUser(in)
}

func (s *calls) AuthsessionUnbindAuthKeyUser(ctx context.Context, in *authsession.TLAuthsessionUnbindAuthKeyUser) (*mtproto.Bool, error) {
	return core.New(ctx, s.svcCtx).AuthsessionUnbindAuthKeyUser(in)
}

func (s *calls) AuthsessionGetPermAuthKeyId(ctx context.Context, in *authsession.TLAuthsessionGetPermAuthKeyId) (*mtproto.Int64, error) {
	return core.New(ctx, s.svcCtx).AuthsessionGetPermAuthKeyId(in)
}

func (s *calls) AuthsessionBindTempAuthKey(ctx context.Context, in *authsession.TLAuthsessionBindTempAuthKey) (*mtproto.Bool, error) {
	return core.New(ctx, s.svcCtx).AuthsessionBindTempAuthKey(in)
}

func (s *calls) AuthsessionSetClientSessionInfo(ctx context.Context, in *authsession.TLAuthsessionSetClientSessionInfo) (*mtproto.Bool, error) {
	return core.New(ctx, s.svcCtx).AuthsessionSetClientSessionInfo(in)
}

func (s *calls) AuthsessionGetAuthorization(ctx context.Context, in *authsession.TLAuthsessionGetAuthorization) (*mtproto.Authorization, error) {
	return core.New(ctx, s.svcCtx).AuthsessionGetAuthorization(in)
}

func (s *calls) AuthsessionGetAuthStateData(ctx context.Context, in *authsession.TLAuthsessionGetAuthStateData) (*authsession.AuthKeyStateData, error) {
	return core.New(ctx, s.svcCtx).AuthsessionGetAuthStateData(in)
}

func (s *calls) AuthsessionSetLayer(ctx context.Context, in *authsession.TLAuthsessionSetLayer) (*mtproto.Bool, error) {
	return core.New(ctx, s.svcCtx).AuthsessionSetLayer(in)
}

func (s *calls) AuthsessionSetInitConnection(ctx context.Context, in *authsession.TLAuthsessionSetInitConnection) (*mtproto.Bool, error) {
	return core.New(ctx, s.svcCtx).AuthsessionSetInitConnection(in)
}

func (s *calls) AuthsessionSetAndroidPushSessionId(ctx context.Context, in *authsession.TLAuthsessionSetAndroidPushSessionId) (*mtproto.Bool, error) {
	return core.New(ctx, s.svcCtx).AuthsessionSetAndroidPushSessionId(in)
}
