package core

import (
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionGetAuthorization describes a key's device; what is bound to the
// login (hash, dates) stays 0.
func (c *Core) AuthsessionGetAuthorization(in *authsession.TLAuthsessionGetAuthorization) (*mtproto.Authorization, error) {
	_, l, err := c.login("getAuthorization", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	return c.authorization(l.Client), nil
}
