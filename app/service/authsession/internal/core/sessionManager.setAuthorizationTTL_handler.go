package core

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/proto/authsession"
)

// SetAuthorizationTTL sets after how many idle days a user's logins end.
func (c *Core) SetAuthorizationTTL(in *authsession.SetAuthorizationTTLRequest) (*authsession.SetAuthorizationTTLReply, error) {
	if in.UserId == 0 || in.Days < 0 || in.Days > logins.MaxTTLDays {
		return nil, rpcerr.ErrInputInvalid
	}
	if err := c.manager().SetTTL(c.ctx, in.UserId, int(in.Days)); err != nil {
		return nil, c.fault("setAuthorizationTTL", err)
	}
	return &authsession.SetAuthorizationTTLReply{}, nil
}
