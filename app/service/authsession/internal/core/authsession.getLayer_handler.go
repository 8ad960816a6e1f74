package core

import (
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionGetLayer returns the layer a key's device speaks, 0 when unknown.
func (c *Core) AuthsessionGetLayer(in *authsession.TLAuthsessionGetLayer) (*mtproto.Int32, error) {
	_, l, err := c.login("getLayer", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	out := &mtproto.Int32{}
	if l.Client != nil {
		out.V = l.Client.Layer
	}
	return out, nil
}
