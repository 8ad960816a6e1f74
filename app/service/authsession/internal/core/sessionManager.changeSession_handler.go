package core

import (
	"errors"

	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/proto/authsession"
)

// ChangeSession sets what a user may set of a login of theirs.
func (c *Core) ChangeSession(in *authsession.ChangeSessionRequest) (*authsession.ChangeSessionReply, error) {
	err := c.manager().Change(c.ctx, in.UserId, in.Hash, sessions.Settings{
		Confirmed:                 in.Confirmed,
		EncryptedRequestsDisabled: in.EncryptedRequestsDisabled, CallRequestsDisabled: in.CallRequestsDisabled,
	})
	switch {
	case errors.Is(err, sessions.ErrNotFound):
		return nil, rpcerr.ErrHashInvalid
	case err != nil:
		return nil, c.fault("changeSession", err)
	}
	return &authsession.ChangeSessionReply{}, nil
}
