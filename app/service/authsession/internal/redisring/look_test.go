package redisring

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

func originOf(t *testing.T, m *testenv.Redis) string {
	_, rest, found := strings.Cut(m.Do("INFO", "replication").(string), "master_replid:")
	require.True(t, found)
	return rest[:40]
}

// Each key is told with the ID of the Redis that has it, in one round trip to each.
func TestALookTellsValuesAndWhereTheyAre(t *testing.T) {
	var networks []*tcpproxy.Proxy
	var addresses []string
	origins := map[string]string{}
	for range 3 {
		m := testenv.StartRedis(t)
		p := tcpproxy.Start(t, m.Address)
		networks, addresses = append(networks, p), append(addresses, p.Addr())
		origins[p.Addr()] = originOf(t, m)
	}
	r := open(t, addresses...)
	set := NewScript(`return redis.call('SET', KEYS[1], ARGV[1])`)
	keys := make([]string, 30)
	for i := range keys {
		keys[i] = fmt.Sprintf("k%d", i)
		if i%2 == 0 {
			_, err := r.Run(t.Context(), set, keys[i:i+1], keys[i])
			require.NoError(t, err)
		}
	}
	requests := func() (n int64) {
		for _, p := range networks {
			n += p.Requests()
		}
		return n
	}
	r.Look(t.Context(), keys...) // for the connections
	before := requests()
	found := r.Look(t.Context(), keys...)
	require.LessOrEqual(t, requests()-before, int64(3*2), "each round trip comes in one or two pieces")
	told := map[string]bool{}
	for i, s := range found {
		require.NoError(t, s.Err)
		require.Equal(t, keys[i], s.Key)
		require.Equal(t, origins[r.Node(s.Key)], s.Origin)
		told[s.Origin] = true
		if i%2 == 0 {
			require.Equal(t, keys[i], s.Value)
		} else {
			require.Empty(t, s.Value)
		}
	}
	require.Len(t, told, 3)
}

// INFO comes after all values, on their connection: it speaks of the process that told
// them, and of a moment when they had been told.
func TestALookAsksWhatItReadsFromLast(t *testing.T) {
	m := testenv.StartRedis(t)
	r := open(t, m.Address)
	w := stopped(r)
	r.Look(t.Context(), "warm") // for the connection
	w.pass(recent)
	m.Do("CONFIG", "SET", "slowlog-log-slower-than", "0")
	r.Look(t.Context(), "a", "b")
	m.Do("CONFIG", "SET", "slowlog-log-slower-than", "-1")
	var commands, clients []string
	for _, entry := range m.Do("SLOWLOG", "GET", "3").([]any) { // the newest comes first
		fields := entry.([]any)
		commands = append(commands, fmt.Sprint(fields[3]))
		clients = append(clients, fmt.Sprint(fields[4]))
	}
	require.Equal(t, []string{"[info replication]", "[getex b]", "[getex a]"}, commands)
	require.Equal(t, []string{clients[0], clients[0], clients[0]}, clients)
}

// What refuses writes could not be told of any, and refuses a look. It is an answer: the
// node does not rest.
func TestARedisThatRefusesWritesRefusesALook(t *testing.T) {
	for name, tc := range map[string]struct {
		refuse func(m *testenv.Redis)
		err    string
	}{
		"too few replicas": {func(m *testenv.Redis) { m.Do("CONFIG", "SET", "min-replicas-to-write", "1") }, "NOREPLICAS"},
		"a replica":        {func(m *testenv.Redis) { m.Follow(testenv.StartRedis(t)) }, "READONLY"},
		"its dump failed":  {func(m *testenv.Redis) { m.BreakDump() }, "MISCONF"},
	} {
		t.Run(name, func(t *testing.T) {
			m := testenv.StartRedis(t)
			r := open(t, m.Address)
			m.Do("SET", "k", "v")
			require.Equal(t, []Sight{{Key: "k", Value: "v", Origin: originOf(t, m)}}, r.Look(t.Context(), "k"))
			tc.refuse(m)
			for range 2 * tolerated {
				s := r.Look(t.Context(), "k")[0]
				require.ErrorContains(t, s.Err, tc.err)
				require.Empty(t, s.Origin)
			}
		})
	}
}

