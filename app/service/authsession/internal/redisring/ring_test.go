package redisring

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stores/cache"
	"github.com/zeromicro/go-zero/core/stores/kv"
	"github.com/zeromicro/go-zero/core/stores/redis"
	"github.com/zeromicro/go-zero/core/syncx"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

func nodes(addresses ...string) (ours redisconf.Nodes, stock cache.ClusterConf) {
	for i, a := range addresses {
		ours = append(ours, redisconf.Node{Host: a, Type: redisconf.TypeNode, Weight: 100 - 30*i})
		stock = append(stock, cache.NodeConf{RedisConf: redis.RedisConf{Host: a, Type: "node"}, Weight: 100 - 30*i})
	}
	return ours, stock
}

func open(t *testing.T, addresses ...string) *Ring {
	ours, _ := nodes(addresses...)
	r := New(ours)
	t.Cleanup(func() { r.Close() })
	return r
}

// A stock node beside ours looks for a key on the node we put it on.
func TestKeysLieWhereGoZeroPutsThem(t *testing.T) {
	var addresses []string
	for range 3 {
		addresses = append(addresses, miniredis.RunT(t).Addr())
	}
	_, stock := nodes(addresses...)
	stockCache := cache.New(stock, syncx.NewSingleFlight(), cache.NewStat("test"), errors.New("none"))
	stockKV := kv.NewStore(stock)
	ours := open(t, addresses...)
	used := map[string]int{}
	for i := range 300 {
		key := fmt.Sprintf("auth_keys2_%d", i)
		require.NoError(t, stockCache.Set(key, i))
		text, found, err := ours.Get(t.Context(), key)
		require.NoError(t, err)
		require.True(t, found, key)
		require.Equal(t, fmt.Sprint(i), text)
		key = fmt.Sprintf("auth_keys_%d", i)
		require.NoError(t, stockKV.Hset(key, "auth_key_type", "1"))
		fields, err := ours.Hash(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, "1", fields["auth_key_type"])
		used[ours.Node(key)]++
	}
	require.Len(t, used, 3)
}

// A Redis that accepts and says nothing costs half a second three times, then
// nothing for a second.
func TestASilentNodeIsLeftAlone(t *testing.T) {
	address := silent(t)
	// One round that was fast will do: a busy machine makes some slow, and the node rests
	// no longer than a second.
	require.Eventually(t, func() bool {
		r := open(t, address)
		began := time.Now()
		for range tolerated {
			_, _, err := r.Get(t.Context(), "k")
			assert.Error(t, err)
			assert.NotErrorIs(t, err, ErrResting)
		}
		took := time.Since(began)
		for range 100 {
			if _, _, err := r.Get(t.Context(), "k"); !errors.Is(err, ErrResting) {
				return false
			}
		}
		return took < tolerated*(2*timeout)
	}, time.Minute, time.Millisecond)
}

func TestANodeThatReturnsIsAskedAgain(t *testing.T) {
	m := testenv.MiniRedis(t)
	r := open(t, m.Addr())
	require.NoError(t, m.Set("k", "v"))
	address := m.Addr()
	m.Close()
	require.Eventually(t, func() bool {
		_, _, err := r.Get(t.Context(), "k")
		return errors.Is(err, ErrResting)
	}, time.Minute, time.Millisecond)
	require.Error(t, r.Ping(t.Context(), "Cache"))
	require.NoError(t, m.StartAddr(address))
	require.NoError(t, m.Set("k", "v"))
	require.Eventually(t, func() bool {
		v, found, err := r.Get(t.Context(), "k")
		return err == nil && found && v == "v"
	}, time.Minute, 10*time.Millisecond)
	_, found, err := r.Get(t.Context(), "none")
	require.NoError(t, err)
	require.False(t, found)
}
