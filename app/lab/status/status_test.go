package status_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/status"
	statuspb "github.com/tgsession/tgsession/proto/status"
)

func TestMain(m *testing.M) { leaktest.Strict(m) }

type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(c.at.Load(), 0) }

func entry(user, key int64, node string, expired int64) *statuspb.TLStatusSetSessionOnline {
	return &statuspb.TLStatusSetSessionOnline{UserId: user, Session: &statuspb.SessionEntry{
		UserId: user, AuthKeyId: key, PermAuthKeyId: key, Gateway: node, Expired: expired, Layer: 223, Client: "tdesktop",
	}}
}

// Both stores answer alike.
func TestOnline(t *testing.T) {
	for _, kind := range []string{"memory", "redis"} {
		t.Run(kind, func(t *testing.T) {
			var c clock
			c.at.Store(1000)
			store := status.Memory(c.now)
			pass := func(d time.Duration) { c.at.Add(int64(d / time.Second)) }
			if kind == "redis" {
				mini := miniredis.RunT(t)
				client := redis.NewClient(&redis.Options{Addr: mini.Addr()})
				defer client.Close()
				store = status.Redis(client)
				pass = func(d time.Duration) { c.at.Add(int64(d / time.Second)); mini.FastForward(d) }
			}
			ctx := context.Background()
			s, err := status.Start(ctx, status.Config{Store: store, Now: c.now})
			require.NoError(t, err)
			defer s.Close()
			conn, err := grpc.NewClient("passthrough:///"+s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			require.NoError(t, err)
			defer conn.Close()
			rpc := statuspb.NewRPCStatusClient(conn)
			where := func(user int64) []string {
				entries, err := s.Online(ctx, user)
				require.NoError(t, err)
				var out []string
				for _, e := range entries {
					require.Equal(t, user, e.GetUserId())
					out = append(out, e.GetGateway())
				}
				return out
			}

			require.Empty(t, where(5))
			ok, err := rpc.StatusSetSessionOnline(ctx, entry(5, -1, "a:1", 1060))
			require.NoError(t, err)
			require.Equal(t, "boolTrue", ok.GetPredicateName())
			_, err = rpc.StatusSetSessionOnline(ctx, entry(5, 2, "b:1", 1010))
			require.NoError(t, err)
			_, err = rpc.StatusSetSessionOnline(ctx, entry(6, 3, "c:1", 1060))
			require.NoError(t, err)
			require.Equal(t, []string{"a:1", "b:1"}, where(5))
			require.Equal(t, []string{"c:1"}, where(6))

			_, err = rpc.StatusSetSessionOnline(ctx, entry(5, 2, "d:1", 1010)) // moved
			require.NoError(t, err)
			require.Equal(t, []string{"a:1", "d:1"}, where(5))

			list, err := rpc.StatusGetUsersOnlineSessionsList(ctx, &statuspb.TLStatusGetUsersOnlineSessionsList{Users: []int64{6, 9, 5}})
			require.NoError(t, err)
			nodes := map[int64]int{}
			for _, u := range list.GetDatas() {
				nodes[u.GetUserId()] = len(u.GetUserSessions())
			}
			require.Equal(t, map[int64]int{5: 2, 6: 1, 9: 0}, nodes)
			require.Equal(t, "c:1", list.GetDatas()[0].GetUserSessions()[0].GetGateway())
			_, err = rpc.StatusGetUsersOnlineSessionsList(ctx, &statuspb.TLStatusGetUsersOnlineSessionsList{Users: make([]int64, 1001)})
			require.Error(t, err)

			pass(11 * time.Second)
			require.Equal(t, []string{"a:1"}, where(5), "the entry's own time is over")
			_, err = rpc.StatusSetSessionOffline(ctx, &statuspb.TLStatusSetSessionOffline{UserId: 6, AuthKeyId: 3})
			require.NoError(t, err)
			require.Empty(t, where(6))
			pass(90 * time.Second)
			require.Empty(t, where(5))
			left, err := store.List(ctx, 5)
			require.NoError(t, err)
			require.Empty(t, left)

			for name, q := range map[string]*statuspb.TLStatusSetSessionOnline{
				"no user": entry(0, 1, "a:1", 2000), "no key": entry(5, 0, "a:1", 2000), "no entry": {UserId: 5},
			} {
				_, err := rpc.StatusSetSessionOnline(ctx, q)
				require.Error(t, err, name)
			}
			_, err = rpc.StatusSetSessionOffline(ctx, &statuspb.TLStatusSetSessionOffline{UserId: 5})
			require.Error(t, err)
		})
	}
}

// The form a stock sync reads.
func TestRedisLayout(t *testing.T) {
	mini := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: mini.Addr()})
	defer client.Close()
	require.NoError(t, status.Redis(client).Put(context.Background(), entry(777, -5, "10.0.0.1:20120", 99).GetSession(), 90*time.Second))
	require.JSONEq(t, `{"user_id":777,"auth_key_id":-5,"gateway":"10.0.0.1:20120","expired":99,"layer":223,"perm_auth_key_id":-5,"client":"tdesktop"}`,
		mini.HGet("user_online_keys#777", "-5"))
	require.Equal(t, 90*time.Second, mini.TTL("user_online_keys#777"))
}
