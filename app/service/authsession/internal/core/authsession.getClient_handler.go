package core

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionGetClient returns the short name of a key's client,
// empty when unknown.
func (c *Core) AuthsessionGetClient(in *authsession.TLAuthsessionGetClient) (*mtproto.String, error) {
	_, l, err := c.login("getClient", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	out := &mtproto.String{}
	if l.Client != nil {
		out.V = device.Name(l.Client.Device())
	}
	return out, nil
}
