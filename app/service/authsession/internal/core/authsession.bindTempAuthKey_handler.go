package core

import (
	"errors"

	"github.com/gotd/td/crypto"
	"github.com/zeromicro/go-zero/core/metric"

	"github.com/tgsession/tgsession/app/internal/keyexpiry"
	"github.com/tgsession/tgsession/app/service/authsession/internal/bindkey"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// binds counts binds of temp keys by result: bound, refused, error.
var binds = metric.NewCounterVec(&metric.CounterVecOpts{
	Namespace: "authsession",
	Subsystem: "temp_key",
	Name:      "binds_total",
	Help:      "Binds of temporary keys (auth.bindTempAuthKey) by result: bound, refused (the client's fault), error (ours).",
	Labels:    []string{"result"},
})

// AuthsessionBindTempAuthKey binds a temp key to the perm key whose holder
// sealed the encrypted message (core.telegram.org/method/auth.bindTempAuthKey).
// In what the request travelled is known when session says so in rpc_metadata.
// The answer's trailer says when the binding ends (keyexpiry).
// A fault of ours is 500, never ENCRYPTED_MESSAGE_INVALID, upon which clients
// throw their keys away.
func (c *Core) AuthsessionBindTempAuthKey(in *authsession.TLAuthsessionBindTempAuthKey) (*mtproto.Bool, error) {
	err := c.bindTempAuthKey(in)
	switch {
	case err == nil:
		binds.Inc("bound")
		return boolTrue(), nil
	case errors.Is(err, rpcerr.ErrInternal):
		binds.Inc("error")
	default:
		binds.Inc("refused")
	}
	return nil, err
}

func (c *Core) bindTempAuthKey(in *authsession.TLAuthsessionBindTempAuthKey) error {
	refuse := func(why, answer error) error {
		c.Infof("bindTempAuthKey: perm key %d: refused: %v", in.PermAuthKeyId, why)
		return answer
	}
	request := bindkey.Request{PermKeyID: in.PermAuthKeyId, Nonce: in.Nonce, ExpiresAt: in.ExpiresAt, EncryptedMessage: in.EncryptedMessage}
	if err := bindkey.Precheck(request); err != nil {
		return refuse(err, rpcerr.ErrEncryptedMessage)
	}
	perm, err := c.dao().Key(c.ctx, in.PermAuthKeyId)
	switch {
	case errors.Is(err, dao.ErrNotFound):
		return refuse(err, rpcerr.ErrEncryptedMessage)
	case err != nil:
		return c.fault("bindTempAuthKey", err)
	case perm.Type != dao.Permanent || len(perm.Body) != len(crypto.Key{}):
		return refuse(dao.ErrNotPermanent, rpcerr.ErrEncryptedMessage)
	}
	var carrier bindkey.Carrier
	if md := rpcMetadata(c.ctx); md != nil {
		carrier = bindkey.Carrier{TempKeyID: md.AuthId, SessionID: md.SessionId, MessageID: md.ClientMsgId}
	}
	body := crypto.Key(perm.Body)
	binding, err := bindkey.Open(&body, request, carrier)
	if err != nil {
		return refuse(err, rpcerr.ErrEncryptedMessage)
	}
	end, err := c.dao().BindKey(c.ctx, binding.PermKeyID, binding.TempKeyID, func(keyExpiresAt int64) (int64, error) {
		return binding.End(c.dao().Now(), keyExpiresAt)
	})
	switch {
	case err == nil:
		keyexpiry.Set(c.ctx, end)
		return nil
	case errors.Is(err, dao.ErrNotTemporary):
		return refuse(err, rpcerr.ErrTempKeyEmpty)
	case errors.Is(err, dao.ErrAlreadyBound):
		return refuse(err, rpcerr.ErrTempKeyBound)
	case errors.Is(err, dao.ErrBadExpiry):
		return refuse(err, rpcerr.ErrExpiresAt)
	case errors.Is(err, dao.ErrUnknownKey), errors.Is(err, dao.ErrNotPermanent):
		return refuse(err, rpcerr.ErrEncryptedMessage)
	default:
		return c.fault("bindTempAuthKey", err)
	}
}
