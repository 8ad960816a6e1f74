package core

import (
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionGetAuthorizations lists the devices a user is logged in on: the
// caller's own first, the others by when they were last active.
func (c *Core) AuthsessionGetAuthorizations(in *authsession.TLAuthsessionGetAuthorizations) (*mtproto.Account_Authorizations, error) {
	own, err := c.perm("getAuthorizations", in.ExcludeAuthKeyId)
	if err != nil {
		return nil, err
	}
	devices, err := c.manager().Devices(c.ctx, in.UserId)
	if err != nil {
		return nil, c.fault("getAuthorizations", err)
	}
	out := &mtproto.Account_Authorizations{
		PredicateName:  "account_authorizations",
		Constructor:    mtproto.TLConstructor_CRC32_account_authorizations,
		Authorizations: make([]*mtproto.Authorization, 0, len(devices)),
	}
	for i := range devices {
		d := &devices[i]
		a := sessionAuthorization(&d.Session)
		a.PasswordPending = d.PasswordPending
		if d.AuthKeyID != own {
			out.Authorizations = append(out.Authorizations, a)
			continue
		}
		a.Current, a.Hash = true, 0
		out.Authorizations = append([]*mtproto.Authorization{a}, out.Authorizations...)
	}
	return out, nil
}
