package core

import (
	"errors"

	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/proto/authsession"
)

// CheckSession tells whether a key is a live login: known, bound, with a user
// who owes nothing. A key that is not is an answer, not an error.
func (c *Core) CheckSession(in *authsession.CheckSessionRequest) (*authsession.CheckSessionReply, error) {
	perm, l, err := c.login("checkSession", in.AuthKeyId)
	if errors.Is(err, rpcerr.ErrKeyUnregistered) || errors.Is(err, rpcerr.ErrKeyPermEmpty) {
		return &authsession.CheckSessionReply{}, nil
	}
	if err != nil {
		return nil, err
	}
	out := &authsession.CheckSessionReply{PermAuthKeyId: perm, PasswordPending: l.Owes()}
	if l.BindUser != nil && !l.Owes() {
		c.seen(perm)
		out.Valid, out.UserId = true, l.BindUser.UserID
	}
	return out, nil
}
