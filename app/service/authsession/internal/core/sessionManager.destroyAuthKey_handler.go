package core

import (
	"errors"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/proto/authsession"
)

// DestroyAuthKey removes a key; with a perm key go its temp keys and its
// logins, and its session node hears of it. A key that is not there is no
// error.
func (c *Core) DestroyAuthKey(in *authsession.DestroyAuthKeyRequest) (*authsession.DestroyAuthKeyReply, error) {
	// A key of an old install is moved to where it can be destroyed.
	if _, err := c.dao().Key(c.ctx, in.AuthKeyId); err != nil && !errors.Is(err, dao.ErrNotFound) {
		return nil, c.fault("destroyAuthKey", err)
	}
	gone, err := c.dao().DestroyKey(c.ctx, in.AuthKeyId)
	if err != nil {
		return nil, c.fault("destroyAuthKey", err)
	}
	switch {
	case in.AuthKeyId == c.ownKey():
	case gone.Perm:
		c.svcCtx.Nodes.Tell(c.ctx, gone.UserID, []int64{in.AuthKeyId})
	case len(gone.KeyIDs) == 0: // destroyed before: whoever has not heard of it looks now
		c.svcCtx.Nodes.LookAgain(c.ctx, map[int64][]int64{0: {in.AuthKeyId}})
	}
	return &authsession.DestroyAuthKeyReply{Destroyed: len(gone.KeyIDs) > 0, AuthKeyIds: gone.KeyIDs}, nil
}
