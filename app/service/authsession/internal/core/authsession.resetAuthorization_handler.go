package core

import (
	"errors"

	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/proto/authsession"
)

// AuthsessionResetAuthorization ends logins of a user: that with the given
// hash, or all when it is 0, but never the caller's own (auth_key_id; 0: there
// is none to spare). It returns their perm keys. A hash that is not the
// user's is 400 HASH_INVALID.
func (c *Core) AuthsessionResetAuthorization(in *authsession.TLAuthsessionResetAuthorization) (*authsession.Vector_Long, error) {
	except := int64(0)
	if in.AuthKeyId != 0 {
		k, err := c.key("resetAuthorization", in.AuthKeyId)
		if err != nil {
			return nil, err
		}
		except = k.PermAuthKeyID // 0 for an unbound temp key: it is nobody's login
	}
	which := sessions.Selection{UserID: in.UserId, Hash: in.Hash, ExceptAuthKeyID: except}
	by := sessions.By{Reason: logins.ByUser, Actor: logins.UserActor(in.UserId), AnswerTo: c.ownKey()}
	var ended []sessions.Revoked
	if in.UserId != 0 {
		var err error
		ended, err = c.manager().Revoke(c.ctx, which, by)
		if err != nil && !errors.Is(err, sessions.ErrNotFound) {
			return nil, c.fault("resetAuthorization", err)
		}
	}
	if in.Hash != 0 && len(ended) == 0 {
		return nil, rpcerr.ErrHashInvalid
	}
	out := &authsession.Vector_Long{Datas: make([]int64, len(ended))}
	for i := range ended {
		out.Datas[i] = ended[i].AuthKeyID
	}
	return out, nil
}
