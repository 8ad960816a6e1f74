package core

import (
	"errors"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/proto/authsession"
)

// ListSessions lists a user's logins by page, the latest first.
func (c *Core) ListSessions(in *authsession.ListSessionsRequest) (*authsession.ListSessionsReply, error) {
	if in.UserId == 0 || in.PageSize < 0 || !device.Known(in.DeviceType) {
		return nil, rpcerr.ErrInputInvalid
	}
	list, next, err := c.manager().List(c.ctx,
		sessions.Filter{UserID: in.UserId, DeviceType: in.DeviceType, APIID: in.ApiId, Active: in.Active},
		sessions.Page{Size: int(in.PageSize), Token: in.PageToken})
	switch {
	case errors.Is(err, sessions.ErrBadToken):
		return nil, rpcerr.ErrInputInvalid
	case err != nil:
		return nil, c.fault("listSessions", err)
	}
	out := &authsession.ListSessionsReply{NextPageToken: next, Sessions: make([]*authsession.Session, len(list))}
	for i := range list {
		out.Sessions[i] = sessionMessage(&list[i])
	}
	return out, nil
}
