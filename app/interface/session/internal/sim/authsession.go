package sim

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/app/internal/keyexpiry"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// storage is authsession: keys, bindings, logins and what clients told. It is
// the truth of a run.
type storage struct {
	c      *cluster
	stock  bool // without RPCSessionManager, and with less to check a binding by
	silent bool // it does not say when keys end
	keys   map[int64]*storedKey
	logins map[int64]*login     // by perm key
	before map[int64]endedLogin // by perm key: the last one whose password was given
	marks  map[int64]*marks     // by perm key
	told   map[int64]*authsession.ClientSession
}

type storedKey struct {
	kind int32
	perm int64
	end  int64 // Unix seconds; 0: it was not bound yet
}

// login is a user on a perm key.
type login struct {
	user      int64
	since     int64
	pushID    int64 // session that push messages wake; 0: none
	pushSince int64
	checked   bool // the password was given, if there is one
	asked     bool // the BFF has asked for it since
}

func newStorage(c *cluster, silent bool) *storage {
	return &storage{c: c, stock: c.chance(4), silent: silent, keys: map[int64]*storedKey{}, logins: map[int64]*login{}, before: map[int64]endedLogin{}, marks: map[int64]*marks{}, told: map[int64]*authsession.ClientSession{}}
}

// userOf is who is logged in with a perm key; 0: nobody.
func (a *storage) userOf(perm int64) int64 {
	if l := a.logins[perm]; l != nil {
		return l.user
	}
	return 0
}

// bind logs a user in, as a BFF does, who does not look at what comes of it.
func (a *storage) bind(perm, user int64) {
	if a.keys[perm] == nil {
		return
	}
	a.c.note("auth", "logs in", perm, user)
	a.c.watch.loginBegan(perm)
	m := a.marksOf(perm)
	if l := a.logins[perm]; l == nil || l.user != user {
		m.end(a.userOf(perm))
		a.logins[perm] = &login{user: user, since: a.c.now, checked: !hasPassword(user)}
	}
	m.attach(user, a.c.now)
}

// hasPassword reports whether a user's logins owe a password.
func hasPassword(user int64) bool { return user%2 == 0 }

// unbind ends a login.
func (a *storage) unbind(perm int64) {
	a.c.note("auth", "ends a login", perm)
	a.marksOf(perm).end(a.userOf(perm))
	if l := a.logins[perm]; l != nil && l.checked {
		a.before[perm] = endedLogin{l.user, a.c.now}
	}
	delete(a.logins, perm)
}

// endedLogin is a login that has ended.
type endedLogin struct {
	user int64
	at   int64
}

// mayGoOn reports whether a node may serve a login of the user that has ended: it asks
// once a minute, where it was not told, and authsession may be away when it does.
func (a *storage) mayGoOn(perm, user int64) bool {
	e := a.before[perm]
	return e.user == user && a.c.now-e.at < int64(2*time.Minute)
}

// destroy removes keys for good.
func (a *storage) destroy(ids ...int64) {
	for _, id := range ids {
		a.c.note("auth", "removes a key", id)
		delete(a.keys, id)
		a.c.thief.ended(id)
	}
}

// tempKeys are the temp keys that speak for a perm key, in the order of the
// clients' list.
func (a *storage) tempKeys(perm int64) (ids []int64) {
	for _, id := range a.c.made {
		if k := a.keys[id]; k != nil && k.kind != int32(sess.PermKey) && k.perm == perm {
			ids = append(ids, id)
		}
	}
	return ids
}

func (a *storage) resolve(id int64) (perm int64, err error) {
	k := a.keys[id]
	switch {
	case k == nil:
		return 0, errUnregistered
	case k.perm == 0:
		return 0, status.Error(401, "AUTH_KEY_PERM_EMPTY")
	}
	return k.perm, nil
}

var (
	yes             = &mtproto.Bool{PredicateName: "boolTrue"}
	errUnregistered = status.Error(401, "AUTH_KEY_UNREGISTERED")
)

