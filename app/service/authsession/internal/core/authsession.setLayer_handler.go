package core

import (
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionSetLayer stores the layer that a key's device speaks, and its
// address unless that is empty.
func (c *Core) AuthsessionSetLayer(in *authsession.TLAuthsessionSetLayer) (*mtproto.Bool, error) {
	perm, err := c.perm("setLayer", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	if err := c.dao().SetLayer(c.ctx, perm, ipText(in.Ip), in.Layer); err != nil {
		return nil, c.fault("setLayer", err)
	}
	return boolTrue(), nil
}
