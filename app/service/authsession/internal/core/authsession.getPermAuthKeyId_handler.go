package core

import (
	"github.com/tgsession/tgsession/app/internal/keyexpiry"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionGetPermAuthKeyId returns the perm key that a key belongs to. The
// answer's trailer says until when (keyexpiry).
func (c *Core) AuthsessionGetPermAuthKeyId(in *authsession.TLAuthsessionGetPermAuthKeyId) (*mtproto.Int64, error) {
	k, err := c.key("getPermAuthKeyId", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	if k.PermAuthKeyID == 0 {
		return nil, rpcerr.ErrKeyPermEmpty
	}
	keyexpiry.Set(c.ctx, k.ExpiresAt)
	return &mtproto.Int64{V: k.PermAuthKeyID}, nil
}
