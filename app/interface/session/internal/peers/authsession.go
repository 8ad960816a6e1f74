// Package peers calls the services beside session: authsession, status and
// the other session nodes.
package peers

import (
	"cmp"
	"context"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/dispatch"
	"github.com/tgsession/tgsession/app/interface/session/internal/keys"
	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/internal/keyexpiry"
	"github.com/tgsession/tgsession/proto/authsession"
)

// AuthSession calls authsession. A stock one lacks the calls of our own
// (RPCSessionManager); what then cannot be done is said where it is asked.
type AuthSession struct {
	rpc      authsession.RPCAuthsessionClient
	manager  authsession.RPCSessionManagerClient
	serverID string
	timeout  time.Duration

	// Keys is told of bindings and removals before anybody else. It may be
	// set once, before the first call.
	Keys *keys.Resolver
}

// NewAuthSession calls authsession over conn, at most timeout a call.
// serverID is this node's published address.
func NewAuthSession(conn grpc.ClientConnInterface, serverID string, timeout time.Duration) *AuthSession {
	return &AuthSession{
		rpc:      authsession.NewRPCAuthsessionClient(conn),
		manager:  authsession.NewRPCSessionManagerClient(conn),
		serverID: serverID,
		timeout:  timeout,
	}
}

// RPC is the stock service, for what is passed through.
func (a *AuthSession) RPC() authsession.RPCAuthsessionClient { return a.rpc }

// Lookup finds out what a transport key is; see keys.Lookup.
func (a *AuthSession) Lookup(ctx context.Context, authKeyID int64, claim keys.Claim) (keys.Key, error) {
	var trailer metadata.MD
	if claim.Type == int32(sess.TempKey) || claim.Type == int32(sess.MediaTempKey) {
		// The gateway knows what kind of key it made; whom it is bound to is
		// the question. This call brings no secret along.
		perm, err := a.rpc.AuthsessionGetPermAuthKeyId(ctx, &authsession.TLAuthsessionGetPermAuthKeyId{AuthKeyId: authKeyID}, grpc.Trailer(&trailer))
		switch {
		case err == nil && perm.GetV() == authKeyID:
			return keys.Key{Perm: authKeyID, Type: sess.PermKey}, nil
		case err == nil:
			return keys.Key{Perm: perm.GetV(), Type: sess.KeyType(claim.Type), Until: until(trailer)}, nil
		case status.Code(err) == 401 && status.Convert(err).Message() == rpcerr.ErrPermEmpty.Message:
			return keys.Key{Type: sess.KeyType(claim.Type)}, nil
		}
		return keys.Key{}, lookupError(err)
	}
	info, err := a.rpc.AuthsessionQueryAuthKey(ctx, &authsession.TLAuthsessionQueryAuthKey{AuthKeyId: authKeyID}, grpc.Trailer(&trailer))
	if err != nil {
		return keys.Key{}, lookupError(err)
	}
	k := keys.Key{Perm: info.GetPermAuthKeyId(), Type: sess.KeyType(info.GetAuthKeyType()), Until: until(trailer)}
	if k.Type == sess.PermKey {
		k.Perm = authKeyID
	}
	return k, nil
}

// until reads when a key ends, Unix seconds; 0: it does not, or the authsession is
// a stock one, which does not say.
func until(trailer metadata.MD) uint32 {
	return uint32(min(keyexpiry.Read(trailer), math.MaxUint32))
}

func lookupError(err error) error {
	if status.Code(err) == 401 {
		return keys.ErrUnregistered
	}
	return err
}

// Execute makes one of the calls of package sess that authsession answers.
func (a *AuthSession) Execute(r sess.Request) (sess.Result, *sess.RPCError) {
	ctx, cancel := context.WithTimeout(context.Background(), a.timeout)
	defer cancel()
	switch r := r.(type) {
	case *sess.GetAuthState:
		return a.getAuthState(ctx, r)
	case *sess.GetSalts:
		return a.getSalts(ctx, r)
	case *sess.BindTempKey:
		return nil, a.bindTempKey(ctx, r)
	case *sess.SetLayer:
		_, err := a.rpc.AuthsessionSetLayer(ctx, &authsession.TLAuthsessionSetLayer{AuthKeyId: r.AuthKeyID, Ip: r.IP, Layer: r.Layer})
		return nil, refusal(err)
	case *sess.SetInitConnection:
		return nil, a.setInitConnection(ctx, r)
	case *sess.SetPushSession:
		_, err := a.rpc.AuthsessionSetAndroidPushSessionId(ctx, &authsession.TLAuthsessionSetAndroidPushSessionId{
			UserId: r.UserID, AuthKeyId: r.AuthKeyID, SessionId: r.SessionID,
		})
		return nil, refusal(err)
	case *sess.SetPasswordPending:
		word, err := a.manager.SetPasswordPending(ctx, &authsession.SetPasswordPendingRequest{
			AuthKeyId: r.AuthKeyID, UserId: r.UserID, Pending: r.Pending, Owner: r.Owner,
		})
		switch {
		case status.Code(err) == codes.Unimplemented:
			return nil, nil // a stock authsession: the state is in memory alone
		case err != nil:
			return nil, refusal(err)
		}
		return &sess.LoginWord{State: sess.State(word.GetKeyState()), UserID: word.GetUserId()}, nil
	case *sess.SetTTL:
		_, err := a.manager.SetAuthorizationTTL(ctx, &authsession.SetAuthorizationTTLRequest{UserId: r.UserID, Days: r.Days})
		if status.Code(err) == codes.Unimplemented {
			return nil, nil // a stock authsession: logins do not expire there
		}
		return nil, refusal(err)
	case *sess.DestroyKey:
		return a.destroyKey(ctx, r)
	case *sess.DropTempKeys:
		return a.dropTempKeys(ctx, r)
	}
	return nil, sess.ErrInternal
}

