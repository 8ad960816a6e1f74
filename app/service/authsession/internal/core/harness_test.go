package core

import (
	"context"
	"database/sql"
	"encoding/base64"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/mtproto"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

// cluster is two nodes on one real database and one Redis, under one clock.
type cluster struct {
	t     *testing.T
	db    *sql.DB // the test's own view
	dsn   string
	clock *testenv.Clock
	nodes [2]*svc.ServiceContext
	// sessions are the session nodes that hear of ended logins; none unless a
	// test sets them before node.
	sessions []string
	replicas []string             // in the configuration, likewise
	saltLife time.Duration        // likewise
	mini     *miniredis.Miniredis // the Redis, when it is an embedded one
}

// start uses the real Redis; startMini an embedded one that can be taken away.
func start(t *testing.T) *cluster { return startOn(t, testenv.Variable(t, "TEST_REDIS_ADDR")) }

func startMini(t *testing.T) *cluster {
	m := testenv.MiniRedis(t)
	c := startOn(t, m.Addr())
	c.mini = m
	return c
}

func startOn(t *testing.T, redisAddress string) *cluster {
	t.Helper()
	c := &cluster{t: t, dsn: testenv.DSN(t, true), clock: testenv.NewClock()}
	c.db = testenv.Open(t, c.dsn)
	for i := range c.nodes {
		c.nodes[i] = c.node(redisAddress)
	}
	return c
}

func (c *cluster) node(redisAddress string) *svc.ServiceContext {
	conf := testenv.Config(c.dsn, redisAddress)
	db, err := dao.OpenMysql(c.t.Context(), svc.Pool(conf.Mysql), false)
	require.NoError(c.t, err)
	conf.SessionNodes.Endpoints = c.sessions
	conf.Mysql.ReadDSN = c.replicas
	conf.Salts.Life = c.saltLife
	s, err := svc.New(c.t.Context(), conf, db, c.clock.Now)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { s.Close() })
	return s
}

// on is a call on one of the nodes.
func (c *cluster) on(i int) *Core { return New(c.t.Context(), c.nodes[i]) }

// with is a call that session made on behalf of a client's message.
func (c *cluster) with(md *metadata.RpcMetadata) *Core {
	raw, err := proto.Marshal(md)
	require.NoError(c.t, err)
	ctx := grpcmetadata.NewIncomingContext(c.t.Context(), grpcmetadata.Pairs("rpc_metadata", base64.StdEncoding.EncodeToString(raw)))
	return New(ctx, c.nodes[0])
}

func (c *cluster) exec(query string, args ...any) {
	c.t.Helper()
	_, err := c.db.Exec(query, args...)
	require.NoError(c.t, err)
}

func (c *cluster) number(query string, args ...any) (n int64) {
	c.t.Helper()
	require.NoError(c.t, c.db.QueryRow(query, args...).Scan(&n))
	return n
}

func (c *cluster) text(query string, args ...any) (s string) {
	c.t.Helper()
	require.NoError(c.t, c.db.QueryRow(query, args...).Scan(&s))
	return s
}

func randomKey(t testing.TB) crypto.AuthKey {
	var k crypto.Key
	_, err := crypto.DefaultRand().Read(k[:])
	require.NoError(t, err)
	return k.WithID()
}

func info(k crypto.AuthKey, kind int32) *mtproto.AuthKeyInfo {
	return &mtproto.AuthKeyInfo{AuthKeyId: k.IntID(), AuthKey: k.Value[:], AuthKeyType: kind}
}

// key stores a new key through a node.
func (c *cluster) key(kind, expiresIn int32) crypto.AuthKey {
	c.t.Helper()
	k := randomKey(c.t)
	ok, err := c.on(0).AuthsessionSetAuthKey(&authsession.TLAuthsessionSetAuthKey{AuthKey: info(k, kind), ExpiresIn: expiresIn})
	require.NoError(c.t, err)
	require.Equal(c.t, "boolTrue", ok.PredicateName)
	return k
}

// device is a perm key whose device has introduced itself.
func (c *cluster) device() crypto.AuthKey {
	c.t.Helper()
	k := c.key(dao.Permanent, 0)
	_, err := c.on(0).AuthsessionSetInitConnection(&authsession.TLAuthsessionSetInitConnection{
		AuthKeyId: k.IntID(), Ip: "10.1.2.3", ApiId: 6, DeviceModel: "Pixel", SystemVersion: "SDK 35", AppVersion: "11.4", LangPack: "android", LangCode: "de",
	})
	require.NoError(c.t, err)
	return k
}

func (c *cluster) login(k crypto.AuthKey, user int64) (hash int64) {
	c.t.Helper()
	h, err := c.on(0).AuthsessionBindAuthKeyUser(&authsession.TLAuthsessionBindAuthKeyUser{AuthKeyId: k.IntID(), UserId: user})
	require.NoError(c.t, err)
	return h.V
}

// bindRequest is auth.bindTempAuthKey as a client seals it.
func (c *cluster) bindRequest(perm, temp crypto.AuthKey, sealed func(*crypto.BindAuthKeyInner)) *authsession.TLAuthsessionBindTempAuthKey {
	c.t.Helper()
	inner := &crypto.BindAuthKeyInner{
		Nonce: 11, TempAuthKeyID: temp.IntID(), PermAuthKeyID: perm.IntID(),
		TempSessionID: 33, ExpiresAt: int(c.clock.Now().Unix()) + 86400 + 30,
	}
	if sealed != nil {
		sealed(inner)
	}
	message, err := crypto.EncryptBindMessage(nil, perm, 44<<32, inner)
	require.NoError(c.t, err)
	return &authsession.TLAuthsessionBindTempAuthKey{PermAuthKeyId: perm.IntID(), Nonce: 11, ExpiresAt: int32(inner.ExpiresAt), EncryptedMessage: message}
}

func (c *cluster) bind(perm, temp crypto.AuthKey) {
	c.t.Helper()
	_, err := c.on(0).AuthsessionBindTempAuthKey(c.bindRequest(perm, temp, nil))
	require.NoError(c.t, err)
}

// state is getAuthStateData on a node.
func (c *cluster) state(i int, k crypto.AuthKey) (state int32, user int64) {
	c.t.Helper()
	s, err := c.on(i).AuthsessionGetAuthStateData(&authsession.TLAuthsessionGetAuthStateData{AuthKeyId: k.IntID()})
	require.NoError(c.t, err)
	require.Equal(c.t, k.IntID(), s.AuthKeyId, "the id asked for, not the perm key's")
	return s.KeyState, s.UserId
}

func (c *cluster) permOf(i int, id int64) (int64, error) {
	p, err := c.on(i).AuthsessionGetPermAuthKeyId(&authsession.TLAuthsessionGetPermAuthKeyId{AuthKeyId: id})
	return p.GetV(), err
}

func refused(t *testing.T, err error, code int, message string) {
	t.Helper()
	s, ok := status.FromError(err)
	require.True(t, ok, "%v", err)
	require.Equal(t, []any{code, message, 0}, []any{int(s.Code()), s.Message(), len(s.Details())})
}

func query(id int64) *authsession.TLAuthsessionQueryAuthKey {
	return &authsession.TLAuthsessionQueryAuthKey{AuthKeyId: id}
}

func background() context.Context { return context.Background() }
