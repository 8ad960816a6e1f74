package peers

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tgsession/tgsession/app/interface/session/internal/keys"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/internal/keyexpiry"
	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/mtproto"
	statuspb "github.com/tgsession/tgsession/proto/status"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Strict(m, goleak.IgnoreCurrent()) // go-zero listens for signals from its init on
}

// authRole is an authsession whose answers are functions.
type authRole struct {
	authsession.UnimplementedRPCAuthsessionServer
	err  error
	meta *metadata.RpcMetadata
}

func (a *authRole) AuthsessionGetPermAuthKeyId(ctx context.Context, in *authsession.TLAuthsessionGetPermAuthKeyId) (*mtproto.Int64, error) {
	switch in.AuthKeyId {
	case 1:
		return &mtproto.Int64{V: 100}, a.err
	case 6:
		keyexpiry.Set(ctx, 1700000000)
		return &mtproto.Int64{V: 100}, nil
	case 7:
		_ = grpc.SetTrailer(ctx, grpcmetadata.Pairs("auth-key-expires-at", "tomorrow"))
		return &mtproto.Int64{V: 100}, nil
	case 2:
		return nil, status.Error(401, "AUTH_KEY_PERM_EMPTY")
	case 3:
		return &mtproto.Int64{V: 3}, nil
	case 4:
		return nil, status.Error(401, "AUTH_KEY_UNREGISTERED")
	}
	return nil, status.Error(codes.Unavailable, "away")
}

func (a *authRole) AuthsessionQueryAuthKey(_ context.Context, in *authsession.TLAuthsessionQueryAuthKey) (*mtproto.AuthKeyInfo, error) {
	switch in.AuthKeyId {
	case 1:
		return &mtproto.AuthKeyInfo{AuthKeyId: 1, AuthKeyType: 2, PermAuthKeyId: 100}, nil
	case 2:
		return &mtproto.AuthKeyInfo{AuthKeyId: 2, AuthKeyType: 1}, nil
	case 3:
		return &mtproto.AuthKeyInfo{AuthKeyId: 3}, nil
	}
	return nil, status.Error(401, "AUTH_KEY_UNREGISTERED")
}

func (a *authRole) AuthsessionGetAuthStateData(context.Context, *authsession.TLAuthsessionGetAuthStateData) (*authsession.AuthKeyStateData, error) {
	return &authsession.AuthKeyStateData{
		KeyState: 6, UserId: 77, AndroidPushSessionId: wrapperspb.Int64(-5),
		Client: &authsession.ClientSession{Ip: "203.0.113.1", Layer: 200, ApiId: 4, LangPack: "android", LangCode: "nl"},
	}, a.err
}

func (a *authRole) AuthsessionGetFutureSalts(context.Context, *authsession.TLAuthsessionGetFutureSalts) (*mtproto.FutureSalts, error) {
	return &mtproto.FutureSalts{Salts: []*mtproto.TLFutureSalt{{Data2: &mtproto.FutureSalt{ValidSince: 1, ValidUntil: 2, Salt: -3}}}}, nil
}

func (a *authRole) AuthsessionBindTempAuthKey(ctx context.Context, _ *authsession.TLAuthsessionBindTempAuthKey) (*mtproto.Bool, error) {
	md, _ := grpcmetadata.FromIncomingContext(ctx)
	raw, _ := base64.StdEncoding.DecodeString(md.Get("rpc_metadata")[0])
	a.meta = &metadata.RpcMetadata{}
	_ = proto.Unmarshal(raw, a.meta)
	return &mtproto.Bool{PredicateName: "boolTrue"}, a.err
}

func (a *authRole) AuthsessionSetLayer(context.Context, *authsession.TLAuthsessionSetLayer) (*mtproto.Bool, error) {
	return &mtproto.Bool{PredicateName: "boolTrue"}, a.err
}

// manager is the part that a stock authsession lacks.
type manager struct {
	authsession.UnimplementedRPCSessionManagerServer
}

