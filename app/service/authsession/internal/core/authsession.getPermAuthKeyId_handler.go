package core

import (
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionGetPermAuthKeyId returns the perm key that a key belongs to.
func (c *Core) AuthsessionGetPermAuthKeyId(in *authsession.TLAuthsessionGetPermAuthKeyId) (*mtproto.Int64, error) {
	perm, err := c.perm("getPermAuthKeyId", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	return &mtproto.Int64{V: perm}, nil
}
