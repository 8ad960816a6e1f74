package core

import (
	"github.com/tgsession/tgsession/proto/authsession"
)

// AuthsessionResetAuthorization ends logins of a user: that with the given
// hash, or all when it is 0, but never the caller's own (auth_key_id; 0: there
// is none to spare). It returns their perm keys. A hash that is not the
// user's is 400 HASH_INVALID.
func (c *Core) AuthsessionResetAuthorization(in *authsession.TLAuthsessionResetAuthorization) (*authsession.Vector_Long, error) {
	except := int64(0)
	if in.AuthKeyId != 0 {
		k, err := c.key("resetAuthorization", in.AuthKeyId)
		if err != nil {
			return nil, err
		}
		except = k.PermAuthKeyID // 0 for an unbound temp key: it is nobody's login
	}
	perms, err := c.dao().Revoke(c.ctx, in.UserId, in.Hash, except)
	if err != nil {
		return nil, c.fault("resetAuthorization", err)
	}
	if in.Hash != 0 && len(perms) == 0 {
		return nil, errHash
	}
	c.tellSessions(in.UserId, perms)
	return &authsession.Vector_Long{Datas: perms}, nil
}
