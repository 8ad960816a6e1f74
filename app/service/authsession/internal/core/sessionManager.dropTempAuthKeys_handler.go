package core

import "github.com/tgsession/tgsession/proto/authsession"

// DropTempAuthKeys removes the temp keys of a perm key but those excepted
// (core.telegram.org/method/auth.dropTempAuthKeys).
func (c *Core) DropTempAuthKeys(in *authsession.DropTempAuthKeysRequest) (*authsession.DropTempAuthKeysReply, error) {
	perm, err := c.perm("dropTempAuthKeys", in.PermAuthKeyId)
	if err != nil {
		return nil, err
	}
	gone, err := c.dao().DropTempKeys(c.ctx, perm, in.ExceptAuthKeyIds)
	if err != nil {
		return nil, c.fault("dropTempAuthKeys", err)
	}
	return &authsession.DropTempAuthKeysReply{AuthKeyIds: gone}, nil
}
