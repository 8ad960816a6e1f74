package core

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/proto/authsession"
)

// SessionExists tells whether there is a live login with a hash, or one of a user.
func (c *Core) SessionExists(in *authsession.SessionExistsRequest) (*authsession.SessionExistsReply, error) {
	narrowed := in.DeviceType != "" || in.ApiId != 0
	if in.UserId == 0 && in.Hash == 0 || in.Hash != 0 && narrowed || !device.Known(in.DeviceType) {
		return nil, rpcerr.ErrInputInvalid
	}
	var exists bool
	var err error
	if in.Hash != 0 {
		exists, err = c.manager().Exists(c.ctx, in.Hash, in.UserId)
	} else {
		exists, err = c.manager().ExistsOf(c.ctx, sessions.Filter{UserID: in.UserId, DeviceType: in.DeviceType, APIID: in.ApiId})
	}
	if err != nil {
		return nil, c.fault("sessionExists", err)
	}
	return &authsession.SessionExistsReply{Exists: exists}, nil
}
