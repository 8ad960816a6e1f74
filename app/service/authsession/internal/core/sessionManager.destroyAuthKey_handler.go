package core

import "github.com/tgsession/tgsession/proto/authsession"

// DestroyAuthKey removes a key; with a perm key go its temp keys and its
// logins, and its session node hears of it. A key that is not there is no
// error.
func (c *Core) DestroyAuthKey(in *authsession.DestroyAuthKeyRequest) (*authsession.DestroyAuthKeyReply, error) {
	gone, err := c.manager().Destroy(c.ctx, in.AuthKeyId, c.ownKey())
	if err != nil {
		return nil, c.fault("destroyAuthKey", err)
	}
	return &authsession.DestroyAuthKeyReply{Destroyed: len(gone) > 0, AuthKeyIds: gone}, nil
}
