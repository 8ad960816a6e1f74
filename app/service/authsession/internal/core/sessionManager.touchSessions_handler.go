package core

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/proto/authsession"
)

// maxTouches of one call.
const maxTouches = 1000

// TouchSessions stores when perm keys were last active, and tells which of
// them nobody is logged in on.
func (c *Core) TouchSessions(in *authsession.TouchSessionsRequest) (*authsession.TouchSessionsReply, error) {
	if len(in.Touches) > maxTouches {
		return nil, errInput
	}
	now := c.dao().Now()
	touches := make([]dao.Touch, 0, len(in.Touches))
	for _, t := range in.Touches {
		if t != nil {
			touches = append(touches, dao.Touch{AuthKeyID: t.AuthKeyId, DateActive: min(t.DateActive, now), IP: ipText(t.Ip)})
		}
	}
	revoked, err := c.dao().Touch(c.ctx, touches)
	if err != nil {
		return nil, c.fault("touchSessions", err)
	}
	return &authsession.TouchSessionsReply{RevokedAuthKeyIds: revoked}, nil
}
