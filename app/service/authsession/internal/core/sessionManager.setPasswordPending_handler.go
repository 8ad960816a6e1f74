package core

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/proto/authsession"
)

// SetPasswordPending notes what a call of session says of the second factor on
// a key, and tells what the key is then. When it is owed no longer, the user's
// policy for concurrent logins applies.
func (c *Core) SetPasswordPending(in *authsession.SetPasswordPendingRequest) (*authsession.SetPasswordPendingReply, error) {
	perm, err := c.perm("setPasswordPending", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	said := logins.Pending{Owner: in.Owner, UserID: in.UserId, Owed: in.Pending}
	if err := c.manager().SetPasswordPending(c.ctx, perm, said); err != nil {
		return nil, c.fault("setPasswordPending", err)
	}
	l, err := c.dao().Login(c.ctx, perm)
	if err != nil {
		return nil, c.fault("setPasswordPending", err)
	}
	return &authsession.SetPasswordPendingReply{KeyState: stateOf(l), UserId: userOf(l)}, nil
}