func (a *AuthSession) getAuthState(ctx context.Context, r *sess.GetAuthState) (sess.Result, *sess.RPCError) {
	s, err := a.rpc.AuthsessionGetAuthStateData(ctx, &authsession.TLAuthsessionGetAuthStateData{AuthKeyId: r.AuthKeyID})
	if err != nil {
		return nil, refusal(err)
	}
	c := s.GetClient()
	return &sess.AuthState{
		State:  sess.State(s.GetKeyState()),
		UserID: s.GetUserId(),
		Client: sess.ClientInfo{
			IP: c.GetIp(), Layer: c.GetLayer(), APIID: c.GetApiId(), DeviceModel: c.GetDeviceModel(),
			SystemVersion: c.GetSystemVersion(), AppVersion: c.GetAppVersion(), SystemLangCode: c.GetSystemLangCode(),
			LangPack: c.GetLangPack(), LangCode: c.GetLangCode(), Proxy: c.GetProxy(), Params: c.GetParams(),
		},
		PushSessionID: s.GetAndroidPushSessionId().GetValue(),
	}, nil
}

func (a *AuthSession) getSalts(ctx context.Context, r *sess.GetSalts) (sess.Result, *sess.RPCError) {
	s, err := a.rpc.AuthsessionGetFutureSalts(ctx, &authsession.TLAuthsessionGetFutureSalts{AuthKeyId: r.AuthKeyID})
	if err != nil {
		return nil, refusal(err)
	}
	out := &sess.Salts{Salts: make([]sess.Salt, 0, len(s.GetSalts()))}
	for _, e := range s.GetSalts() {
		d := e.GetData2()
		out.Salts = append(out.Salts, sess.Salt{Since: d.GetValidSince(), Until: d.GetValidUntil(), Salt: d.GetSalt()})
	}
	return out, nil
}

func (a *AuthSession) bindTempKey(ctx context.Context, r *sess.BindTempKey) *sess.RPCError {
	var trailer metadata.MD
	// The header lets authsession compare the packet with the message inside.
	ok, err := a.rpc.AuthsessionBindTempAuthKey(dispatch.WithCaller(ctx, a.serverID, &r.Meta), &authsession.TLAuthsessionBindTempAuthKey{
		PermAuthKeyId: r.PermAuthKeyID, Nonce: r.Nonce, ExpiresAt: r.ExpiresAt, EncryptedMessage: r.EncryptedMessage,
	}, grpc.Trailer(&trailer))
	switch {
	case err != nil:
		return refusal(err)
	case ok.GetPredicateName() != "boolTrue":
		return sess.ErrInternal
	}
	if a.Keys != nil {
		// Our authsession ends a binding with its key, whatever the client asked for.
		end := cmp.Or(until(trailer), uint32(max(r.ExpiresAt, 0)))
		a.Keys.Bound(r.Meta.AuthKeyID, r.PermAuthKeyID, end)
	}
	return nil
}

func (a *AuthSession) setInitConnection(ctx context.Context, r *sess.SetInitConnection) *sess.RPCError {
	c := &r.Client
	_, err := a.rpc.AuthsessionSetInitConnection(ctx, &authsession.TLAuthsessionSetInitConnection{
		AuthKeyId: r.AuthKeyID, Ip: c.IP, ApiId: c.APIID, DeviceModel: c.DeviceModel, SystemVersion: c.SystemVersion,
		AppVersion: c.AppVersion, SystemLangCode: c.SystemLangCode, LangPack: c.LangPack, LangCode: c.LangCode,
		Proxy: c.Proxy, Params: c.Params,
	})
	return refusal(err)
}

func (a *AuthSession) destroyKey(ctx context.Context, r *sess.DestroyKey) (sess.Result, *sess.RPCError) {
	gone, err := a.manager.DestroyAuthKey(ctx, &authsession.DestroyAuthKeyRequest{AuthKeyId: r.AuthKeyID})
	if err != nil { // a stock authsession cannot: that is a failure, and said to be one
		return nil, refusal(err)
	}
	return a.keysGone(gone.GetDestroyed(), gone.GetAuthKeyIds()), nil
}

func (a *AuthSession) dropTempKeys(ctx context.Context, r *sess.DropTempKeys) (sess.Result, *sess.RPCError) {
	gone, err := a.manager.DropTempAuthKeys(ctx, &authsession.DropTempAuthKeysRequest{
		PermAuthKeyId: r.PermAuthKeyID, ExceptAuthKeyIds: r.Except,
	})
	if status.Code(err) == codes.Unimplemented {
		return &sess.KeysGone{}, nil // as the stock BFF answers: true, and nothing is dropped
	}
	if err != nil {
		return nil, refusal(err)
	}
	return a.keysGone(true, gone.GetAuthKeyIds()), nil
}

func (a *AuthSession) keysGone(existed bool, ids []int64) *sess.KeysGone {
	if a.Keys != nil {
		a.Keys.Forget(ids...)
	}
	return &sess.KeysGone{Existed: existed, Keys: ids}
}

// refusal is what authsession says in its own words; every fault on the way
// is a 500, never a 401: clients would log out.
func refusal(err error) *sess.RPCError {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	switch code := s.Code(); code {
	case 400, 401, 403, 404, 406, 420:
		return &sess.RPCError{Code: int32(code), Message: s.Message()}
	case codes.DeadlineExceeded:
		return sess.ErrTimeout
	}
	return sess.ErrInternal
}
