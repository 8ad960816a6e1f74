package authsession

import (
	"context"
	"fmt"
	"slices"
	"sync"
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
	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/core"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	pb "github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// What session asks for most costs one round trip to Redis, and none to MySQL, once it is
// cached.
func TestCachedCallsAskRedisOnce(t *testing.T) {
	logx.Disable()
	dsn := testenv.DSN(t, true)
	now := time.Now()
	testenv.Fill(t, testenv.Open(t, dsn), 20_000, now.Unix(), "auth_keys", "auth_key_infos", "auth_key_lifetimes", "auths", "auth_users")
	plans := testenv.OpenPlans(t, dsn)
	network := tcpproxy.Start(t, miniredis.RunT(t).Addr())
	conf := testenv.Config(dsn, network.Addr())
	conf.Sessions.TTLDays = 180
	s, err := svc.New(t.Context(), conf, plans.DB, func() time.Time { return now })
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	const perm, temp = 15_001, testenv.TempBase + 15_001
	for name, run := range map[string]func(c *core.Core) error{
		"getAuthStateData": func(c *core.Core) error {
			state, err := c.AuthsessionGetAuthStateData(&pb.TLAuthsessionGetAuthStateData{AuthKeyId: temp})
			if err == nil && (state.KeyState != 6 || state.UserId == 0) {
				t.Errorf("not the login: %v", state)
			}
			return err
		},
		"getAuthStateData of a perm key": func(c *core.Core) error {
			_, err := c.AuthsessionGetAuthStateData(&pb.TLAuthsessionGetAuthStateData{AuthKeyId: perm})
			return err
		},
		"queryAuthKey": func(c *core.Core) error {
			_, err := c.AuthsessionQueryAuthKey(&pb.TLAuthsessionQueryAuthKey{AuthKeyId: temp})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, run(core.New(t.Context(), s)), "fills the cache")
			const calls = 50
			requests, statements := network.Requests(), plans.Runs()
			for range calls {
				require.NoError(t, run(core.New(t.Context(), s)))
			}
			require.Less(t, plans.Runs()-statements, calls/5, "MySQL is left alone, but for a look into the ledger twice a second")
			require.LessOrEqual(t, network.Requests()-requests, int64(calls+calls/10), "a connection may be new")
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
	conf.CpuThreshold = 0 // the load of a measurement is shed otherwise
	var server *grpc.Server
	z, err := zrpc.NewServer(conf, func(g *grpc.Server) {
		server = g
		pb.RegisterRPCAuthsessionServer(g, bare{redis: redis.MustNewRedis(redis.RedisConf{Host: testenv.Variable(b, "TEST_REDIS_ADDR"), Type: "node"}), key: key})
	})
	require.NoError(b, err)
	go z.Start() // go-zero parks it till the process ends
	b.Cleanup(func() { server.Stop() })
	var clientConf zrpc.RpcClientConf
	require.NoError(b, zconf.FillDefault(&clientConf))
	clientConf.Endpoints = []string{conf.ListenOn}
	client, err := zrpc.NewClient(clientConf)
	require.NoError(b, err)
	b.Cleanup(func() { client.Conn().Close() })
	return pb.NewRPCAuthsessionClient(client.Conn())
}

// BenchmarkCalls compares cached calls with the bare service: time and processor time
// of a call, client, network and server together, the median of many short turns that
// alternate, so that what else the machine does meets all three alike. The ratio is
// the median over the turns, too.
func BenchmarkCalls(b *testing.B) {
	logx.Disable()
	dsn := testenv.DSN(b, true)
	testenv.Fill(b, testenv.Open(b, dsn), 20_000, time.Now().Unix(), "auth_keys", "auth_key_infos", "auth_key_lifetimes", "auths", "auth_users")
	_, c := serveOn(b, dsn, "Warmup: {Enabled: false}", "CpuThreshold: 0", "Middlewares: {Breaker: false}") // the two as the program sets them
	const temp = testenv.TempBase + 15_001
	plain := serveBare(b, "auth_keys2_1000015001") // what queryAuthKey reads, too
	calls := []struct {
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
	}
	for _, call := range calls[1:] { // it fills the cache for the bare service, too
		require.NoError(b, call.run(b.Context()))
	}
	for _, callers := range []int{1, 8} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			took, spent := make([][]float64, len(calls)), make([][]float64, len(calls))
			for turn := 0; b.Loop(); turn++ {
				for k := range calls {
					k = (k + turn) % len(calls)
					began, before := time.Now(), processorTime(b)
					burst(b, calls[k].name, callers, 320/callers, calls[k].run)
					took[k] = append(took[k], float64(time.Since(began).Microseconds())/320)
					spent[k] = append(spent[k], float64((processorTime(b)-before).Microseconds())/320)
				}
			}
			b.ReportMetric(0, "ns/op") // of a turn: no figure of a call
			for k, call := range calls {
				b.ReportMetric(median(took[k]), call.name+"-µs")
				b.ReportMetric(median(spent[k]), call.name+"-cpu-µs")
				if k > 0 {
					b.ReportMetric(median(ratios(took[k], took[0])), call.name+"/bare")
				}
			}
		})
	}
}

// burst has so many callers make so many calls each.
func burst(b *testing.B, name string, callers, calls int, run func(context.Context) error) {
	b.Helper()
	var wg sync.WaitGroup
	errs := make(chan error, callers)
	for range callers {
		wg.Go(func() {
			for range calls {
				if err := run(b.Context()); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	require.NoError(b, <-errs, name)
}

func median(list []float64) float64 { return slices.Sorted(slices.Values(list))[len(list)/2] }

func ratios(list, of []float64) []float64 {
	out := make([]float64, len(list))
	for i := range list {
		out[i] = list[i] / of[i]
	}
	return out
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
