package core

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionUnbindAuthKeyUser logs a user out of a key, or out of every key
// when auth_key_id is 0. The login's history stays. A key of its own is that
// of a client that logs out: its node knows by the answer, which a push would
// overtake and suppress.
func (c *Core) AuthsessionUnbindAuthKeyUser(in *authsession.TLAuthsessionUnbindAuthKeyUser) (*mtproto.Bool, error) {
	which := sessions.Selection{UserID: in.UserId}
	by := sessions.By{Reason: logins.LoggedOut, Actor: logins.UserActor(in.UserId), AnswerTo: c.ownKey()}
	if in.AuthKeyId != 0 {
		perm, err := c.perm("unbindAuthKeyUser", in.AuthKeyId)
		if err != nil {
			return nil, err
		}
		which.AuthKeyID, by.AnswerTo = perm, perm
	}
	if in.UserId == 0 { // nobody's logins
		return boolTrue(), nil
	}
	if _, err := c.manager().Revoke(c.ctx, which, by); err != nil {
		return nil, c.fault("unbindAuthKeyUser", err)
	}
	return boolTrue(), nil
}
