package core

import (
	"errors"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/proto/authsession"
)

// RevokeSessions ends live logins of a user: one by its hash, or all but what
// the request keeps.
func (c *Core) RevokeSessions(in *authsession.RevokeSessionsRequest) (*authsession.RevokeSessionsReply, error) {
	if in.UserId == 0 || in.KeepNewest < 0 || !device.Known(in.DeviceType) {
		return nil, rpcerr.ErrInputInvalid
	}
	which := sessions.Selection{
		UserID: in.UserId, Hash: in.Hash, DeviceType: in.DeviceType,
		ExceptHash: in.ExceptHash, KeepNewest: int(in.KeepNewest),
	}
	if in.ExceptAuthKeyId != 0 {
		k, err := c.key("revokeSessions", in.ExceptAuthKeyId)
		if err != nil {
			return nil, err
		}
		which.ExceptAuthKeyID = k.PermAuthKeyID
	}
	ended, err := c.manager().Revoke(c.ctx, which, sessions.By{Reason: logins.ByUser, Actor: logins.UserActor(in.UserId), AnswerTo: c.ownKey()})
	switch {
	case errors.Is(err, sessions.ErrNotFound):
		return nil, rpcerr.ErrHashInvalid
	case err != nil:
		return nil, c.fault("revokeSessions", err)
	}
	out := &authsession.RevokeSessionsReply{Revoked: make([]*authsession.RevokedSession, len(ended))}
	for i, e := range ended {
		out.Revoked[i] = &authsession.RevokedSession{Hash: e.Hash, AuthKeyId: e.AuthKeyID, TempAuthKeyIds: e.TempAuthKeyIDs}
	}
	return out, nil
}
