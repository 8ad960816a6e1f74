package sessions_test

import (
	"context"
	"database/sql"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/core"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	pb "github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

// world is two nodes on one real database and one real Redis, under one clock.
type world struct {
	t     *testing.T
	db    *sql.DB
	redis *redis.Client
	clock *testenv.Clock
	told  *testenv.SessionNode
	nodes [2]*svc.ServiceContext
	conf  config.Config

	mu   sync.Mutex
	keys []int64 // all that were stored
}

func newWorld(t *testing.T, change func(*config.Config)) *world {
	t.Helper()
	dsn, address := testenv.DSN(t, true), testenv.Variable(t, "TEST_REDIS_ADDR")
	w := &world{t: t, clock: testenv.NewClock(), told: testenv.NewSessionNode(t), redis: redis.NewClient(&redis.Options{Addr: address})}
	t.Cleanup(func() { w.redis.Close() })
	w.db = testenv.Open(t, dsn)
	conf := testenv.Config(dsn, address)
	conf.SessionNodes.Endpoints = []string{w.told.Address}
	conf.Sessions.TTLDays = 180
	conf.Mysql.Active, conf.Mysql.Idle = 32, 32
	conf.Mysql.DSN += "&readTimeout=1m" // a crowd waits in line, and the machine may be busy
	if change != nil {
		change(&conf)
	}
	w.conf = conf
	for i := range w.nodes {
		w.nodes[i] = w.node()
	}
	return w
}

func (w *world) node() *svc.ServiceContext {
	w.t.Helper()
	db, err := dao.OpenMysql(w.t.Context(), svc.Pool(w.conf.Mysql), false)
	require.NoError(w.t, err)
	s, err := svc.New(w.t.Context(), w.conf, db, w.clock.Now)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { s.Close() })
	return s
}

func (w *world) manager(i int) *sessions.Manager { return w.nodes[i].Manager }

// on is a call on a node; goroutines may make it.
func (w *world) on(i int) *core.Core { return core.New(context.Background(), w.nodes[i]) }

// clients by name.
var clients = map[string]*pb.TLAuthsessionSetInitConnection{
	"phone":   {Ip: "10.1.2.3", ApiId: 6, DeviceModel: "Pixel 9", SystemVersion: "SDK 35", AppVersion: "11.4", LangPack: "android", LangCode: "de"},
	"tablet":  {Ip: "10.1.2.3", ApiId: 6, DeviceModel: "Pixel Tablet", SystemVersion: "SDK 35", AppVersion: "11.4", LangPack: "android", LangCode: "de"},
	"iphone":  {Ip: "10.1.2.4", ApiId: 8, DeviceModel: "iPhone 16", SystemVersion: "18.1", AppVersion: "11.4", LangPack: "ios", LangCode: "en"},
	"desktop": {Ip: "2001:db8::7", ApiId: 2040, DeviceModel: "PC", SystemVersion: "Windows 11", AppVersion: "5.8", LangPack: "tdesktop", LangCode: "en"},
	"web":     {Ip: "10.1.2.5", ApiId: 2496, DeviceModel: "Firefox 130", SystemVersion: "Linux", AppVersion: "2.2 K", LangPack: "webk", LangCode: "en"},
}

