package core

import (
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionGetLangCode returns the language of a key's device, "en" when
// unknown.
func (c *Core) AuthsessionGetLangCode(in *authsession.TLAuthsessionGetLangCode) (*mtproto.String, error) {
	_, l, err := c.login("getLangCode", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	out := &mtproto.String{V: "en"}
	if l.Client != nil && l.Client.LangCode != "" {
		out.V = l.Client.LangCode
	}
	return out, nil
}