func (manager) SetPasswordPending(_ context.Context, in *authsession.SetPasswordPendingRequest) (*authsession.SetPasswordPendingReply, error) {
	if in.AuthKeyId == 401 {
		return nil, status.Error(401, "AUTH_KEY_UNREGISTERED")
	}
	return &authsession.SetPasswordPendingReply{KeyState: 5, UserId: in.UserId + in.Owner}, nil
}

func (manager) SetAuthorizationTTL(_ context.Context, in *authsession.SetAuthorizationTTLRequest) (*authsession.SetAuthorizationTTLReply, error) {
	if in.UserId != 5 || in.Days != 7 {
		return nil, status.Error(codes.Code(400), "INPUT_REQUEST_INVALID")
	}
	return &authsession.SetAuthorizationTTLReply{}, nil
}

func (manager) DestroyAuthKey(_ context.Context, in *authsession.DestroyAuthKeyRequest) (*authsession.DestroyAuthKeyReply, error) {
	return &authsession.DestroyAuthKeyReply{Destroyed: true, AuthKeyIds: []int64{in.AuthKeyId, 1}}, nil
}

func (manager) DropTempAuthKeys(context.Context, *authsession.DropTempAuthKeysRequest) (*authsession.DropTempAuthKeysReply, error) {
	return &authsession.DropTempAuthKeysReply{AuthKeyIds: []int64{1}}, nil
}

func serve(t *testing.T, register func(*grpc.Server)) *grpc.ClientConn {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := grpc.NewServer()
	register(g)
	go func() { _ = g.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(); g.Stop() })
	return conn
}

func newAuth(t *testing.T, stock bool) (*authRole, *AuthSession) {
	role := &authRole{}
	conn := serve(t, func(g *grpc.Server) {
		authsession.RegisterRPCAuthsessionServer(g, role)
		if !stock {
			authsession.RegisterRPCSessionManagerServer(g, manager{})
		}
	})
	a := NewAuthSession(conn, "10.0.0.1:20120", time.Minute)
	a.Keys = keys.New(keys.Options{Lookup: a.Lookup, Timeout: time.Minute, Size: 1 << 10, Fresh: time.Minute, Unbound: time.Second, PerKey: 8, Lookups: 8})
	t.Cleanup(a.Keys.Wait)
	return role, a
}

func TestLookup(t *testing.T) {
	_, a := newAuth(t, true)
	for _, c := range []struct {
		name string
		id   int64
		kind int32
		want keys.Key
		err  error
	}{
		{"bound temp key", 1, 1, keys.Key{Perm: 100, Type: sess.TempKey}, nil},
		{"bound media key", 1, 2, keys.Key{Perm: 100, Type: sess.MediaTempKey}, nil},
		{"unbound temp key", 2, 1, keys.Key{Type: sess.TempKey}, nil},
		{"bound temp key that ends", 6, 1, keys.Key{Perm: 100, Type: sess.TempKey, Until: 1700000000}, nil},
		{"bound temp key whose end is not one", 7, 1, keys.Key{Perm: 100, Type: sess.TempKey}, nil},
		{"a perm key called temp", 3, 1, keys.Key{Perm: 3}, nil},
		{"unknown", 4, 1, keys.Key{}, keys.ErrUnregistered},
		{"media key over HTTP", 1, 0, keys.Key{Perm: 100, Type: sess.MediaTempKey}, nil},
		{"unbound key over HTTP", 2, 0, keys.Key{Type: sess.TempKey}, nil},
		{"perm key over HTTP", 3, 0, keys.Key{Perm: 3}, nil},
		{"unknown over HTTP", 4, 0, keys.Key{}, keys.ErrUnregistered},
	} {
		got, err := a.Lookup(t.Context(), c.id, keys.Claim{Type: c.kind})
		require.Equal(t, c.want, got, c.name)
		require.Equal(t, c.err, err, c.name)
	}
	_, err := a.Lookup(t.Context(), 5, keys.Claim{Type: 1})
	require.Error(t, err)
	require.NotErrorIs(t, err, keys.ErrUnregistered, "a fault is no answer")
}