// serve answers the calls of RPCAuthsession and RPCSessionManager that session
// makes.
func (a *storage) serve(ctx context.Context, method string, in any) (any, error) {
	if a.stock && strings.HasPrefix(method, "/"+authsession.RPCSessionManager_ServiceDesc.ServiceName+"/") {
		a.c.note("auth", "does not know a call")
		return nil, status.Error(codes.Unimplemented, method)
	}
	switch in := in.(type) {
	case *authsession.TLAuthsessionGetPermAuthKeyId:
		perm, err := a.resolve(in.GetAuthKeyId())
		a.sayEnd(ctx, in.GetAuthKeyId())
		return &mtproto.Int64{V: perm}, err
	case *authsession.TLAuthsessionQueryAuthKey:
		k := a.keys[in.GetAuthKeyId()]
		if k == nil {
			return nil, errUnregistered
		}
		a.sayEnd(ctx, in.GetAuthKeyId())
		return &mtproto.AuthKeyInfo{PredicateName: "authKeyInfo", AuthKeyId: in.GetAuthKeyId(), AuthKeyType: k.kind, PermAuthKeyId: k.perm}, nil
	case *authsession.TLAuthsessionSetAuthKey:
		k := in.GetAuthKey()
		a.keys[k.GetAuthKeyId()] = &storedKey{kind: k.GetAuthKeyType(), perm: k.GetPermAuthKeyId()}
		a.c.made = append(a.c.made, k.GetAuthKeyId())
		return yes, nil
	case *authsession.TLAuthsessionGetAuthStateData:
		return a.stateOf(in.GetAuthKeyId())
	case *authsession.TLAuthsessionGetFutureSalts:
		return a.salts(in.GetAuthKeyId()), nil
	case *authsession.TLAuthsessionBindTempAuthKey:
		return a.bindTemp(ctx, in)
	case *authsession.TLAuthsessionSetLayer:
		return a.tell(in.GetAuthKeyId(), func(c *authsession.ClientSession) { c.Layer = in.GetLayer() })
	case *authsession.TLAuthsessionSetInitConnection:
		return a.tell(in.GetAuthKeyId(), func(c *authsession.ClientSession) {
			c.Ip, c.ApiId, c.DeviceModel, c.AppVersion = in.GetIp(), in.GetApiId(), in.GetDeviceModel(), in.GetAppVersion()
			c.SystemVersion, c.SystemLangCode = in.GetSystemVersion(), in.GetSystemLangCode()
			c.LangPack, c.LangCode = in.GetLangPack(), in.GetLangCode()
		})
	case *authsession.TLAuthsessionSetAndroidPushSessionId:
		if l := a.logins[in.GetAuthKeyId()]; l != nil && l.pushID != in.GetSessionId() {
			a.c.note("auth", "stores a session for push messages", in.GetAuthKeyId(), in.GetSessionId())
			l.pushID, l.pushSince = in.GetSessionId(), a.c.now
		}
		return yes, nil
	case *authsession.SetPasswordPendingRequest:
		return a.mark(in)
	case *authsession.TouchSessionsRequest:
		return a.touch(in), nil
	case *authsession.DestroyAuthKeyRequest:
		return a.destroyKey(in.GetAuthKeyId()), nil
	case *authsession.DropTempAuthKeysRequest:
		ids := a.tempKeys(in.GetPermAuthKeyId())
		a.destroy(ids...)
		return &authsession.DropTempAuthKeysReply{AuthKeyIds: ids}, nil
	}
	return nil, status.Error(codes.Unimplemented, method)
}

// sayEnd says when a key ends.
func (a *storage) sayEnd(ctx context.Context, id int64) {
	if k := a.keys[id]; k != nil && !a.stock && !a.silent {
		keyexpiry.Set(ctx, k.end)
	}
}

func (a *storage) stateOf(id int64) (*authsession.AuthKeyStateData, error) {
	perm, err := a.resolve(id)
	if err != nil {
		return nil, err
	}
	s := &authsession.AuthKeyStateData{AuthKeyId: id, KeyState: int32(sess.StateNew), Client: a.told[perm]}
	if a.told[perm] != nil {
		s.KeyState = int32(sess.StateUnauthorized)
	}
	if l := a.logins[perm]; l != nil {
		s.KeyState, s.UserId = int32(sess.StateNormal), l.user
		if l.pushID != 0 {
			s.AndroidPushSessionId = wrapperspb.Int64(l.pushID)
		}
		if a.marksOf(perm).owes(l.user) {
			s.KeyState = int32(sess.StateNeedPassword)
		}
	}
	return s, nil
}

