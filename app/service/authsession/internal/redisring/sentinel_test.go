package redisring

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

const (
	group    = "sessions"
	password = "of-all" // of Redis and of sentinels
)

func sentinelNode(s *testenv.Sentinels) redisconf.Node {
	return redisconf.Node{Host: s.Host(), Type: redisconf.TypeSentinel, MasterName: group, Pass: password, SentinelPass: password, Weight: 100}
}

func openNode(t *testing.T, n redisconf.Node) *Ring {
	r := New(redisconf.Nodes{n})
	t.Cleanup(func() { r.Close() })
	return r
}

func startWithPassword(t *testing.T) *testenv.Redis {
	return testenv.StartRedisOf(t, password, "--requirepass", password, "--masterauth", password)
}

// The ring finds the primary by its sentinels, and again after a failover, also
// when the sentinel that it asked first is gone.
func TestARingFollowsTheSentinels(t *testing.T) {
	first, second := startWithPassword(t), startWithPassword(t)
	second.Follow(first)
	sentinels := testenv.StartSentinels(t, group, first, password)
	sentinels.Know()
	r := openNode(t, sentinelNode(sentinels))
	set := NewScript(`return redis.call('SET', KEYS[1], ARGV[1])`)
	_, err := r.Run(t.Context(), set, []string{"k"}, "before")
	require.NoError(t, err)
	require.NoError(t, r.Ping(t.Context(), "Cache"))
	require.Equal(t, group, r.Node("k"))
	require.Equal(t, "before", first.Do("GET", "k"))
	require.Equal(t, "before", r.Look(t.Context(), "k")[0].Value)

	sentinels.Kill(0)
	first.Kill()
	require.Eventually(t, func() bool {
		_, err := r.Run(t.Context(), set, []string{"k"}, "after")
		return err == nil
	}, 60*time.Second, 20*time.Millisecond, "the new primary is not found")
	require.Equal(t, "after", second.Do("GET", "k"))
	_, errs := r.RunEach(t.Context(), set, []Call{{Keys: []string{"k"}, Args: []any{"each"}}})
	require.NoError(t, First(errs))
	require.Equal(t, "each", second.Do("GET", "k"))
	second.Do("SET", "k", "seen")
	s := r.Look(t.Context(), "k")[0]
	require.NoError(t, s.Err)
	require.Equal(t, "seen", s.Value)
	require.NotEmpty(t, s.Origin)
}

// Sentinels that have no such group say so with the answer that Redis has for a
// key that is not there. Of a write that would mean that it is done: a node that
// has just lost its group would believe that others were told of a revoked login.
func TestAnUnknownGroupIsNoAnswer(t *testing.T) {
	first := startWithPassword(t)
	sentinels := testenv.StartSentinels(t, group, first, password)
	sentinels.Forget()
	for name, call := range map[string]func(r *Ring) error{
		"Get":    func(r *Ring) error { _, _, err := r.Get(t.Context(), "k"); return err },
		"Hash":   func(r *Ring) error { _, err := r.Hash(t.Context(), "k"); return err },
		"Run":    func(r *Ring) error { _, err := r.Run(t.Context(), echo, []string{"k"}, "x"); return err },
		"Delete": func(r *Ring) error { return r.Delete(t.Context(), "k") },
		"Look":   func(r *Ring) error { return r.Look(t.Context(), "k")[0].Err },
		"RunEach": func(r *Ring) error {
			_, errs := r.RunEach(t.Context(), echo, calls(1))
			return First(errs)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := openNode(t, sentinelNode(sentinels))
			for range tolerated {
				err := call(r)
				require.Error(t, err)
				require.NotErrorIs(t, err, redis.Nil)
				require.NotErrorIs(t, err, ErrResting)
			}
			require.ErrorIs(t, call(r), ErrResting, "it counts as a node that does not answer")
		})
	}
}

// What is wrong is told with the key that is to be changed.
func TestTroubleNamesItsKey(t *testing.T) {
	first := startWithPassword(t)
	sentinels := testenv.StartSentinels(t, group, first, password)
	for _, tc := range []struct {
		name   string
		change func(n *redisconf.Node)
		text   string
	}{
		{"no sentinel answers", func(n *redisconf.Node) { n.Host = freeport.Address(t) }, "Cache[0].Host (Redis sessions of sentinels 127.0.0.1:"},
		{"a Redis for a sentinel", func(n *redisconf.Node) { n.Host = first.Address }, "which is no sentinel"},
		{"another name", func(n *redisconf.Node) { n.MasterName = "other" }, `is "other", a name that the sentinels do not have: set the name of "sentinel monitor"; they have: sessions`},
		{"no password for sentinels", func(n *redisconf.Node) { n.SentinelPass = "" }, "Cache[0].SentinelPass (Redis sessions of sentinels"},
		{"a wrong one", func(n *redisconf.Node) { n.SentinelPass = "x" }, "Cache[0].SentinelPass (Redis sessions of sentinels"},
		{"no password for Redis", func(n *redisconf.Node) { n.Pass = "" }, "Cache[0].Pass (Redis sessions of sentinels"},
		{"a wrong one for Redis", func(n *redisconf.Node) { n.Pass = "x" }, "Cache[0].Pass (Redis sessions of sentinels"},
		{"a single Redis", func(n *redisconf.Node) { *n = redisconf.Node{Host: first.Address, Type: redisconf.TypeNode, Weight: 1} }, "Cache[0].Pass (Redis 127.0.0.1:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := sentinelNode(sentinels)
			tc.change(&n)
			err := openNode(t, n).Ping(t.Context(), "Cache")
			require.ErrorContains(t, err, tc.text)
			require.NotContains(t, err.Error(), password)
		})
	}
	first.Kill()
	require.ErrorContains(t, openNode(t, sentinelNode(sentinels)).Ping(t.Context(), "Cache"), "leads by its sentinels to the primary "+first.Address+", which does not answer")
}

// A sentinel that hangs is left for another one, in time to follow the failover that
// its end may be a part of.
func TestASentinelThatHangsIsLeft(t *testing.T) {
	first, second := startWithPassword(t), startWithPassword(t)
	second.Follow(first)
	sentinels := testenv.StartSentinels(t, group, first, password)
	sentinels.Know()
	n := sentinelNode(sentinels)
	n.Host = sentinels.Addresses[0] // which names the others
	r := openNode(t, n)
	require.NoError(t, r.Ping(t.Context(), "Cache"))
	sentinels.Freeze(0)
	first.Kill()
	require.Eventually(t, func() bool {
		_, err := r.Run(t.Context(), echo, []string{"k"}, "after")
		return err == nil
	}, 60*time.Second, 20*time.Millisecond, "the new primary is not found")
	require.Equal(t, "after", second.Do("GET", "k"))
}

// One sentinel that answers is enough.
func TestOneSentinelIsEnough(t *testing.T) {
	sentinels := testenv.StartSentinels(t, group, startWithPassword(t), password)
	n := sentinelNode(sentinels)
	n.Host = freeport.Address(t) + "," + silent(t) + "," + sentinels.Addresses[2]
	require.NoError(t, openNode(t, n).Ping(t.Context(), "Cache"))
}
