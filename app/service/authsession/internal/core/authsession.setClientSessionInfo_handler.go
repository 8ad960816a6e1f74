package core

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionSetClientSessionInfo is setInitConnection in another shape; the
// layer in it is not stored.
func (c *Core) AuthsessionSetClientSessionInfo(in *authsession.TLAuthsessionSetClientSessionInfo) (*mtproto.Bool, error) {
	d := in.Data
	if d == nil {
		return nil, rpcerr.ErrInputInvalid
	}
	return c.setClient("setClientSessionInfo", d.AuthKeyId, dao.Client{
		IP: d.Ip, APIID: d.ApiId, DeviceModel: d.DeviceModel, SystemVersion: d.SystemVersion, AppVersion: d.AppVersion,
		SystemLangCode: d.SystemLangCode, LangPack: d.LangPack, LangCode: d.LangCode, Proxy: d.Proxy, Params: d.Params,
	})
}
