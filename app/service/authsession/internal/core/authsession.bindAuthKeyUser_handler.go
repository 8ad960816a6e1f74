package core

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/salts"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionBindAuthKeyUser logs a user in on a key, and whoever was on it
// out. It returns the hash that names this login in the list of devices.
//
// Nobody is told of the former user: to a session node "this key's login has
// ended" ends the new login too, whose sign-in is just under way on this very
// key, and by whose answer it learns of the new user.
func (c *Core) AuthsessionBindAuthKeyUser(in *authsession.TLAuthsessionBindAuthKeyUser) (*mtproto.Int64, error) {
	if in.UserId == 0 {
		return nil, errInput
	}
	perm, err := c.perm("bindAuthKeyUser", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	fresh := salts.Random()
	for fresh == 0 { // 0 means "all" and "this one" elsewhere
		fresh = salts.Random()
	}
	hash, err := c.dao().BindUser(c.ctx, perm, in.UserId, fresh)
	if err != nil {
		return nil, c.fault("bindAuthKeyUser", err)
	}
	return &mtproto.Int64{V: hash}, nil
}
