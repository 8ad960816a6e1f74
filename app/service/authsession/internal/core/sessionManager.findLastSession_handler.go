package core

import (
	"errors"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/proto/authsession"
)

// FindLastSession returns the login of a user that began last.
func (c *Core) FindLastSession(in *authsession.FindLastSessionRequest) (*authsession.Session, error) {
	if in.UserId == 0 || !device.Known(in.DeviceType) {
		return nil, rpcerr.ErrInputInvalid
	}
	found, err := c.manager().FindLast(c.ctx, sessions.Filter{UserID: in.UserId, DeviceType: in.DeviceType, APIID: in.ApiId, Active: in.Active})
	switch {
	case errors.Is(err, sessions.ErrNotFound):
		return nil, rpcerr.ErrSessionNotFound
	case err != nil:
		return nil, c.fault("findLastSession", err)
	}
	return sessionMessage(&found), nil
}
