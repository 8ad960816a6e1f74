package core

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

func saltsOf(s *mtproto.FutureSalts) (values []int64) {
	for _, x := range s.Salts {
		values = append(values, x.Data2.Salt)
	}
	return values
}

func TestWeakness65FutureSalts(t *testing.T) {
	c := start(t)
	k := randomKey(t)
	now := int32(c.clock.Now().Unix())
	_, err := c.on(0).AuthsessionSetAuthKey(&authsession.TLAuthsessionSetAuthKey{
		AuthKey:    info(k, 0),
		FutureSalt: &mtproto.FutureSalt{PredicateName: "future_salt", ValidSince: now, ValidUntil: now + 1800, Salt: -42},
	})
	require.NoError(t, err)
	get := func(i int, num int32) *mtproto.FutureSalts {
		t.Helper()
		s, err := c.on(i).AuthsessionGetFutureSalts(&authsession.TLAuthsessionGetFutureSalts{AuthKeyId: k.IntID(), Num: num})
		require.NoError(t, err)
		return s
	}
	first := get(0, 0)
	require.Len(t, first.Salts, 32)
	require.Zero(t, int64(first.Now)+first.ReqMsgId)
	require.EqualValues(t, -42, first.Salts[0].Data2.Salt, "the handshake's salt comes first")
	for i, s := range first.Salts {
		require.Equal(t, "future_salt", s.Data2.PredicateName)
		require.Equal(t, now+int32(i)*1800, s.Data2.ValidSince)
		require.Equal(t, now+int32(i+1)*1800, s.Data2.ValidUntil)
	}
	require.Equal(t, saltsOf(first), saltsOf(get(1, 0)), "both nodes give the same")
	require.Equal(t, saltsOf(first)[:2], saltsOf(get(1, 2)))
	require.Len(t, get(0, 100).Salts, 64)
	c.clock.Advance(1801 * time.Second)
	later := get(1, 0)
	require.Len(t, later.Salts, 33, "the salt whose window has ended is still good")
	require.Equal(t, saltsOf(first), saltsOf(later)[:32])

	// For a key that nobody knows there is nothing, and nothing is stored.
	_, err = c.on(0).AuthsessionGetFutureSalts(&authsession.TLAuthsessionGetFutureSalts{AuthKeyId: 12345})
	refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
}

// With Salts.Life a test sees salts change in minutes: also the first one, which
// the gateway says is good for half an hour.
func TestShortSalts(t *testing.T) {
	c := startMini(t)
	c.saltLife = time.Minute
	node := c.node(c.mini.Addr())
	k := randomKey(t)
	now := int32(c.clock.Now().Unix())
	_, err := New(t.Context(), node).AuthsessionSetAuthKey(&authsession.TLAuthsessionSetAuthKey{
		AuthKey:    info(k, 0),
		FutureSalt: &mtproto.FutureSalt{PredicateName: "future_salt", ValidSince: now, ValidUntil: now + 1800, Salt: -42},
	})
	require.NoError(t, err)
	get := func() *mtproto.FutureSalts {
		t.Helper()
		s, err := New(t.Context(), node).AuthsessionGetFutureSalts(&authsession.TLAuthsessionGetFutureSalts{AuthKeyId: k.IntID(), Num: 3})
		require.NoError(t, err)
		return s
	}
	requireWindows := func(s *mtproto.FutureSalts, since int32) {
		t.Helper()
		for i, x := range s.Salts {
			require.Equal(t, since+int32(i)*60, x.Data2.ValidSince)
			require.Equal(t, since+int32(i+1)*60, x.Data2.ValidUntil)
		}
	}
	first := get()
	require.Len(t, first.Salts, 3)
	require.EqualValues(t, -42, first.Salts[0].Data2.Salt)
	requireWindows(first, now)

	c.clock.Advance(61 * time.Second)
	second := get()
	require.Len(t, second.Salts, 4, "the former one is still good")
	require.Equal(t, saltsOf(first), saltsOf(second)[:3])
	requireWindows(second, now)

	c.mini.Close() // derived
	requireWindows(get(), get().Salts[0].Data2.ValidSince)
}

// Two callers refill at once: with stock, the second overwrites what the first
// was told, and its client runs into bad_server_salt.
func TestWeakness65ConcurrentRefillsAgree(t *testing.T) {
	c := start(t)
	k := c.key(0, 0)
	for round := range 5 {
		results := make([][]int64, 16)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				s, err := New(background(), c.nodes[i%2]).AuthsessionGetFutureSalts(&authsession.TLAuthsessionGetFutureSalts{AuthKeyId: k.IntID()})
				if err != nil {
					t.Errorf("%v", err)
					return
				}
				results[i] = saltsOf(s)
			})
		}
		wg.Wait()
		for _, r := range results {
			require.Equal(t, results[0], r, "round %d", round)
		}
		c.clock.Advance(4000 * time.Second)
	}
}

// Without Redis every node derives the same salts, so a client keeps its own.
func TestWeakness66WithoutRedisNodesAgreeOnSalts(t *testing.T) {
	c := startMini(t)
	k := c.key(0, 0)
	c.mini.Close()
	var all [][]int64
	for i := range 2 {
		s, err := c.on(i).AuthsessionGetFutureSalts(&authsession.TLAuthsessionGetFutureSalts{AuthKeyId: k.IntID(), Num: 4})
		require.NoError(t, err)
		require.Len(t, s.Salts, 5)
		all = append(all, saltsOf(s))
	}
	require.Equal(t, all[0], all[1])
}
