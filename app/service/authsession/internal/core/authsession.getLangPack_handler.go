package core

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionGetLangPack returns the language pack of a key's device,
// empty when unknown.
func (c *Core) AuthsessionGetLangPack(in *authsession.TLAuthsessionGetLangPack) (*mtproto.String, error) {
	_, l, err := c.login("getLangPack", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	out := &mtproto.String{}
	if l.Client != nil {
		out.V = device.LangPack(l.Client.Device())
	}
	return out, nil
}
