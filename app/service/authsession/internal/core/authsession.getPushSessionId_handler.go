package core

import (
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionGetPushSessionId returns the session that Android's push goes to,
// 0 when there is none.
func (c *Core) AuthsessionGetPushSessionId(in *authsession.TLAuthsessionGetPushSessionId) (*mtproto.Int64, error) {
	_, l, err := c.login("getPushSessionId", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	out := &mtproto.Int64{}
	if l.BindUser != nil {
		out.V = l.BindUser.AndroidPushSessionID
	}
	return out, nil
}
