package core

import (
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionUnbindAuthKeyUser logs a user out of a key, or out of every key
// when auth_key_id is 0. The login's history stays.
func (c *Core) AuthsessionUnbindAuthKeyUser(in *authsession.TLAuthsessionUnbindAuthKeyUser) (*mtproto.Bool, error) {
	perm := int64(0)
	if in.AuthKeyId != 0 {
		var err error
		if perm, err = c.perm("unbindAuthKeyUser", in.AuthKeyId); err != nil {
			return nil, err
		}
	}
	if err := c.dao().UnbindUser(c.ctx, perm, in.UserId); err != nil {
		return nil, c.fault("unbindAuthKeyUser", err)
	}
	return boolTrue(), nil
}
