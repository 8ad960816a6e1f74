package redisring

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

var echo = NewScript(`
if ARGV[1] == 'refuse' then return redis.error_reply('NO not this one') end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]`)

func calls(n int) (list []Call) {
	for i := range n {
		list = append(list, Call{Keys: []string{fmt.Sprintf("k%d", i)}, Args: []any{fmt.Sprint(i)}})
	}
	return list
}

// A thousand calls take a few round trips to each node, with results in order,
// also where the nodes do not know the script.
func TestManyCallsTakeFewRoundTrips(t *testing.T) {
	var networks []*tcpproxy.Proxy
	var addresses []string
	for range 3 {
		networks = append(networks, tcpproxy.Start(t, testenv.StartRedis(t).Address))
		addresses = append(addresses, networks[len(networks)-1].Addr())
	}
	r := open(t, addresses...)
	const n = 1000
	for round := range 2 {
		var before [3]int64
		for i, p := range networks {
			before[i] = p.Requests()
		}
		results, errs := r.RunEach(t.Context(), echo, calls(n))
		require.NoError(t, First(errs))
		require.Empty(t, errs)
		for i, result := range results {
			require.Equal(t, fmt.Sprint(i), result)
		}
		if round == 1 {
			for i, p := range networks {
				// Each round trip of 256 calls comes in one or two pieces.
				require.Less(t, p.Requests()-before[i], int64(20), "node %d", i)
			}
		}
	}
	list := calls(n)
	list[3].Args[0] = "refuse"
	_, errs := r.RunEach(t.Context(), echo, list)
	require.Len(t, errs, n)
	require.ErrorContains(t, errs[3], "NO not this one")
	require.ErrorIs(t, First(errs), errs[3])
	failed := func() (n int) {
		for _, err := range errs {
			if err != nil {
				n++
			}
		}
		return n
	}
	require.Equal(t, 1, failed())
	gone := 0
	for _, c := range list {
		if r.Node(c.Keys[0]) == addresses[1] {
			gone++
		}
	}
	networks[1].Cut()
	_, errs = r.RunEach(t.Context(), echo, calls(n))
	require.Equal(t, gone, failed(), "the other nodes' calls ran")
}

// silent is a server that takes connections and answers nothing.
func silent(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// A Redis that hangs costs no call more than about half a second, the wait for
// one of the pool's connections included.
func TestAHangCostsHalfASecond(t *testing.T) {
	address := silent(t)
	longest := func() time.Duration {
		r := open(t, address)
		var longest atomic.Int64
		var wg sync.WaitGroup
		for range 300 { // more than the pool has connections
			wg.Go(func() {
				for range 3 {
					began := time.Now()
					if _, _, err := r.Get(context.Background(), "k"); err == nil {
						t.Error("an answer")
					}
					for took := int64(time.Since(began)); ; {
						if old := longest.Load(); took <= old || longest.CompareAndSwap(old, took) {
							break
						}
					}
				}
			})
		}
		wg.Wait()
		return time.Duration(longest.Load())
	}
	// One round that was fast will do: a busy machine makes some slow.
	require.Eventually(t, func() bool { return longest() < 900*time.Millisecond }, time.Minute, time.Millisecond)
}

// Callers who have no time do not make a node rest that is well; callers who
// have waited long enough do.
func TestImpatientCallersAreNotANodesFault(t *testing.T) {
	m := miniredis.RunT(t)
	network := tcpproxy.Start(t, m.Addr())
	r := open(t, network.Addr())
	_, _, err := r.Get(t.Context(), "k")
	require.NoError(t, err)
	network.Jitter(30 * time.Millisecond)
	for range 5 * tolerated {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, _, _ = r.Get(ctx, "k")
		cancel()
	}
	network.Jitter(0)
	_, _, err = r.Get(t.Context(), "k")
	require.NoError(t, err)

	r = open(t, silent(t))
	asked := 0
	require.Eventually(t, func() bool { // on a busy machine some have less time than they came with
		ctx, cancel := context.WithTimeout(t.Context(), 3*patience/2)
		defer cancel()
		_, _, err := r.Get(ctx, "k")
		asked++
		return errors.Is(err, ErrResting)
	}, time.Minute, time.Millisecond)
	require.Greater(t, asked, tolerated)
}

// A Redis that refuses the account has carried out nothing. A hold that looks done
// would leave an ended login in the cache for those whose connections are older than
// the password.
func TestARefusedAccountIsNoAnswer(t *testing.T) {
	m := startWithPassword(t)
	r := openNode(t, redisconf.Node{Host: m.Address, Type: redisconf.TypeNode, Pass: "wrong", Weight: 100})
	for range 2 * tolerated {
		_, err := r.Run(t.Context(), echo, []string{"k"}, "x")
		require.ErrorContains(t, err, "WRONGPASS")
		_, errs := r.RunEach(t.Context(), echo, calls(2))
		require.Len(t, errs, 2)
		for _, err := range errs {
			require.ErrorContains(t, err, "WRONGPASS")
		}
		require.ErrorContains(t, r.Delete(t.Context(), "k"), "WRONGPASS")
		for _, s := range r.Look(t.Context(), "k", "l") {
			require.ErrorContains(t, s.Err, "WRONGPASS")
			require.Empty(t, s.Origin)
		}
	}
}

// In a Redis cluster, too, what may have been carried out is not sent again.
func TestAClusterIsAskedOnce(t *testing.T) {
	m := testenv.StartRedis(t, "--cluster-enabled", "yes")
	m.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	require.Eventually(t, func() bool {
		return m.Do("CLUSTER", "INFO").(string)[:16] == "cluster_state:ok"
	}, 30*time.Second, 10*time.Millisecond)
	ring := func() *Ring {
		r := New(redisconf.Nodes{{Host: m.Address, Type: redisconf.TypeCluster, Weight: 100}})
		t.Cleanup(func() { r.Close() })
		return r
	}
	r := ring()
	count := NewScript(`return redis.call('INCR', KEYS[1])`)
	for i := range int64(3) {
		got, err := r.Run(t.Context(), count, []string{"n"})
		require.NoError(t, err)
		require.Equal(t, i+1, got)
	}
	slow := NewScript(`
redis.call('INCR', KEYS[1])
local till = redis.call('TIME')
till = till[1] * 1000000 + till[2] + ARGV[1] * 1000
repeat local now = redis.call('TIME') until now[1] * 1000000 + now[2] >= till
return 1`)
	const tooLong = 1500 // ms
	_, errs := r.RunEach(t.Context(), slow, []Call{{Keys: []string{"n"}, Args: []any{tooLong}}})
	require.Error(t, First(errs))
	n := 4
	require.Equal(t, fmt.Sprint(n), m.Do("GET", "n"), "it ran once")
	// One that was fast will do: a busy machine makes some slow.
	require.Eventually(t, func() bool {
		r := ring() // for which the node does not rest yet
		began := time.Now()
		_, err := r.Run(t.Context(), slow, []string{"n"}, tooLong)
		took := time.Since(began)
		assert.Error(t, err)
		n++
		assert.Equal(t, fmt.Sprint(n), m.Do("GET", "n"), "it ran once")
		return took < 2*timeout
	}, time.Minute, time.Millisecond)
}