func (a *storage) tell(id int64, change func(*authsession.ClientSession)) (any, error) {
	perm, err := a.resolve(id)
	if err != nil {
		return nil, err
	}
	now := &authsession.ClientSession{AuthKeyId: perm}
	if old := a.told[perm]; old != nil {
		now.Ip, now.Layer, now.ApiId, now.DeviceModel = old.GetIp(), old.GetLayer(), old.GetApiId(), old.GetDeviceModel()
		now.AppVersion, now.SystemVersion, now.SystemLangCode = old.GetAppVersion(), old.GetSystemVersion(), old.GetSystemLangCode()
		now.LangPack, now.LangCode = old.GetLangPack(), old.GetLangCode()
	}
	change(now)
	a.told[perm] = now
	return yes, nil
}

// bindTemp binds a temp key. The message for it says what else must be true of
// the packet; a client of ours does not encrypt it.
func (a *storage) bindTemp(ctx context.Context, in *authsession.TLAuthsessionBindTempAuthKey) (any, error) {
	r := wire.NewReader(in.GetEncryptedMessage())
	temp, inSession, inMessage := r.Long(), r.Long(), r.Long()
	if !a.stock { // that one is not told of the packet
		md, err := caller(ctx)
		if err != nil {
			return nil, err
		}
		ok := md.GetAuthId() == temp && md.GetSessionId() == inSession && md.GetClientMsgId() == inMessage
		a.c.watch.check(ok, "identity", "the binding of %x came in another packet, it is said", temp)
	}
	k, perm := a.keys[temp], a.keys[in.GetPermAuthKeyId()]
	if k == nil || perm == nil || perm.kind != int32(sess.PermKey) {
		return nil, status.Error(400, bindInvalid)
	}
	a.c.note("auth", "binds", temp, in.GetPermAuthKeyId())
	k.perm = in.GetPermAuthKeyId()
	if k.end == 0 { // another binding does not make a key live longer, nor shorter
		k.end = int64(in.GetExpiresAt())
		a.c.at(k.end*1e9, func() {
			if a.keys[temp] == k {
				a.c.note("auth", "ends a temp key", temp)
				a.destroy(temp)
				a.c.watch.overAt[temp] = a.c.now
			}
		})
	}
	a.sayEnd(ctx, temp)
	if _, again := a.c.watch.bound[temp]; !again {
		a.c.watch.bound[temp] = a.c.now
	}
	if !a.c.healed && !a.c.besieged && a.c.chance(6) {
		a.c.note("auth", "takes too long to bind")
		a.c.sleep(peerTimeout)
	}
	return yes, nil
}

func (a *storage) destroyKey(id int64) *authsession.DestroyAuthKeyReply {
	k := a.keys[id]
	if k == nil {
		return &authsession.DestroyAuthKeyReply{}
	}
	ids := []int64{id}
	if k.kind == int32(sess.PermKey) {
		ids = append(ids, a.tempKeys(id)...)
		a.c.watch.ended[id] = true
		a.unbind(id)
	}
	a.destroy(ids...)
	return &authsession.DestroyAuthKeyReply{Destroyed: true, AuthKeyIds: ids}
}

const saltTime = int64(1800)

// salts are consecutive half hours of a key, from the last that ended on.
func (a *storage) salts(key int64) *mtproto.FutureSalts {
	out := &mtproto.FutureSalts{}
	first := a.c.now/int64(time.Second)/saltTime - 1
	for i := first; i < first+8; i++ {
		out.Salts = append(out.Salts, &mtproto.TLFutureSalt{Data2: &mtproto.FutureSalt{
			ValidSince: int32(i * saltTime), ValidUntil: int32((i + 1) * saltTime), Salt: saltOf(key, i),
		}})
	}
	return out
}

func saltOf(key, window int64) int64 { return (key ^ window*0x5851f42d4c957f2d) & (1<<63 - 1) }
