package core

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionSetInitConnection stores what a key's device said of itself in
// initConnection, and its address unless that is empty. The layer stays.
func (c *Core) AuthsessionSetInitConnection(in *authsession.TLAuthsessionSetInitConnection) (*mtproto.Bool, error) {
	return c.setClient("setInitConnection", in.AuthKeyId, dao.Client{
		IP: in.Ip, APIID: in.ApiId, DeviceModel: in.DeviceModel, SystemVersion: in.SystemVersion, AppVersion: in.AppVersion,
		SystemLangCode: in.SystemLangCode, LangPack: in.LangPack, LangCode: in.LangCode, Proxy: in.Proxy, Params: in.Params,
	})
}
