package core

import (
	"errors"
	"fmt"

	"github.com/gotd/td/crypto"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/salts"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionSetAuthKey stores the key that a key exchange ended with. A key
// that is not what it says is 400 INPUT_REQUEST_INVALID; boolFalse means that
// its id belongs to another key, so that the client must try again. The same
// key once more is boolTrue.
func (c *Core) AuthsessionSetAuthKey(in *authsession.TLAuthsessionSetAuthKey) (*mtproto.Bool, error) {
	k, err := newKey(in)
	if err != nil {
		c.Errorf("setAuthKey: refused: %v", err)
		return nil, rpcerr.ErrInputInvalid
	}
	err = c.dao().CreateKey(c.ctx, k, in.ExpiresIn)
	if errors.Is(err, dao.ErrKeyTaken) {
		c.Errorf("setAuthKey: the id %d belongs to another key", k.AuthKeyID)
		return boolFalse(), nil
	}
	if err != nil {
		return nil, c.fault("setAuthKey", err)
	}
	if s := in.FutureSalt; s != nil {
		c.dao().FirstSalt(c.ctx, k.AuthKeyID, salts.Salt{ValidSince: int64(s.ValidSince), ValidUntil: int64(s.ValidUntil), Value: s.Salt})
	}
	return boolTrue(), nil
}

// newKey checks the request. To which perm key a key belongs follows from its
// type: a temp key belongs to none until it is bound, whatever the request says.
func newKey(in *authsession.TLAuthsessionSetAuthKey) (dao.Key, error) {
	a := in.AuthKey
	if a == nil {
		return dao.Key{}, errors.New("no key")
	}
	var body crypto.Key
	if len(a.AuthKey) != len(body) {
		return dao.Key{}, fmt.Errorf("the key has %d bytes, not %d", len(a.AuthKey), len(body))
	}
	copy(body[:], a.AuthKey)
	if id := body.WithID().IntID(); id != a.AuthKeyId || id == 0 {
		return dao.Key{}, errors.New("the id is not that of the key")
	}
	if in.ExpiresIn < 0 {
		return dao.Key{}, errors.New("expires_in is negative")
	}
	if s := in.FutureSalt; s != nil && (s.ValidUntil <= s.ValidSince || s.ValidSince < 0 || s.ValidUntil-s.ValidSince > 48*3600) {
		return dao.Key{}, errors.New("the salt's times make no window")
	}
	k := dao.Key{AuthKeyID: a.AuthKeyId, Body: a.AuthKey, Type: a.AuthKeyType}
	switch a.AuthKeyType {
	case dao.Permanent:
		k.PermAuthKeyID = a.AuthKeyId
	case dao.Temporary:
		k.TempAuthKeyID = a.AuthKeyId
	case dao.MediaTemporary:
		k.MediaTempAuthKeyID = a.AuthKeyId
	default:
		return dao.Key{}, fmt.Errorf("key type %d", a.AuthKeyType)
	}
	return k, nil
}
