package dao

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/flatjson"
	"github.com/tgsession/tgsession/app/service/authsession/internal/lease"
)

// ReadText implements lease.TextReader.
func (k *cachedKey) ReadText(text string) bool {
	r := flatjson.Of(text)
	r.Members(func(name string) bool {
		switch name {
		case lease.EpochMember:
			_ = r.String()
		case "predicate_name":
			k.PredicateName = r.String()
		case "auth_key_id":
			k.AuthKeyID = r.Int()
		case "auth_key":
			k.Body = r.Bytes()
		case "auth_key_type":
			k.Type = r.Int32()
		case "perm_auth_key_id":
			k.PermAuthKeyID = r.Int()
		case "temp_auth_key_id":
			k.TempAuthKeyID = r.Int()
		case "media_temp_auth_key_id":
			k.MediaTempAuthKeyID = r.Int()
		case "expires_at":
			k.ExpiresAt = r.Int()
		case "auth_key_sealed":
			k.Sealed = r.String()
		default:
			return false
		}
		return true
	})
	return r.Done()
}

// ReadText implements lease.TextReader.
func (l *Login) ReadText(text string) bool {
	r := flatjson.Of(text)
	r.Members(func(name string) bool {
		switch name {
		case lease.EpochMember:
			_ = r.String()
		case "client":
			l.Client = &Client{}
			l.Client.read(r)
		case "bind_user":
			l.BindUser = &Bound{}
			l.BindUser.read(r)
		case "password_pending":
			l.PasswordPending = &Owing{}
			r.Members(func(name string) bool {
				l.PasswordPending.UserID = r.Int()
				return name == "user_id"
			})
		default:
			return false
		}
		return true
	})
	return r.Done()
}

func (c *Client) read(r *flatjson.Reader) {
	texts := [...]struct {
		name string
		to   *string
	}{
		{"predicate_name", &c.PredicateName},
		{"ip", &c.IP},
		{"device_model", &c.DeviceModel},
		{"system_version", &c.SystemVersion},
		{"app_version", &c.AppVersion},
		{"system_lang_code", &c.SystemLangCode},
		{"lang_pack", &c.LangPack},
		{"lang_code", &c.LangCode},
		{"proxy", &c.Proxy},
		{"params", &c.Params},
	}
	r.Members(func(name string) bool {
		switch name {
		case "auth_key_id":
			c.AuthKeyID = r.Int()
			return true
		case "layer":
			c.Layer = r.Int32()
			return true
		case "api_id":
			c.APIID = r.Int32()
			return true
		}
		for i := range texts {
			if texts[i].name == name {
				*texts[i].to = r.String()
				return true
			}
		}
		return false
	})
}

func (u *Bound) read(r *flatjson.Reader) {
	r.Members(func(name string) bool {
		switch name {
		case "user_id":
			u.UserID = r.Int()
		case "hash":
			u.Hash = r.Int()
		case "date_created":
			u.DateCreated = r.Int()
		case "date_activated":
			u.DateActivated = r.Int()
		case "android_push_sessionId":
			u.AndroidPushSessionID = r.Int()
		case "expires_at":
			u.ExpiresAt = r.Int()
		default:
			return false
		}
		return true
	})
}
