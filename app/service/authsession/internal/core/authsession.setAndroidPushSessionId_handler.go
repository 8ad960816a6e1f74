package core

import (
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionSetAndroidPushSessionId stores the session that Android's push
// goes to.
func (c *Core) AuthsessionSetAndroidPushSessionId(in *authsession.TLAuthsessionSetAndroidPushSessionId) (*mtproto.Bool, error) {
	perm, err := c.perm("setAndroidPushSessionId", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	if err := c.dao().SetPushSession(c.ctx, perm, in.UserId, in.SessionId); err != nil {
		return nil, c.fault("setAndroidPushSessionId", err)
	}
	return boolTrue(), nil
}