func TestExecute(t *testing.T) {
	role, a := newAuth(t, false)
	state, rpcErr := a.Execute(&sess.GetAuthState{AuthKeyID: 1})
	require.Nil(t, rpcErr)
	require.Equal(t, &sess.AuthState{
		State: sess.StateNormal, UserID: 77, PushSessionID: -5,
		Client: sess.ClientInfo{IP: "203.0.113.1", Layer: 200, APIID: 4, LangPack: "android", LangCode: "nl"},
	}, state)

	salts, rpcErr := a.Execute(&sess.GetSalts{AuthKeyID: 1})
	require.Nil(t, rpcErr)
	require.Equal(t, &sess.Salts{Salts: []sess.Salt{{Since: 1, Until: 2, Salt: -3}}}, salts)

	_, rpcErr = a.Execute(&sess.SetTTL{UserID: 5, Days: 7})
	require.Nil(t, rpcErr)
	word, rpcErr := a.Execute(&sess.SetPasswordPending{AuthKeyID: 1, UserID: 70, Owner: 7, Pending: true})
	require.Nil(t, rpcErr)
	require.Equal(t, &sess.LoginWord{State: sess.StateNeedPassword, UserID: 77}, word)
	_, rpcErr = a.Execute(&sess.SetPasswordPending{AuthKeyID: 401, Owner: 7})
	require.Equal(t, &sess.RPCError{Code: 401, Message: "AUTH_KEY_UNREGISTERED"}, rpcErr)
	_, rpcErr = a.Execute(&sess.SetLayer{AuthKeyID: 1, Layer: 200})
	require.Nil(t, rpcErr)
	role.err = status.Error(400, "X")
	_, rpcErr = a.Execute(&sess.SetLayer{})
	require.Equal(t, &sess.RPCError{Code: 400, Message: "X"}, rpcErr)
}

// A fault of authsession is never a 401: clients would log out (ERR-15); nor
// do they see what it says (weakness 8).
func TestWeakness08FaultsAreNoRefusals(t *testing.T) {
	role, a := newAuth(t, false)
	for _, err := range []error{
		status.Error(codes.Unauthenticated, "no token"), status.Error(codes.Unavailable, ""), status.Error(codes.Internal, "panic: x"),
		status.Error(500, "INTERNAL_SERVER_ERROR"), errors.New("sql: no rows"),
	} {
		role.err = err
		_, rpcErr := a.Execute(&sess.GetAuthState{})
		require.Equal(t, sess.ErrInternal, rpcErr, "%v", err)
	}
	role.err = context.DeadlineExceeded
	_, rpcErr := a.Execute(&sess.GetAuthState{})
	require.Equal(t, sess.ErrTimeout, rpcErr)
	role.err = status.Error(401, "AUTH_KEY_UNREGISTERED")
	_, rpcErr = a.Execute(&sess.GetAuthState{})
	require.EqualValues(t, 401, rpcErr.Code, "what it says itself stays")
}

func TestBindTellsWhoAsksAndIsKnownAtOnce(t *testing.T) {
	role, a := newAuth(t, true)
	_, rpcErr := a.Execute(&sess.BindTempKey{PermAuthKeyID: 100, ExpiresAt: 1900000000, Meta: sess.Meta{AuthKeyID: 2, SessionID: 8, MsgID: 9}})
	require.Nil(t, rpcErr)
	require.EqualValues(t, 2, role.meta.AuthId)
	require.EqualValues(t, 8, role.meta.SessionId)
	require.EqualValues(t, 9, role.meta.ClientMsgId)
	bound := false
	require.NoError(t, a.Keys.Resolve(2, keys.Claim{Type: 1}, func(k keys.Key, err error) {
		bound = err == nil && k == keys.Key{Perm: 100, Type: sess.TempKey, Until: 1900000000}
	}))
	require.True(t, bound)
}

