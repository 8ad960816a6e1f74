package core

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/salts"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionBindAuthKeyUser logs a user in on a key, and whoever was on it
// out, and ends what the user's policy for concurrent logins does not let
// stay. It returns the hash that names this login in the list of devices.
func (c *Core) AuthsessionBindAuthKeyUser(in *authsession.TLAuthsessionBindAuthKeyUser) (*mtproto.Int64, error) {
	if in.UserId == 0 {
		return nil, rpcerr.ErrInputInvalid
	}
	perm, err := c.perm("bindAuthKeyUser", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	fresh := salts.Random()
	for fresh == 0 { // 0 means "all" and "this one" elsewhere
		fresh = salts.Random()
	}
	hash, err := c.manager().SignIn(c.ctx, perm, in.UserId, fresh, c.ownKey())
	if err != nil {
		return nil, c.fault("bindAuthKeyUser", err)
	}
	return &mtproto.Int64{V: hash}, nil
}
