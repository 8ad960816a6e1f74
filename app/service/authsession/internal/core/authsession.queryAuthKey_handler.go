package core

import (
	"github.com/tgsession/tgsession/app/internal/keyexpiry"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionQueryAuthKey returns a key with its 256 bytes. A temp key whose
// time is over is unknown; until then the answer's trailer says when that is
// (keyexpiry).
func (c *Core) AuthsessionQueryAuthKey(in *authsession.TLAuthsessionQueryAuthKey) (*mtproto.AuthKeyInfo, error) {
	k, err := c.key("queryAuthKey", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	keyexpiry.Set(c.ctx, k.ExpiresAt)
	return &mtproto.AuthKeyInfo{
		PredicateName:      "authKeyInfo",
		Constructor:        mtproto.TLConstructor_CRC32_authKeyInfo,
		AuthKeyId:          in.AuthKeyId,
		AuthKey:            k.Body,
		AuthKeyType:        k.Type,
		PermAuthKeyId:      k.PermAuthKeyID,
		TempAuthKeyId:      k.TempAuthKeyID,
		MediaTempAuthKeyId: k.MediaTempAuthKeyID,
	}, nil
}
