package authsession

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
	zconf "github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stores/redis"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/service/authsession/internal/core"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	pb "github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// What session asks for most costs two round trips to Redis at most, and none
// to MySQL, once it is cached.
func TestCachedCallsAskRedisTwiceAtMost(t *testing.T) {
	logx.Disable()
	dsn := testenv.DSN(t, true)
	now := time.Now()
	testenv.Fill(t, testenv.Open(t, dsn), 20_000, now.Unix(), "auth_keys", "auth_key_infos", "auth_key_lifetimes", "auths", "auth_users")
	plans := testenv.OpenPlans(t, dsn)
	network := testenv.NewProxy(t, miniredis.RunT(t).Addr())
	conf := testenv.Config(dsn, network.Address)
	conf.Sessions.TTLDays = 180
	s, err := svc.New(t.Context(), conf, plans.DB, func() time.Time { return now })
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	const perm, temp = 15_001, testenv.TempBase + 15_001
	for name, call := range map[string]struct {
		run  func(c *core.Core) error
		most int
	}{
		"getAuthStateData": {func(c *core.Core) error {
			state, err := c.AuthsessionGetAuthStateData(&pb.TLAuthsessionGetAuthStateData{AuthKeyId: temp})
			if err == nil && (state.KeyState != 6 || state.UserId == 0) {
				t.Errorf("not the login: %v", state)
			}
			return err
		}, 2},
		"getAuthStateData of a perm key": {func(c *core.Core) error {
			_, err := c.AuthsessionGetAuthStateData(&pb.TLAuthsessionGetAuthStateData{AuthKeyId: perm})
			return err
		}, 2},
		"queryAuthKey": {func(c *core.Core) error {
			_, err := c.AuthsessionQueryAuthKey(&pb.TLAuthsessionQueryAuthKey{AuthKeyId: temp})
			return err
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, call.run(core.New(t.Context(), s)), "fills the cache")
			const calls = 50
			requests, statements := network.Requests.Load(), plans.Runs()
			for range calls {
				require.NoError(t, call.run(core.New(t.Context(), s)))
			}
			require.Less(t, plans.Runs()-statements, calls/5, "MySQL is left alone, but for a look into the ledger twice a second")
			require.LessOrEqual(t, network.Requests.Load()-requests, int64(calls*call.most))
		})
	}
}

// bare is a go-zero service with as little in it as can be: one handler that
// reads one value from Redis.
type bare struct {
	pb.UnimplementedRPCAuthsessionServer
	redis *redis.Redis
	key   string
}

func (b bare) AuthsessionQueryAuthKey(ctx context.Context, _ *pb.TLAuthsessionQueryAuthKey) (*mtproto.AuthKeyInfo, error) {
	value, err := b.redis.GetCtx(ctx, b.key)
	return &mtproto.AuthKeyInfo{AuthKey: []byte(value)}, err
}

// serveBare starts it and returns a client.
func serveBare(b *testing.B, key string) pb.RPCAuthsessionClient {
	var conf zrpc.RpcServerConf
	require.NoError(b, zconf.FillDefault(&conf))
	conf.Name, conf.ListenOn, conf.Mode = "bare", freeport.Address(b), "test"
	conf.Log.Level, conf.Log.Stat = "severe", false
	var server *grpc.Server
	z, err := zrpc.NewServer(conf, func(g *grpc.Server) {
		server = g
		pb.RegisterRPCAuthsessionServer(g, bare{redis: redis.MustNewRedis(redis.RedisConf{Host: testenv.Variable(b, "TEST_REDIS_ADDR"), Type: "node"}), key: key})
	})
	require.NoError(b, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		z.Start()
	}()
	b.Cleanup(func() {
		server.Stop()
		<-ended
	})
	var clientConf zrpc.RpcClientConf
	require.NoError(b, zconf.FillDefault(&clientConf))
	clientConf.Endpoints = []string{conf.ListenOn}
	client, err := zrpc.NewClient(clientConf)
	require.NoError(b, err)
	b.Cleanup(func() { client.Conn().Close() })
	return pb.NewRPCAuthsessionClient(client.Conn())
}

// BenchmarkCalls compares cached calls with the bare service: time, processor
// time and allocations of a call, client, network and server together.
func BenchmarkCalls(b *testing.B) {
	logx.Disable()
	dsn := testenv.DSN(b, true)
	testenv.Fill(b, testenv.Open(b, dsn), 20_000, time.Now().Unix(), "auth_keys", "auth_key_infos", "auth_key_lifetimes", "auths", "auth_users")
	_, c := serveOn(b, dsn)
	const temp = testenv.TempBase + 15_001
	plain := serveBare(b, "auth_keys2_1000015001") // what queryAuthKey reads, too
	for _, call := range []struct {
		name string
		run  func(ctx context.Context) error
	}{
		{"bare", func(ctx context.Context) error {
			_, err := plain.AuthsessionQueryAuthKey(ctx, &pb.TLAuthsessionQueryAuthKey{AuthKeyId: temp})
			return err
		}},
		{"queryAuthKey", func(ctx context.Context) error {
			_, err := c.AuthsessionQueryAuthKey(ctx, &pb.TLAuthsessionQueryAuthKey{AuthKeyId: temp})
			return err
		}},
		{"getAuthStateData", func(ctx context.Context) error {
			_, err := c.AuthsessionGetAuthStateData(ctx, &pb.TLAuthsessionGetAuthStateData{AuthKeyId: temp})
			return err
		}},
	} {
		b.Run(call.name, func(b *testing.B) {
			require.NoError(b, call.run(b.Context()))
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				if err := call.run(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
