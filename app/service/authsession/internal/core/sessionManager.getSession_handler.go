package core

import (
	"errors"

	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/proto/authsession"
)

// GetSession returns one login by its hash, or the live one on a key.
func (c *Core) GetSession(in *authsession.GetSessionRequest) (*authsession.Session, error) {
	var found sessions.Session
	var err error
	switch {
	case in.Hash != 0:
		found, err = c.manager().Get(c.ctx, in.Hash)
	case in.AuthKeyId != 0:
		found, err = c.manager().FindByKey(c.ctx, in.AuthKeyId)
	default:
		return nil, rpcerr.ErrInputInvalid
	}
	switch {
	case errors.Is(err, sessions.ErrNotFound):
		return nil, rpcerr.ErrSessionNotFound
	case err != nil:
		return nil, c.fault("getSession", err)
	}
	return sessionMessage(&found), nil
}
