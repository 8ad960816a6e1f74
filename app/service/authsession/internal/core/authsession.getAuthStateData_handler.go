package core

import (
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/proto/authsession"
)

// States of a key.
const (
	stateNew             = 1 // its device has not introduced itself
	stateUnauthorized    = 4 // nobody is logged in
	statePasswordPending = 5 // somebody is, but owes the second factor
	stateNormal          = 6 // somebody is
)

// AuthsessionGetAuthStateData returns how far a key has come, whose it is, and
// on which device.
func (c *Core) AuthsessionGetAuthStateData(in *authsession.TLAuthsessionGetAuthStateData) (*authsession.AuthKeyStateData, error) {
	perm, l, err := c.login("getAuthStateData", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	out := &authsession.AuthKeyStateData{
		PredicateName: "authKeyStateData",
		Constructor:   authsession.TLConstructor_CRC32_authKeyStateData,
		AuthKeyId:     in.AuthKeyId,
		KeyState:      stateOf(l),
		UserId:        userOf(l),
	}
	if u := l.BindUser; u != nil {
		c.seen(perm)
		if u.AndroidPushSessionID != 0 {
			out.AndroidPushSessionId = wrapperspb.Int64(u.AndroidPushSessionID)
		}
	}
	if l.Client != nil {
		out.Client = clientSession(l.Client)
	}
	return out, nil
}

func stateOf(l *dao.Login) int32 {
	switch {
	case l.Owes():
		return statePasswordPending
	case l.BindUser != nil:
		return stateNormal
	case l.Client != nil:
		return stateUnauthorized
	default:
		return stateNew
	}
}

// userOf is who is logged in, also who still owes the second factor; 0: nobody.
func userOf(l *dao.Login) int64 {
	if l.BindUser == nil {
		return 0
	}
	return l.BindUser.UserID
}

func clientSession(c *dao.Client) *authsession.ClientSession {
	return &authsession.ClientSession{
		PredicateName:  "clientSession",
		Constructor:    authsession.TLConstructor_CRC32_clientSession,
		AuthKeyId:      c.AuthKeyID,
		Ip:             c.IP,
		Layer:          c.Layer,
		ApiId:          c.APIID,
		DeviceModel:    c.DeviceModel,
		SystemVersion:  c.SystemVersion,
		AppVersion:     c.AppVersion,
		SystemLangCode: c.SystemLangCode,
		LangPack:       c.LangPack,
		LangCode:       c.LangCode,
		Proxy:          c.Proxy,
		Params:         c.Params,
	}
}