// key stores a new key.
func (w *world) key(kind int32) crypto.AuthKey {
	var k crypto.Key
	_, err := crypto.DefaultRand().Read(k[:])
	require.NoError(w.t, err)
	key := k.WithID()
	expiresIn := int32(0)
	if kind != dao.Permanent {
		expiresIn = 86400
	}
	_, err = w.on(0).AuthsessionSetAuthKey(&pb.TLAuthsessionSetAuthKey{
		ExpiresIn: expiresIn,
		AuthKey:   &mtproto.AuthKeyInfo{AuthKeyId: key.IntID(), AuthKey: key.Value[:], AuthKeyType: kind},
	})
	require.NoError(w.t, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys = append(w.keys, key.IntID())
	return key
}

// device stores a new key and introduces a client on it.
func (w *world) device(client string) int64 {
	k := w.key(dao.Permanent)
	w.introduce(k.IntID(), client)
	return k.IntID()
}

func (w *world) introduce(key int64, client string) {
	c := clients[client]
	_, err := w.on(0).AuthsessionSetInitConnection(&pb.TLAuthsessionSetInitConnection{
		AuthKeyId: key, Ip: c.Ip, ApiId: c.ApiId,
		DeviceModel: c.DeviceModel, SystemVersion: c.SystemVersion, AppVersion: c.AppVersion, LangPack: c.LangPack, LangCode: c.LangCode,
	})
	require.NoError(w.t, err)
}

// signIn is a new device that a user signs in on.
func (w *world) signIn(user int64, client string) (key, hash int64) {
	w.t.Helper()
	key = w.device(client)
	return key, w.bind(0, key, user)
}

func (w *world) bind(node int, key, user int64) (hash int64) {
	w.t.Helper()
	h, err := w.on(node).AuthsessionBindAuthKeyUser(&pb.TLAuthsessionBindAuthKeyUser{AuthKeyId: key, UserId: user})
	require.NoError(w.t, err)
	return h.V
}

// state is what a session node sees of a key: 6 and the user, or 4 and nobody.
func (w *world) state(node int, key int64) (state int32, user int64) {
	w.t.Helper()
	s, err := w.on(node).AuthsessionGetAuthStateData(&pb.TLAuthsessionGetAuthStateData{AuthKeyId: key})
	require.NoError(w.t, err)
	return s.KeyState, s.UserId
}

func (w *world) loggedIn(key, user int64) {
	w.t.Helper()
	for i := range w.nodes {
		state, got := w.state(i, key)
		require.Equal(w.t, []int64{6, user}, []int64{int64(state), got}, "node %d", i)
	}
}

func (w *world) loggedOut(keys ...int64) {
	w.t.Helper()
	for _, key := range keys {
		for i := range w.nodes {
			state, user := w.state(i, key)
			require.Equal(w.t, []int64{4, 0}, []int64{int64(state), user}, "node %d", i)
		}
	}
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	_, err := w.db.Exec(query, args...)
	require.NoError(w.t, err)
}

func (w *world) number(query string, args ...any) (n int64) {
	w.t.Helper()
	require.NoError(w.t, w.db.QueryRow(query, args...).Scan(&n))
	return n
}

// events counts those that wait to be published.
func (w *world) events(kind string) int64 {
	w.t.Helper()
	return w.number("SELECT COUNT(*) FROM session_events WHERE type = ?", kind)
}

// revoke ends what a selection names, as an operator does.
func (w *world) revoke(s sessions.Selection) []sessions.Revoked {
	w.t.Helper()
	list, err := w.manager(0).Revoke(w.t.Context(), s, byAdmin)
	require.NoError(w.t, err)
	return list
}

var byAdmin = sessions.By{Reason: logins.ByAdmin, Actor: "admin:alice"}

func (w *world) get(hash int64) sessions.Session {
	w.t.Helper()
	s, err := w.manager(1).Get(w.t.Context(), hash)
	require.NoError(w.t, err)
	return s
}

func hashes[S sessions.Session | sessions.Revoked](list []S) (out []int64) {
	for _, s := range list {
		switch s := any(s).(type) {
		case sessions.Session:
			out = append(out, s.Hash)
		case sessions.Revoked:
			out = append(out, s.Hash)
		}
	}
	return out
}

// flush removes from Redis whatever belongs to the keys of this test, as
// FLUSHALL does, but for what other tests keep there.
func (w *world) flush() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for _, id := range w.keys {
		n := strconv.FormatInt(id, 10)
		for _, name := range []string{"auth_keys2_" + n, "auth_data.2#" + n} {
			names = append(names, name, "guard{"+name+"}")
		}
		names = append(names, "salts_"+n)
	}
	require.NoError(w.t, w.redis.Del(context.Background(), names...).Err())
}

const days = 24 * time.Hour