func TestKeysGone(t *testing.T) {
	_, a := newAuth(t, false)
	a.Keys.Bound(1, 100, 0)
	gone, rpcErr := a.Execute(&sess.DestroyKey{AuthKeyID: 100})
	require.Nil(t, rpcErr)
	require.Equal(t, &sess.KeysGone{Existed: true, Keys: []int64{100, 1}}, gone)
	known := true
	require.NoError(t, a.Keys.Resolve(1, keys.Claim{Type: 1}, func(keys.Key, error) { known = false }))
	a.Keys.Wait()
	require.False(t, known, "asked again, not remembered")

	gone, rpcErr = a.Execute(&sess.DropTempKeys{PermAuthKeyID: 100})
	require.Nil(t, rpcErr)
	require.Equal(t, []int64{1}, gone.(*sess.KeysGone).Keys)
}

// Beside a stock authsession, what it cannot do is said where it is asked.
func TestStockAuthsession(t *testing.T) {
	_, a := newAuth(t, true)
	_, rpcErr := a.Execute(&sess.SetTTL{UserID: 5, Days: 7})
	require.Nil(t, rpcErr)
	word, rpcErr := a.Execute(&sess.SetPasswordPending{AuthKeyID: 1, Owner: 7, Pending: true})
	require.Nil(t, rpcErr)
	require.Nil(t, word)
	gone, rpcErr := a.Execute(&sess.DropTempKeys{})
	require.Nil(t, rpcErr)
	require.Empty(t, gone.(*sess.KeysGone).Keys)
	_, rpcErr = a.Execute(&sess.DestroyKey{})
	require.Equal(t, sess.ErrInternal, rpcErr, "a key that still works is not destroyed")
}

type statusRole struct {
	statuspb.UnimplementedRPCStatusServer
	mu   sync.Mutex
	log  []string
	last *statuspb.SessionEntry
}

func (s *statusRole) StatusSetSessionOnline(_ context.Context, in *statuspb.TLStatusSetSessionOnline) (*mtproto.Bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.last = append(s.log, "online"), in.Session
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

func (s *statusRole) StatusSetSessionOffline(context.Context, *statuspb.TLStatusSetSessionOffline) (*mtproto.Bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, "offline")
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

func TestStatusKeepsOrder(t *testing.T) {
	role := &statusRole{}
	conn := serve(t, func(g *grpc.Server) { statuspb.RegisterRPCStatusServer(g, role) })
	s := NewStatus(conn, "10.0.0.1:20120", time.Minute, nil)
	soon := time.Now().Unix() + 60
	for range 50 {
		s.Notify(&sess.SetOnline{UserID: 77, AuthKeyID: 5, Layer: 200, Client: "android", Expires: soon, Confirm: true})
		s.Notify(&sess.SetOffline{UserID: 77, AuthKeyID: 5})
	}
	s.Notify(&sess.SetOnline{UserID: 77, AuthKeyID: 5, Expires: 1, Confirm: true}) // too late to be true
	s.Notify(&sess.GetSalts{})                                                     // none of its business
	require.NoError(t, s.Wait(t.Context()))
	require.Len(t, role.log, 100)
	for i, what := range role.log {
		require.Equal(t, []string{"online", "offline"}[i%2], what)
	}
	require.True(t, proto.Equal(&statuspb.SessionEntry{
		PredicateName: "sessionEntry", UserId: 77, AuthKeyId: 5, PermAuthKeyId: 5, Gateway: "10.0.0.1:20120",
		Expired: soon, Layer: 200, Client: "android",
	}, role.last), "%v", role.last)
}

// Whose key it is decides when a report is made, not when it is queued.
func TestStatusHearsNothingOfKeysThatMovedMeanwhile(t *testing.T) {
	role := &statusRole{}
	s := NewStatus(serve(t, func(g *grpc.Server) { statuspb.RegisterRPCStatusServer(g, role) }), "10.0.0.1:20120", time.Minute, nil)
	turn := make(chan struct{})
	s.Elsewhere = func(key int64) bool { <-turn; return key == 5 }
	s.Notify(&sess.SetOffline{UserID: 77, AuthKeyID: 5})
	s.Notify(&sess.SetOffline{UserID: 77, AuthKeyID: 6})
	close(turn)
	require.NoError(t, s.Wait(t.Context()))
	require.Equal(t, []string{"offline"}, role.log)
}
