package core

import (
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionGetUserId returns the user logged in on a key, 0 when there is
// none or the second factor is still owed.
func (c *Core) AuthsessionGetUserId(in *authsession.TLAuthsessionGetUserId) (*mtproto.Int64, error) {
	_, l, err := c.login("getUserId", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	out := &mtproto.Int64{}
	if l.BindUser != nil && !l.Owes() {
		out.V = l.BindUser.UserID
	}
	return out, nil
}
