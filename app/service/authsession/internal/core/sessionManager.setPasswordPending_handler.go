package core

import "github.com/tgsession/tgsession/proto/authsession"

// SetPasswordPending notes that a login on a key still owes the second factor,
// or no longer; then the user's policy for concurrent logins applies.
func (c *Core) SetPasswordPending(in *authsession.SetPasswordPendingRequest) (*authsession.SetPasswordPendingReply, error) {
	perm, err := c.perm("setPasswordPending", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	if err := c.manager().SetPasswordPending(c.ctx, perm, in.UserId, in.Pending); err != nil {
		return nil, c.fault("setPasswordPending", err)
	}
	return &authsession.SetPasswordPendingReply{}, nil
}
