package bff

import (
	"context"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// authorizationTTLDays is after how many days without use a login ends; the
// BFF fills it in.
const authorizationTTLDays = 180

func (s *Server) registerAccount() {
	s.methods.OnAccountGetAuthorizations(s.getAuthorizations)
	s.methods.OnAccountResetAuthorization(s.resetAuthorization)
	s.methods.OnAccountUpdateStatus(s.updateStatus)
}

func (s *Server) getAuthorizations(ctx context.Context) (*tg.AccountAuthorizations, error) {
	a, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.sessions.AuthsessionGetAuthorizations(ctx, &authsession.TLAuthsessionGetAuthorizations{
		UserId:           a.id,
		ExcludeAuthKeyId: caller(ctx).GetPermAuthKeyId(),
	})
	if err != nil {
		return nil, err // authsession's status is the answer
	}
	out := &tg.AccountAuthorizations{AuthorizationTTLDays: authorizationTTLDays}
	for _, l := range list.GetAuthorizations() {
		out.Authorizations = append(out.Authorizations, device(l))
	}
	return out, nil
}

func (s *Server) resetAuthorization(ctx context.Context, hash int64) (bool, error) {
	if hash == 0 {
		return false, tgerr.New(400, "HASH_INVALID")
	}
	n, err := s.endLogins(ctx, hash)
	if err == nil && n == 0 {
		return false, tgerr.New(400, "HASH_INVALID")
	}
	return err == nil, err
}

// resetAuthorizations ends all logins of the caller but the one at hand.
func (s *Server) resetAuthorizations(ctx context.Context) (bool, error) {
	_, err := s.endLogins(ctx, 0)
	return err == nil, err
}

// endLogins ends the login with that hash, or all others when it is 0, and
// tells the sessions of each key. It returns how many there were.
func (s *Server) endLogins(ctx context.Context, hash int64) (int, error) {
	a, err := s.self(ctx)
	if err != nil {
		return 0, err
	}
	keys, err := s.sessions.AuthsessionResetAuthorization(ctx, &authsession.TLAuthsessionResetAuthorization{
		UserId:    a.id,
		AuthKeyId: caller(ctx).GetPermAuthKeyId(),
		Hash:      hash,
	})
	if err != nil {
		return 0, err // authsession's status is the answer
	}
	for _, key := range keys.GetDatas() {
		s.pusher.pushReset(ctx, a.id, key)
	}
	return len(keys.GetDatas()), nil
}

func (s *Server) updateStatus(ctx context.Context, _ bool) (bool, error) {
	_, err := s.self(ctx)
	return err == nil, err
}

func device(a *mtproto.Authorization) tg.Authorization {
	return tg.Authorization{
		Current:                   a.GetCurrent(),
		OfficialApp:               a.GetOfficialApp(),
		PasswordPending:           a.GetPasswordPending(),
		EncryptedRequestsDisabled: a.GetEncryptedRequestsDisabled(),
		CallRequestsDisabled:      a.GetCallRequestsDisabled(),
		Unconfirmed:               a.GetUnconfirmed(),
		Hash:                      a.GetHash(),
		DeviceModel:               a.GetDeviceModel(),
		Platform:                  a.GetPlatform(),
		SystemVersion:             a.GetSystemVersion(),
		APIID:                     int(a.GetApiId()),
		AppName:                   a.GetAppName(),
		AppVersion:                a.GetAppVersion(),
		DateCreated:               int(a.GetDateCreated()),
		DateActive:                int(a.GetDateActive()),
		IP:                        a.GetIp(),
		Country:                   a.GetCountry(),
		Region:                    a.GetRegion(),
	}
}
