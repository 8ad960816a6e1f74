package core

import (
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionUnbindAuthKeyUser logs a user out of a key, or out of every key
// when auth_key_id is 0. The login's history stays. A key of its own is that
// of a client that logs out: its node knows by the answer, which a push would
// overtake and suppress.
func (c *Core) AuthsessionUnbindAuthKeyUser(in *authsession.TLAuthsessionUnbindAuthKeyUser) (*mtproto.Bool, error) {
	perm := int64(0)
	if in.AuthKeyId != 0 {
		var err error
		if perm, err = c.perm("unbindAuthKeyUser", in.AuthKeyId); err != nil {
			return nil, err
		}
	}
	ended, err := c.dao().UnbindUser(c.ctx, perm, in.UserId)
	if err != nil {
		return nil, c.fault("unbindAuthKeyUser", err)
	}
	if perm == 0 {
		c.tellSessions(in.UserId, ended)
	}
	return boolTrue(), nil
}
