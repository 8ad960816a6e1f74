package core

import (
	"net/netip"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// Widths of the columns of auths, in characters.
const (
	widthText  = 255
	widthProxy = 512
	widthIP    = 45
)

// setClient stores a device's description, made to fit.
func (c *Core) setClient(call string, id int64, client dao.Client) (*mtproto.Bool, error) {
	perm, err := c.perm(call, id)
	if err != nil {
		return nil, err
	}
	for _, text := range []*string{
		&client.DeviceModel, &client.SystemVersion, &client.AppVersion,
		&client.SystemLangCode, &client.LangPack, &client.LangCode,
	} {
		*text = device.Text(*text, widthText)
	}
	client.Proxy = device.Text(client.Proxy, widthProxy)
	client.IP = ipText(client.IP)
	client.Params = boundedParams(client.Params)
	if err := c.dao().SetClient(c.ctx, perm, client); err != nil {
		return nil, c.fault(call, err)
	}
	return boolTrue(), nil
}

// ipText is the shortest form of an address; what is none is cut to fit.
func ipText(ip string) string {
	if a, err := netip.ParseAddr(ip); err == nil {
		return a.Unmap().WithZone("").String()
	}
	return device.Text(ip, widthIP)
}

// authorization describes a device as the list of devices shows it; nil is a
// device that has not introduced itself.
func (c *Core) authorization(client *dao.Client) *mtproto.Authorization {
	a := &mtproto.Authorization{
		PredicateName: "authorization",
		Constructor:   mtproto.TLConstructor_CRC32_authorization,
		OfficialApp:   true,
	}
	if client == nil {
		return a
	}
	a.DeviceModel, a.SystemVersion, a.AppVersion = client.DeviceModel, client.SystemVersion, client.AppVersion
	a.ApiId, a.Ip = client.APIID, client.IP
	a.AppName, a.Platform = device.App(client.Device())
	a.Country, a.Region = c.svcCtx.Geo.Locate(client.IP)
	return a
}

// sessionAuthorization describes a session as the list of devices shows it.
func sessionAuthorization(s *sessions.Session) *mtproto.Authorization {
	return &mtproto.Authorization{
		PredicateName:             "authorization",
		Constructor:               mtproto.TLConstructor_CRC32_authorization,
		OfficialApp:               true,
		Hash:                      s.Hash,
		DeviceModel:               s.DeviceModel,
		Platform:                  s.Platform,
		SystemVersion:             s.SystemVersion,
		ApiId:                     s.APIID,
		AppName:                   s.AppName,
		AppVersion:                s.AppVersion,
		DateCreated:               int32(unix(s.SignedIn)),
		DateActive:                int32(unix(s.LastActive)),
		Ip:                        s.IP,
		Country:                   s.Country,
		Region:                    s.Region,
		Unconfirmed:               s.Unconfirmed,
		EncryptedRequestsDisabled: s.EncryptedRequestsDisabled,
		CallRequestsDisabled:      s.CallRequestsDisabled,
	}
}

// unix is a time in Unix seconds, 0 when there is none.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// sessionMessage is a session as our own calls answer with it.
func sessionMessage(s *sessions.Session) *authsession.Session {
	addresses := make([]*authsession.SessionAddress, len(s.Addresses))
	for i, a := range s.Addresses {
		addresses[i] = &authsession.SessionAddress{Ip: a.IP, Country: a.Country, Region: a.Region, FirstSeen: unix(a.First), LastSeen: unix(a.Last)}
	}
	return &authsession.Session{
		Hash: s.Hash, UserId: s.UserID, AuthKeyId: s.AuthKeyID,
		DeviceType: s.DeviceType, DeviceModel: s.DeviceModel, Platform: s.Platform, SystemVersion: s.SystemVersion,
		AppName: s.AppName, AppVersion: s.AppVersion, LangCode: s.LangCode, ApiId: s.APIID, Layer: s.Layer,
		Ip: s.IP, Country: s.Country, Region: s.Region, Addresses: addresses,
		SignedIn: unix(s.SignedIn), LastActive: unix(s.LastActive), ExpiresAt: unix(s.ExpiresAt),
		RevokedAt: unix(s.RevokedAt), RevokeReason: s.RevokeReason.String(), RevokedBy: s.RevokedBy,
		Unconfirmed: s.Unconfirmed, EncryptedRequestsDisabled: s.EncryptedRequestsDisabled, CallRequestsDisabled: s.CallRequestsDisabled,
	}
}