// A replica has its primary's ID: one that takes writes says that it is none.
func TestAReplicaThatTakesWritesHasNoOrigin(t *testing.T) {
	primary, replica := testenv.StartRedis(t), testenv.StartRedis(t)
	primary.Do("SET", "k", "v")
	replica.Follow(primary)
	replica.Do("CONFIG", "SET", "replica-read-only", "no")
	require.Equal(t, originOf(t, primary), originOf(t, replica))
	s := open(t, replica.Address).Look(t.Context(), "k")[0]
	require.NoError(t, s.Err)
	require.Empty(t, s.Origin)
}

// What a node does not allow is not asked each time.
func TestANodeThatCannotBeLookedAtIsLeftToScripts(t *testing.T) {
	for _, denied := range []string{"-info", "-getex"} {
		t.Run(denied, func(t *testing.T) {
			m := testenv.StartRedis(t)
			network := tcpproxy.Start(t, m.Address)
			m.Do("SET", "k", "v")
			m.Do("ACL", "SETUSER", "default", denied)
			r := open(t, network.Addr())
			var first int64
			for i := range 3 {
				s := r.Look(t.Context(), "k")[0]
				require.NoError(t, s.Err)
				require.Empty(t, s.Origin)
				if i == 0 {
					first = network.Requests()
				}
				require.Equal(t, first, network.Requests())
			}
			r.nodes[0].unlookedTill.Store(1) // that was a minute ago
			m.Do("ACL", "SETUSER", "default", "+@all")
			require.Equal(t, "v", r.Look(t.Context(), "k")[0].Value)
		})
	}
}

// A cluster's INFO may be another node's than the value's.
func TestAClusterIsNotLookedAt(t *testing.T) {
	m := testenv.StartRedis(t)
	network := tcpproxy.Start(t, m.Address)
	r := openNode(t, redisconf.Node{Host: network.Addr(), Type: redisconf.TypeCluster, Weight: 100})
	require.Equal(t, []Sight{{Key: "k"}}, r.Look(t.Context(), "k"))
	require.Zero(t, network.Requests())
}

// A node that hangs is left alone as with any other call.
func TestASilentNodeIsNotLookedAtForLong(t *testing.T) {
	r := open(t, silent(t))
	for range tolerated {
		s := r.Look(t.Context(), "k")[0]
		require.Error(t, s.Err)
		require.NotErrorIs(t, s.Err, ErrResting)
	}
	require.ErrorIs(t, r.Look(t.Context(), "k")[0].Err, ErrResting)
}

func TestOriginIn(t *testing.T) {
	for info, want := range map[string]struct {
		id   string
		able bool
	}{
		"# Replication\r\nrole:master\r\nmaster_replid:abc\r\nmaster_replid2:def\r\n":               {"abc", true},
		"# Replication\r\nrole:slave\r\nmaster_replid:abc\r\nmaster_replid2:def\r\n":                {"", true},
		"# Replication\r\nrole:master\r\nmaster_replid2:def\r\n":                                    {"", false},
		"# Replication\r\nrole:master\r\nmaster_replid:abc":                                         {"", false},
		"# Replication\r\nrole:master\r\nslave0:ip=master_replid:x,port=1\r\nmaster_replid:abc\r\n": {"abc", true},
		"# Replication\r\nrole:slave\r\nmaster_host:role:master\r\nmaster_replid:abc\r\n":           {"", true},
		"": {"", false},
	} {
		id, able := originIn(info)
		require.Equal(t, want.id, id, info)
		require.Equal(t, want.able, able, info)
	}
}
